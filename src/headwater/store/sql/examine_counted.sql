-- A lane's rows by partition, of the blocks that the state has counted.
SELECT toYYYYMM(UUIDv7ToDateTime(id, 'UTC')) AS month, count() AS events
FROM events
WHERE lane = {lane:String} AND block > {after:UInt64} AND block <= {last:UInt64}
GROUP BY month
SETTINGS max_threads = 1
