-- Some events of a month as they were replayed, to be held against the log.
SELECT $settled
FROM events
WHERE toYYYYMM(UUIDv7ToDateTime(id, 'UTC')) = {month:UInt32}
  AND replayed_ms > 0
  AND id IN {ids:Array(UUID)}
SETTINGS max_threads = 1, max_block_size = 8192
