-- Some of a signal's events, newest first, as `check_ids` named them.
SELECT
    toString(id) AS event_id,
    dialect,
    occurred_ms,
    $status AS status,
    data
FROM events
WHERE workspace = {workspace:String}
  AND signal = {signal:String}
  AND occurred_ms >= {from_ms:Int64}
  AND occurred_ms <= {to_ms:Int64}
  AND id IN {ids:Array(UUID)}
  AND $shown
ORDER BY occurred_ms DESC, toUInt128(id) DESC
