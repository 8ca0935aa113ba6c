-- The identities that events of some blocks name which count, each once, in order.
SELECT DISTINCT arrayJoin(identities) AS identity
FROM events
WHERE workspace = {workspace:String}
  AND $counts
  AND (
    (lane = 'realtime' AND block > {realtime_after:UInt64} AND block <= {realtime_upto:UInt64})
    OR (lane != 'realtime' AND block > {migration_after:UInt64} AND block <= {migration_upto:UInt64})
  )
ORDER BY identity
