-- A template of store/compile.py: the names of each one's newest named events, each as data that has it.
SELECT subject, max(occurred_ms) AS ms, groupUniqArrayArgMax(given, occurred_ms) AS data
FROM (
    SELECT $subject AS subject, occurred_ms, toJSONString(map('name', assumeNotNull(name))) AS given
    FROM events
    WHERE $where
)
GROUP BY subject
