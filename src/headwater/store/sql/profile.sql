-- What the processed events of a connected set of identities come to: one row, also when there are none.
SELECT
    count() AS events,
    min(occurred_ms) AS first_ms,
    max(occurred_ms) AS last_ms,
    countIf(isNotNull(name)) AS named,
    maxIf(occurred_ms, isNotNull(name)) AS named_ms
FROM events
WHERE workspace = {workspace:String}
  AND hasAny(identities, {identities:Array(String)})
  AND reason = ''
