-- Rows of blocks behind the last one committed, by block.
SELECT block, count() AS events
FROM events
WHERE lane = {lane:String} AND block > {last:UInt64}
GROUP BY block
ORDER BY block
LIMIT 100
SETTINGS max_threads = 1
