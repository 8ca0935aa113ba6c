-- The names that processed events of a connected set of identities gave at one moment.
SELECT DISTINCT assumeNotNull(name) AS given
FROM events
WHERE workspace = {workspace:String}
  AND occurred_ms = {named_ms:Int64}
  AND hasAny(identities, {identities:Array(String)})
  AND reason = ''
  AND isNotNull(name)
