-- Events that were deleted, or are about to be, as long as a job has more to do for that: those that were received
-- since a moment, or at one of some moments.
SELECT DISTINCT toString(id) AS event_id
FROM doomed
WHERE toUnixTimestamp64Milli(UUIDv7ToDateTime(id, 'UTC')) >= {since_ms:Int64}
   OR toUnixTimestamp64Milli(UUIDv7ToDateTime(id, 'UTC')) IN {replayed:Array(Int64)}
SETTINGS max_threads = 1
