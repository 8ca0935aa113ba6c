-- Whom a backfill's events name, and whether any other event that counts names them.
SELECT identity, max(backfill_id != {backfill:String}) AS known
FROM (
    SELECT arrayJoin(identities) AS identity, backfill_id
    FROM events
    WHERE workspace = {workspace:String} AND $counts
)
WHERE identity IN (
    SELECT arrayJoin(identities)
    FROM events
    WHERE workspace = {workspace:String} AND backfill_id = {backfill:String} AND reason = ''
)
GROUP BY identity
