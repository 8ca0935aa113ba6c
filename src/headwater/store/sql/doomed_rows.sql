-- The rows that a job is about to delete, by lane and partition; `counted` those of blocks that the state has counted.
SELECT
    lane,
    toYYYYMM(UUIDv7ToDateTime(id, 'UTC')) AS month,
    count() AS events,
    countIf(block > if(lane = 'realtime', {realtime_after:UInt64}, {migration_after:UInt64})) AS counted
FROM events
WHERE $doomed AND $committed
GROUP BY lane, month
ORDER BY lane, month
