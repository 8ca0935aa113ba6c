-- The ids that a job has marked, in order, some at once.
SELECT DISTINCT toString(id) AS event_id
FROM doomed
WHERE job = {job:String} AND event_id > {after:String}
ORDER BY event_id
LIMIT {most:UInt64}
