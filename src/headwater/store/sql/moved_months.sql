-- How many rows of a run of blocks are there, by partition.
SELECT toYYYYMM(UUIDv7ToDateTime(id, 'UTC')) AS month, count() AS events
FROM events
WHERE lane = {lane:String} AND block >= {first:UInt64} AND block <= {last:UInt64}
GROUP BY month
