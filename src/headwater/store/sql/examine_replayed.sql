-- The rows of the events of a month that were replayed: each was rejected once, replayed once, and nothing else.
SELECT
    countIf(replayed_ms > 0) AS replayed,
    countIf(replayed_ms = 0 AND reason != '') AS rejected,
    countIf((replayed_ms = 0) = (reason = '')) AS others
FROM events
WHERE toYYYYMM(UUIDv7ToDateTime(id, 'UTC')) = {month:UInt32}
  AND id IN (
    SELECT id FROM events
    WHERE toYYYYMM(UUIDv7ToDateTime(id, 'UTC')) = {month:UInt32} AND replayed_ms > 0
  )
SETTINGS max_threads = 1
