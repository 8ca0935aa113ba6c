-- Events by id: one, a batch, or any hundred; of one that was replayed what became of it then. The ids give the months,
-- the bloom filter the granules.
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
  AND id IN {ids:Array(UUID)}
ORDER BY event_id, replayed_ms DESC
LIMIT 1 BY id
