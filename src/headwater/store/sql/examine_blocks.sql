-- How many different blocks of a lane are there, up to the last one committed.
SELECT groupBitmap(block) AS blocks
FROM events
WHERE lane = {lane:String} AND block <= {last:UInt64}
SETTINGS max_threads = 1
