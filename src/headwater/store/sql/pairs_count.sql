-- How many pairs of identities a backfill's events name, about.
SELECT uniq(identities[1], arrayJoin(arraySlice(identities, 2))) AS pairs
FROM events
WHERE workspace = {workspace:String} AND backfill_id = {backfill:String} AND reason = '' AND length(identities) > 1
SETTINGS max_threads = 1
