-- The names that a profile's own events gave at one moment.
SELECT DISTINCT assumeNotNull(name) AS given
FROM events
WHERE workspace = {workspace:String}
  AND hasAny(identities, {identities:Array(String)})
  AND $counts
  AND occurred_ms = {named_ms:Int64}
  AND $own
  AND isNotNull(name)
