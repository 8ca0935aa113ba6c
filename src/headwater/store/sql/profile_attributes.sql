-- The data of a profile's own events at the moments that are, for one of its properties at least, the newest which gave
-- it: whole texts, since only they tell 1.0 from 1.
WITH
    arrayExists(
        (one, other, until) -> toUnixTimestamp64Milli(UUIDv7ToDateTime(id, 'UTC')) <= until
            AND has(identities, one) AND has(identities, other),
        {ones:Array(String)}, {others:Array(String)}, {untils:Array(Int64)}
    ) AS aside,
    NOT aside AND has(
        {identities:Array(String)},
        identities[greatest(1, arrayFirstIndex(one -> NOT has({never:Array(String)}, one), identities))]
    ) AS own
SELECT DISTINCT occurred_ms, data
FROM events
WHERE workspace = {workspace:String}
  AND hasAny(identities, {identities:Array(String)})
  AND reason = ''
  AND occurred_ms >= {first_ms:Int64}
  AND occurred_ms <= {last_ms:Int64}
  AND signal = {signal:String}
  AND own
  AND occurred_ms IN (
    SELECT max(occurred_ms)
    FROM (
        SELECT occurred_ms, arrayJoin(JSONExtractKeysAndValuesRaw(data)) AS property
        FROM events
        WHERE workspace = {workspace:String}
          AND hasAny(identities, {identities:Array(String)})
          AND reason = ''
          AND occurred_ms >= {first_ms:Int64}
          AND occurred_ms <= {last_ms:Int64}
          AND signal = {signal:String}
          AND own
    )
    WHERE property.2 != 'null'
    GROUP BY property.1
  )
ORDER BY occurred_ms DESC
