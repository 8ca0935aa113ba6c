-- As block_windows.sql, with the bytes of the events' data: what a reader of them must hold. It reads the data, so it is
-- for blocks that are about to be read.
SELECT
    block, intDiv($came, {window_ms:Int64}) * {window_ms:Int64} AS begin_ms, count() AS events, max($came) AS newest_ms,
    sum(length(data)) AS bytes
FROM events
WHERE lane = {lane:String}
  AND block >= {first:UInt64}
  AND block <= {last:UInt64}
  AND ({workspace:String} = '' OR workspace = {workspace:String})
GROUP BY block, begin_ms
ORDER BY block, begin_ms
