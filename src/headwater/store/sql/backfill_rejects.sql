-- A backfill's rejected events by signal and reason, each with its newest.
SELECT
    signal,
    reason,
    count() AS events,
    toString(argMax(id, occurred_ms)) AS sample_id,
    argMax(detail, occurred_ms) AS sample_detail
FROM events
WHERE workspace = {workspace:String} AND backfill_id = {backfill:String} AND reason != '' AND $shown
GROUP BY signal, reason
ORDER BY events DESC, signal, reason
LIMIT 1000
