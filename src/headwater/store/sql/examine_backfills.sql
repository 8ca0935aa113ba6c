-- The backfills that rows name.
SELECT workspace, backfill_id, count() AS events
FROM events
WHERE backfill_id != ''
GROUP BY workspace, backfill_id
SETTINGS max_threads = 1
