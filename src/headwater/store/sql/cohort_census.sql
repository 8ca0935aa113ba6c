-- A template of store/compile.py: who is known.
SELECT DISTINCT arrayJoin(identities) AS identity
FROM events
WHERE $where
