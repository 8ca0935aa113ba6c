-- How many events of a workspace, or of all of them (an empty string), each of a run of blocks has, by the window of time
-- in which they came in.
SELECT block, $window AS begin_ms, count() AS events, max($came) AS newest_ms
FROM events
WHERE $run
GROUP BY block, begin_ms
ORDER BY block, begin_ms
