-- All that is stored of some events, the rows that count no more too: what an event was rejected with comes before what
-- became of it when it was replayed.
SELECT
    toString(id) AS event_id,
    signal,
    schema_version,
    dialect,
    identities,
    occurred_ms,
    lane,
    block,
    reason,
    detail,
    backfill_id,
    value,
    replayed_ms
FROM events
WHERE workspace = {workspace:String}
  AND id IN {ids:Array(UUID)}
ORDER BY event_id, replayed_ms
