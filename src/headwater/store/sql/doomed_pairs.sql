-- The pairs of identities that events about to be deleted link, but for those with an identity that is `erased`.
SELECT DISTINCT least(head, other) AS a, greatest(head, other) AS b
FROM (
    SELECT identities[1] AS head, arrayJoin(arraySlice(identities, 2)) AS other
    FROM events
    WHERE $doomed AND $committed AND reason = '' AND length(identities) > 1
)
WHERE head != other AND NOT hasAny({erased:Array(String)}, [head, other])
LIMIT {most:UInt64}
