-- A template of store/compile.py: each one's newest value; of two at one moment the greatest as text.
SELECT subject, newest.1 AS ms, newest.2 AS value
FROM (
    SELECT subject, max((occurred_ms, found)) AS newest
    FROM (
        SELECT $subject AS subject, occurred_ms, assumeNotNull(value) AS found
        FROM events
        WHERE $where
    )
    GROUP BY subject
)
