-- Some of the ids that are there more than once in such a slice.
SELECT toString(id) AS event_id, count() AS times
FROM events
WHERE toYYYYMM(UUIDv7ToDateTime(id, 'UTC')) = {month:UInt32} AND cityHash64(id) % {slices:UInt32} = {slice:UInt32}
GROUP BY id, replayed_ms > 0
HAVING times > 1
LIMIT 5
SETTINGS max_threads = 1
