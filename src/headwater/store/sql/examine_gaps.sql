-- Some of a lane's blocks, up to the last one committed, of which no row is left; without those known to be empty.
SELECT number AS block
FROM numbers(1, {last:UInt64})
WHERE number NOT IN (SELECT block FROM events WHERE lane = {lane:String} AND block <= {last:UInt64})
  AND NOT arrayExists((first, last) -> number BETWEEN first AND last, {firsts:Array(UInt64)}, {lasts:Array(UInt64)})
ORDER BY block
LIMIT 5
SETTINGS max_threads = 1
