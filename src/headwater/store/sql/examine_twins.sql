-- Rows and different ids, an event that was replayed twice, in one of `slices` slices of a partition, so that what is held in memory stays bounded.
SELECT count() AS events, uniqExact(id, replayed_ms > 0) AS ids
FROM events
WHERE toYYYYMM(UUIDv7ToDateTime(id, 'UTC')) = {month:UInt32} AND cityHash64(id) % {slices:UInt32} = {slice:UInt32}
SETTINGS max_threads = 1
