-- Cuts the events of one block, in the order of ids, into slices of about so many bytes of data: each one's last id. Rows
-- of one id are in one slice.
SELECT toString(argMax(id, toUInt128(id))) AS last
FROM (
    SELECT id, sum(length(data)) OVER (ORDER BY toUInt128(id)) AS running
    FROM events
    WHERE lane = {lane:String}
      AND block = {block:UInt64}
      AND ({workspace:String} = '' OR workspace = {workspace:String})
      AND ({window_ms:Int64} = 0 OR $window = {begin_ms:Int64})
)
GROUP BY intDiv(running, {bytes:UInt64}) AS slice
ORDER BY slice
