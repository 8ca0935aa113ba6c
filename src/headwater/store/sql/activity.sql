-- Events by signal, hour of their receipt, and what became of them. An event's id begins with the time of its receipt,
-- and so tells the parts; it is read before all else, since most of a month is passed over.
SELECT
    signal,
    $status AS became,
    intDiv(toUnixTimestamp64Milli(UUIDv7ToDateTime(id, 'UTC')) - {from_ms:Int64}, 3600000) AS hour,
    count() AS events,
    max(toUnixTimestamp64Milli(UUIDv7ToDateTime(id, 'UTC'))) AS newest_ms
FROM events
PREWHERE workspace = {workspace:String}
  AND UUIDv7ToDateTime(id, 'UTC') >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND UUIDv7ToDateTime(id, 'UTC') < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
WHERE $shown
  AND became IN ('processed', 'rejected')
GROUP BY signal, became, hour
