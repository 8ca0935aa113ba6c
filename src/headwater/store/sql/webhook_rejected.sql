-- A workspace's events that were rejected in a range of blocks of each lane, by signal and reason, each with some ids.
SELECT
    signal,
    reason,
    count() AS events,
    arraySlice(arrayReverseSort(groupArray(1000)(toString(id))), 1, {samples:UInt32}) AS samples
FROM events
WHERE workspace = {workspace:String}
    AND reason != ''
    AND (
        (lane = 'realtime' AND block > {realtime_after:UInt64} AND block <= {realtime_upto:UInt64})
        OR (lane = 'migration' AND block > {migration_after:UInt64} AND block <= {migration_upto:UInt64})
    )
GROUP BY signal, reason
ORDER BY events DESC, signal, reason
LIMIT {limit:UInt32}
