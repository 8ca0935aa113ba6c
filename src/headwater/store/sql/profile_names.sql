-- The names that a profile's own events gave at one moment.
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
SELECT DISTINCT assumeNotNull(name) AS given
FROM events
WHERE workspace = {workspace:String}
  AND hasAny(identities, {identities:Array(String)})
  AND reason = ''
  AND occurred_ms = {named_ms:Int64}
  AND own
  AND isNotNull(name)
