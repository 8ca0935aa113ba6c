-- The data of a profile's own events at some moments: whole texts, since only they tell 1.0 from 1. Newest first, each
-- text of a moment once, and no more of them than `most`, nor than have `bytes` bytes together: what is left out is
-- older than all that is there, or of the oldest moment.
SELECT occurred_ms, data, signal
FROM events
WHERE workspace = {workspace:String}
  AND hasAny(identities, {identities:Array(String)})
  AND $counts
  AND occurred_ms >= {first_ms:Int64}
  AND occurred_ms <= {last_ms:Int64}
  AND signal IN {signals:Array(String)}
  AND $own
  AND has({moments:Array(Int64)}, occurred_ms)
  AND id IN (
    SELECT one
    FROM (
        SELECT one, sum(size) OVER (ORDER BY moment DESC, one ROWS UNBOUNDED PRECEDING) AS upto
        FROM (
            SELECT occurred_ms AS moment, min(id) AS one, any(length(data)) AS size
            FROM events
            WHERE workspace = {workspace:String}
              AND hasAny(identities, {identities:Array(String)})
              AND $counts
              AND occurred_ms >= {first_ms:Int64}
              AND occurred_ms <= {last_ms:Int64}
              AND signal IN {signals:Array(String)}
              AND $own
              AND has({moments:Array(Int64)}, occurred_ms)
            GROUP BY moment, signal, sipHash128(data)
            ORDER BY moment DESC, one
            LIMIT {most:UInt32}
        )
    )
    WHERE upto <= {bytes:UInt64}
  )
ORDER BY occurred_ms DESC, id
