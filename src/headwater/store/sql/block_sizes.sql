-- As block_windows.sql, with the bytes of the events' data: what a reader of them must hold. It reads the data, so it is
-- for blocks that are about to be read.
SELECT
    block, $window AS begin_ms, count() AS events, max($came) AS newest_ms,
    sum(length(data)) AS bytes
FROM events
WHERE $run
GROUP BY block, begin_ms
ORDER BY block, begin_ms
