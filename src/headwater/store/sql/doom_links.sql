-- The pairs among some identities that events link which count and were received until a moment.
SELECT DISTINCT least(head, other) AS a, greatest(head, other) AS b
FROM (
    SELECT identities[1] AS head, arrayJoin(arraySlice(identities, 2)) AS other
    FROM events
    WHERE workspace = {workspace:String}
      AND hasAny(identities, {identities:Array(String)})
      AND UUIDv7ToDateTime(id, 'UTC') <= fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
      AND $counts
      AND length(identities) > 1
)
WHERE head != other AND hasAll({identities:Array(String)}, [head, other])
SETTINGS max_threads = 1
