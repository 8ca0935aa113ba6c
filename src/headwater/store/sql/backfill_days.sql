-- A backfill's events by signal and UTC day (days since 1970), the newest days first.
SELECT
    signal,
    toInt64(floor(occurred_ms / 86400000)) AS day,
    count() AS events,
    countIf(reason != '') AS rejected
FROM events
WHERE workspace = {workspace:String} AND backfill_id = {backfill:String} AND $shown
GROUP BY signal, day
ORDER BY day DESC, signal
LIMIT {limit:UInt32}
