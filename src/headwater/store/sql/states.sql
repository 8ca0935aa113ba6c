-- The values that a profile's state had, newest first: by time, then by the greater text, then by the smaller id.
WITH (SELECT any(value) FROM events WHERE workspace = {workspace:String} AND id = {after_id:UUID}) AS after_value
SELECT
    toString(id) AS event_id,
    occurred_ms,
    assumeNotNull(value) AS value
FROM events
WHERE workspace = {workspace:String}
  AND signal = {signal:String}
  AND $counts
  AND isNotNull(value)
  AND occurred_ms >= {from_ms:Int64}
  AND occurred_ms < {to_ms:Int64}
  AND hasAny(identities, {identities:Array(String)})
  AND $own
  AND (
    occurred_ms < {after_ms:Int64}
    OR (
        occurred_ms = {after_ms:Int64}
        AND (value < after_value OR (value = after_value AND toUInt128(id) > toUInt128({after_id:UUID})))
    )
  )
ORDER BY occurred_ms DESC, value DESC, toUInt128(id)
LIMIT {limit:UInt32}
