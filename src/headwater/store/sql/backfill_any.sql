-- Whether anything of some backfills is stored.
SELECT id
FROM events
WHERE workspace = {workspace:String} AND has({backfills:Array(String)}, backfill_id)
LIMIT 1
