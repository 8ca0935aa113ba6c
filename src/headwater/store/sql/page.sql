-- The events after a place in the list, newest first. An empty string is a filter not set.
SELECT
    $event,
    $status AS status
FROM events
WHERE $fits
  AND occurred_ms <= {after_ms:Int64}
  AND (occurred_ms < {after_ms:Int64} OR toUInt128(id) < toUInt128({after_id:UUID}))
ORDER BY occurred_ms DESC, toUInt128(id) DESC
LIMIT {limit:UInt32}
