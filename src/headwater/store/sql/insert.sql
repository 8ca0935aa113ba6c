-- The rows of a block, as JSONCompactEachRow lines of `store.rows.COLUMNS`. A request that was held up on its way, and
-- comes when nobody waits for it any more, must not add them: its block may have been inserted again meanwhile.
INSERT INTO events
    ($columns)
SELECT
    $columns
FROM input('$line
')
WHERE throwIf(now64(3) > fromUnixTimestamp64Milli({begin_until_ms:Int64}), 'headwater: too late') = 0
FORMAT JSONCompactEachRow
