-- How many rows each block of a lane has, by partition: both stores must tell the same once all is moved.
SELECT block, toYYYYMM(UUIDv7ToDateTime(id, 'UTC')) AS month, count() AS events
FROM events
WHERE lane = {lane:String}
GROUP BY block, month
ORDER BY block, month
