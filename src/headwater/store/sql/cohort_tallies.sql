-- A template of store/compile.py: how many events count for each.
SELECT subject, count() AS count
FROM (
    SELECT $subject AS subject
    FROM events
    WHERE $where
)
GROUP BY subject
