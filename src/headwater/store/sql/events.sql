-- Events by id: one, a batch, or any hundred. The ids give the months, the bloom filter the granules.
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
    status,
    reason,
    detail,
    data,
    reference,
    backfill_id,
    block
FROM events
WHERE workspace = {workspace:String}
  AND id IN {ids:Array(UUID)}
ORDER BY event_id
