-- The events received in a stretch of time, with what was settled about them then, to be held against the log.
SELECT $settled
FROM events
WHERE toYYYYMM(UUIDv7ToDateTime(id, 'UTC')) IN {months:Array(UInt32)}
  AND UUIDv7ToDateTime(id, 'UTC') >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND UUIDv7ToDateTime(id, 'UTC') <= fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND replayed_ms = 0
SETTINGS max_threads = 1, max_block_size = 8192
