-- A template of store/compile.py: events, each with who it counts for.
SELECT $subject AS subject, occurred_ms AS ms
FROM events
WHERE $where
