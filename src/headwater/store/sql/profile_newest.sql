-- The first so many properties, by name, that a profile's own events gave, and when the newest which gave each occurred.
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
SELECT property.1 AS name, max(occurred_ms) AS newest_ms
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
WHERE property.2 != 'null' AND property.1 != {but:String}
GROUP BY name
ORDER BY name
LIMIT {most:UInt32}
