-- The newest events of a signal that were processed or rejected, and how long their data are.
SELECT toString(id) AS event_id, occurred_ms, length(data) AS bytes
FROM events
WHERE workspace = {workspace:String}
  AND signal = {signal:String}
  AND $shown
  AND $status IN ('processed', 'rejected')
ORDER BY occurred_ms DESC, toUInt128(id) DESC
LIMIT {limit:UInt32}
