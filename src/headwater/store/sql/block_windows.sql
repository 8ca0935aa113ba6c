-- How many events of a workspace, or of all of them (an empty string), each of a run of blocks has, by the window of time
-- in which they came in.
SELECT block, intDiv($came, {window_ms:Int64}) * {window_ms:Int64} AS begin_ms, count() AS events, max($came) AS newest_ms
FROM events
WHERE lane = {lane:String}
  AND block >= {first:UInt64}
  AND block <= {last:UInt64}
  AND ({workspace:String} = '' OR workspace = {workspace:String})
GROUP BY block, begin_ms
ORDER BY block, begin_ms
