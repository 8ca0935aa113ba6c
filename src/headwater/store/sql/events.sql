-- Events by id: one, a batch, or any hundred; of one that was replayed what became of it then. The ids give the months,
-- the bloom filter the granules.
SELECT
    $event,
    $status AS status
FROM events
WHERE workspace = {workspace:String}
  AND id IN {ids:Array(UUID)}
ORDER BY event_id, replayed_ms DESC
LIMIT 1 BY id
