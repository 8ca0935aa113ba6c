-- How old some pairs of identities are by the events that count; a pair that none names is left out.
SELECT a, b, min(occurred_ms) AS first_ms
FROM (
    SELECT
        occurred_ms,
        arrayJoin(arraySlice(identities, 2)) AS other,
        least(identities[1], other) AS a,
        greatest(identities[1], other) AS b
    FROM events
    WHERE workspace = {workspace:String}
      AND hasAny(identities, {ones:Array(String)})
      AND $counts
      AND length(identities) > 1
)
WHERE (a, b) IN arrayZip({ones:Array(String)}, {others:Array(String)})
GROUP BY a, b
SETTINGS max_threads = 1
