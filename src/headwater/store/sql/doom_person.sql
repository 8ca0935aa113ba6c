-- Marks, for a job, all that was received until a moment and names one of some identities, whatever became of
-- it; `most` of it at once. What is gone by then is not found again.
INSERT INTO doomed (job, id)
SELECT DISTINCT {job:String}, id
FROM events
WHERE workspace = {workspace:String}
  AND hasAny(identities, {identities:Array(String)})
  AND UUIDv7ToDateTime(id, 'UTC') <= fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
  AND $committed
LIMIT {most:UInt64}
