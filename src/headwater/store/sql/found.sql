-- Of the events that count and name one of some identities: which of them they name, and the newest names they gave, by
-- the identity that they count for. What is set aside gives nobody a name. `hasAny` picks the granules; in them it would
-- compare every identity with every other one.
WITH
    identities[greatest(1, arrayFirstIndex(one -> NOT has({never:Array(String)}, one), identities))] AS attributed,
    isNotNull(name) AND NOT $aside AS gives
SELECT
    attributed,
    groupUniqArrayArray(arrayFilter(one -> one IN {identities:Array(String)}, identities)) AS met,
    maxIf(occurred_ms, gives) AS named_ms,
    groupUniqArrayArgMaxIf(assumeNotNull(name), occurred_ms, gives) AS names
FROM events
WHERE workspace = {workspace:String}
  AND indexHint(hasAny(identities, {identities:Array(String)}))
  AND arrayExists(one -> one IN {identities:Array(String)}, identities)
  AND $counts
GROUP BY attributed
