-- How many events are stored of some backfills. A rejected one that was replayed is there once.
SELECT
    backfill_id AS id,
    count() AS events,
    countIf(reason != '') AS rejected
FROM events
WHERE workspace = {workspace:String} AND has({backfills:Array(String)}, backfill_id) AND $shown
GROUP BY backfill_id
