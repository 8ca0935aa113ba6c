-- A metric's numbers by period, oldest first, of everybody or of one profile. `number` counts periods as
-- `rules.rollup` does: dates of ClickHouse end before the times that events may carry. Arithmetic starts at the first
-- of March of the year 0, before every such time, for intDiv cuts towards zero. Numbers are exact decimals.
-- The month by Hinnant's days_from_civil, as there.
WITH
    occurred_ms + 719468 * 86400000 AS since_march,
    intDiv(since_march, 86400000) AS days,
    days % 146097 AS of_centuries,
    intDiv(of_centuries - intDiv(of_centuries, 1460) + intDiv(of_centuries, 36524) - intDiv(of_centuries, 146096), 365)
        AS years,
    of_centuries - (365 * years + intDiv(years, 4) - intDiv(years, 100)) AS of_year
SELECT
    multiIf(
        {period:String} = 'hour', intDiv(since_march, 3600000) - 719468 * 24,
        {period:String} = 'day', days - 719468,
        {period:String} = 'week', intDiv(days + 2, 7) - 102781,
        (intDiv(days, 146097) * 400 + years) * 12 + intDiv(5 * of_year + 2, 153)
    ) AS number,
    count() AS events,
    count(value) AS numbers,
    toString(sum(toDecimal128(value, 9))) AS total,
    toString(min(toDecimal128(value, 9))) AS least,
    toString(max(toDecimal128(value, 9))) AS greatest
FROM events
WHERE workspace = {workspace:String}
  AND signal = {signal:String}
  AND $counts
  AND occurred_ms >= {from_ms:Int64}
  AND occurred_ms < {to_ms:Int64}
  AND ({everybody:Bool} OR (hasAny(identities, {identities:Array(String)}) AND $own))
  AND ({counts:Bool} OR isNotNull(value))
GROUP BY number
ORDER BY number
LIMIT {limit:UInt32}
