-- Which rejected events are to be judged anew, and how long their data are: the first ones behind a place, in the
-- table's order. Only of blocks that are committed.
SELECT toString(id) AS event_id, occurred_ms, length(data) AS bytes
FROM events
WHERE $refused
  AND block <= if(lane = 'realtime', {realtime:UInt64}, {migration:UInt64})
  AND (occurred_ms > {after_ms:Int64} OR toUInt128(id) > toUInt128({after_id:UUID}))
ORDER BY occurred_ms, toUInt128(id)
LIMIT {limit:UInt32}
