-- Which of some events of one lane are there, as they were received first or as they were replayed. The months
-- tell which partitions to look into.
SELECT toString(id) AS event_id, block
FROM events
WHERE toYYYYMM(UUIDv7ToDateTime(id, 'UTC')) IN {months:Array(UInt32)}
  AND lane = {lane:String}
  AND (replayed_ms > 0) = {replays:Bool}
  AND id IN {ids:Array(UUID)}
SETTINGS max_threads = 1
