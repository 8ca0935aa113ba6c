-- How old some pairs of identities are by the events that count: those that a backfill's events name, or those from one
-- pair to another. `first_ms` is null where no event that counts names the two. Rejected events link nothing. Memory
-- follows the pairs that are asked for.
WITH
    wanted AS (
        SELECT DISTINCT least(head, other) AS a, greatest(head, other) AS b
        FROM (
            SELECT identities[1] AS head, arrayJoin(arraySlice(identities, 2)) AS other
            FROM events
            WHERE workspace = {workspace:String}
              AND {backfill:String} != ''
              AND backfill_id = {backfill:String}
              AND reason = ''
              AND length(identities) > 1
        )
        WHERE cityHash64(a, b) % {slices:UInt32} = {slice:UInt32}
    )
SELECT a, b, minOrNullIf(occurred_ms, NOT has({excluded:Array(String)}, backfill_id)) AS first_ms
FROM (
    SELECT least(head, other) AS a, greatest(head, other) AS b, occurred_ms, backfill_id
    FROM (
        SELECT identities[1] AS head, arrayJoin(arraySlice(identities, 2)) AS other, occurred_ms, backfill_id
        FROM events
        WHERE workspace = {workspace:String} AND reason = '' AND length(identities) > 1
    )
    WHERE head != other
      AND if(
          {backfill:String} = '',
          (a, b) BETWEEN ({a0:String}, {b0:String}) AND ({a1:String}, {b1:String}),
          (a, b) IN (SELECT a, b FROM wanted)
      )
)
GROUP BY a, b
SETTINGS max_threads = 1
