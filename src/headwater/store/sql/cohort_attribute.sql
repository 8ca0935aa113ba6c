-- A template of store/compile.py: the data of each one's newest events that have the property.
SELECT subject, max(occurred_ms) AS ms, groupUniqArrayArgMax(given, occurred_ms) AS data
FROM (
    SELECT $subject AS subject, occurred_ms, data AS given
    FROM events
    WHERE $where
)
GROUP BY subject
