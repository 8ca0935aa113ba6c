-- Rows and different ids in one of `slices` slices of a partition, so that what is held in memory stays bounded.
SELECT count() AS events, uniqExact(id) AS ids
FROM events
WHERE toYYYYMM(UUIDv7ToDateTime(id, 'UTC')) = {month:UInt32} AND cityHash64(id) % {slices:UInt32} = {slice:UInt32}
SETTINGS max_threads = 1
