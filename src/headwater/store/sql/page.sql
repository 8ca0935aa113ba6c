-- The events after a place in the list, newest first. An empty string is a filter not set.
SELECT
    toString(id) AS event_id,
    signal,
    signal_id,
    schema_version,
    dialect,
    identities,
    name,
    occurred_ms,
    lane,
    $status AS status,
    reason,
    detail,
    data,
    reference,
    backfill_id,
    block
FROM events
WHERE workspace = {workspace:String}
  AND $shown
  AND occurred_ms >= {from_ms:Int64}
  AND occurred_ms < {to_ms:Int64}
  AND ({identity:String} = '' OR has(identities, {identity:String}))
  AND ({signal:String} = '' OR signal = {signal:String})
  AND ({status:String} = '' OR $status = {status:String})
  AND ({lane:String} = '' OR lane = {lane:String})
  AND ({reference:String} = '' OR reference = {reference:String})
  AND ({backfill:String} = '' OR backfill_id = {backfill:String})
  AND occurred_ms <= {after_ms:Int64}
  AND (occurred_ms < {after_ms:Int64} OR toUInt128(id) < toUInt128({after_id:UUID}))
ORDER BY occurred_ms DESC, toUInt128(id) DESC
LIMIT {limit:UInt32}
