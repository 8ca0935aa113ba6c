-- Whom events count for that are about to be deleted, but for those who are `erased`.
SELECT DISTINCT identities[greatest(1, arrayFirstIndex(one -> NOT has({never:Array(String)}, one), identities))] AS owner
FROM events
WHERE $doomed AND $committed AND reason = '' AND NOT has({erased:Array(String)}, owner)
LIMIT {most:UInt64}
