-- The first so many properties, by name, that a profile's own events gave, and when the newest which gave each occurred.
SELECT property.1 AS name, max(occurred_ms) AS newest_ms
FROM (
    SELECT occurred_ms, signal, arrayJoin(JSONExtractKeysAndValuesRaw(data)) AS property
    FROM events
    WHERE workspace = {workspace:String}
      AND hasAny(identities, {identities:Array(String)})
      AND $counts
      AND occurred_ms >= {first_ms:Int64}
      AND occurred_ms <= {last_ms:Int64}
      AND signal IN {signals:Array(String)}
      AND $own
)
WHERE property.2 != 'null'
  AND property.1 != {but:String}
  AND NOT (signal = {identify:String} AND has({beside:Array(String)}, property.1))
GROUP BY name
ORDER BY name
LIMIT {most:UInt32}
