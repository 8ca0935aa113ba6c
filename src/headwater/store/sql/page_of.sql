-- The events of one profile after a place in the list, newest first: attributed to it and not set aside, whatever became
-- of them.
SELECT
    $event,
    $status AS status
FROM events
WHERE $fits
  AND hasAny(identities, {identities:Array(String)})
  AND $own
  AND occurred_ms <= {after_ms:Int64}
  AND (occurred_ms < {after_ms:Int64} OR toUInt128(id) < toUInt128({after_id:UUID}))
ORDER BY occurred_ms DESC, toUInt128(id) DESC
LIMIT {limit:UInt32}
