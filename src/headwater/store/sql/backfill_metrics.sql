-- What the signals of a backfill that measure numbers come to over all times, with its events and without them.
WITH
    toDecimal128OrNull(value, 9) AS number,
    backfill_id = {backfill:String} AS own
SELECT
    signal,
    count() AS events_with,
    countIf(NOT own) AS events_without,
    count(number) AS numbers_with,
    countIf(isNotNull(number) AND NOT own) AS numbers_without,
    toString(sum(number)) AS total_with,
    toString(sumIf(number, NOT own)) AS total_without,
    toString(min(number)) AS least_with,
    toString(minIf(number, NOT own)) AS least_without,
    toString(max(number)) AS greatest_with,
    toString(maxIf(number, NOT own)) AS greatest_without
FROM events
WHERE workspace = {workspace:String}
  AND has({signals:Array(String)}, signal)
  AND $counts
GROUP BY signal
ORDER BY signal
