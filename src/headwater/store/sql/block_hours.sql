-- How many events of a workspace, or of all of them (an empty string), each of a run of blocks has, by the hour (since
-- 1970) in which they came in.
SELECT block, $hour AS hour, count() AS events, max($came) AS newest_ms
FROM events
WHERE lane = {lane:String}
  AND block >= {first:UInt64}
  AND block <= {last:UInt64}
  AND ({workspace:String} = '' OR workspace = {workspace:String})
GROUP BY block, hour
ORDER BY block, hour
