-- The rows of one block by partition: after a crash this tells what of the block is there.
SELECT toYYYYMM(UUIDv7ToDateTime(id, 'UTC')) AS month, count() AS events
FROM events
WHERE lane = {lane:String} AND block = {block:UInt64}
GROUP BY month
