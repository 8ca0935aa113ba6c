-- The state's statements over PostgreSQL, each under its name. `%(name)s` is a parameter.

-- name: begin_lanes
INSERT INTO state_cursors SELECT %(partition)s, lane, 0, 0 FROM state_lanes ON CONFLICT DO NOTHING

-- name: cursors
SELECT lane, position, block FROM state_cursors WHERE partition = %(partition)s

-- name: plans
SELECT lane, block, "start", "end", months FROM state_plans WHERE partition = %(partition)s

-- name: hold_cursor
SELECT position, block FROM state_cursors WHERE partition = %(partition)s AND lane = %(lane)s FOR UPDATE

-- name: plan_of
SELECT block, "start", "end", months FROM state_plans WHERE partition = %(partition)s AND lane = %(lane)s

-- name: give_number
UPDATE state_lanes SET given = given + 1 WHERE lane = %(lane)s RETURNING given

-- name: put_plan
INSERT INTO state_plans (lane, block, partition, "start", "end", months)
VALUES (%(lane)s, %(block)s, %(partition)s, %(start)s, %(end)s, %(months)s)

-- name: drop_plan
DELETE FROM state_plans WHERE lane = %(lane)s AND block = %(block)s

-- name: put_cursor
UPDATE state_cursors SET position = %(end)s, block = %(block)s WHERE partition = %(partition)s AND lane = %(lane)s

-- name: put_block
INSERT INTO state_blocks (lane, block, partition, "start", "end", months)
VALUES (%(lane)s, %(block)s, %(partition)s, %(start)s, %(end)s, %(months)s)

-- name: count_rows
INSERT INTO state_counted (partition, lane, month, rows)
SELECT %(partition)s, %(lane)s, key::int, value::bigint FROM jsonb_each_text(%(months)s::jsonb)
ON CONFLICT (partition, lane, month) DO UPDATE SET rows = state_counted.rows + excluded.rows

-- name: uncount_rows
INSERT INTO state_counted (partition, lane, month, rows)
SELECT -1, %(lane)s, key::int, -value::bigint FROM jsonb_each_text(%(months)s::jsonb)
ON CONFLICT (partition, lane, month) DO UPDATE SET rows = state_counted.rows + excluded.rows

-- name: counted
SELECT lane, month, sum(rows)::bigint FROM state_counted GROUP BY lane, month HAVING sum(rows) <> 0
ORDER BY lane, month

-- name: counted_ahead
SELECT lane, block, months FROM state_blocks WHERE (lane = 'realtime' AND block > %(realtime)s)
    OR (lane = 'migration' AND block > %(migration)s)

-- name: emptied
SELECT lane, first, last FROM state_emptied ORDER BY lane, first

-- name: put_emptied
INSERT INTO state_emptied (lane, first, last) VALUES (%(lane)s, %(first)s, %(last)s)
ON CONFLICT (lane, first) DO UPDATE SET last = excluded.last

-- name: watermarks
SELECT l.lane, coalesce(min(p.block) - 1, l.given)
FROM state_lanes l LEFT JOIN state_plans p USING (lane) GROUP BY l.lane, l.given

-- name: blocks_between
SELECT block, partition, "start", "end" FROM state_blocks
WHERE lane = %(lane)s AND block > %(after)s AND block <= %(upto)s

-- name: links_between
SELECT workspace, a, b, first_ms FROM state_link_log
WHERE lane = %(lane)s AND block > %(after)s AND block <= %(upto)s

-- name: forget_blocks
DELETE FROM state_blocks WHERE lane = %(lane)s AND block <= %(upto)s

-- name: forget_links
DELETE FROM state_link_log WHERE lane = %(lane)s AND block <= %(upto)s

-- name: all_plans
SELECT partition, lane, block, "start", "end", months FROM state_plans ORDER BY lane, block

-- name: all_cursors
SELECT partition, lane, position, block FROM state_cursors

-- name: heart
SELECT (SELECT times FROM state_relinked), ARRAY(SELECT id FROM state_watches)

-- name: put_links
WITH put AS (
    INSERT INTO state_links (workspace, a, b, first_ms)
    SELECT * FROM unnest(%(workspaces)s::text[], %(ones)s::bytea[], %(others)s::bytea[], %(times)s::bigint[])
    ON CONFLICT (workspace, substr(a, 1, 600), substr(b, 1, 600), rest)
        DO UPDATE SET first_ms = excluded.first_ms WHERE excluded.first_ms < state_links.first_ms
    RETURNING workspace, a, b, first_ms
)
INSERT INTO state_link_log SELECT %(lane)s, %(block)s, put.* FROM put

-- name: note_links
INSERT INTO state_watched (watch, workspace, a, b, first_ms)
SELECT watch, link.* FROM unnest(%(watches)s::int[]) AS watch CROSS JOIN
    unnest(%(workspaces)s::text[], %(ones)s::bytea[], %(others)s::bytea[], %(times)s::bigint[]) AS link

-- name: links
SELECT workspace, a, b, first_ms, rest FROM state_links
WHERE (workspace, substr(a, 1, 600), substr(b, 1, 600), rest)
    > (%(workspace)s, substr(%(a)s::bytea, 1, 600), substr(%(b)s::bytea, 1, 600), %(rest)s::bytea)
    AND (NOT %(one)s OR workspace = %(workspace)s)
ORDER BY workspace, substr(a, 1, 600), substr(b, 1, 600), rest LIMIT %(most)s

-- name: links_of
(SELECT a, b, first_ms FROM state_links
    WHERE workspace = %(workspace)s AND substr(a, 1, 600) = substr(%(identity)s::bytea, 1, 600) AND a = %(identity)s
    LIMIT %(most)s)
UNION ALL
(SELECT a, b, first_ms FROM state_links
    WHERE workspace = %(workspace)s AND substr(b, 1, 600) = substr(%(identity)s::bytea, 1, 600) AND b = %(identity)s
    LIMIT %(most)s)
LIMIT %(most)s

-- name: known_links
SELECT workspace, a, b FROM unnest(
    %(workspaces)s::text[], %(ones)s::bytea[], %(others)s::bytea[], %(times)s::bigint[]
) AS asked (workspace, a, b, ms) WHERE EXISTS (
    SELECT FROM state_links l
    WHERE l.workspace = asked.workspace AND substr(l.a, 1, 600) = substr(asked.a, 1, 600)
        AND substr(l.b, 1, 600) = substr(asked.b, 1, 600) AND l.a = asked.a AND l.b = asked.b
        AND l.first_ms <= asked.ms
)

-- name: linked
SELECT workspace, count(*) FROM state_links GROUP BY workspace

-- name: drop_links
DELETE FROM state_links l USING unnest(%(ones)s::bytea[], %(others)s::bytea[]) AS gone (a, b)
WHERE l.workspace = %(workspace)s AND substr(l.a, 1, 600) = substr(gone.a, 1, 600)
    AND substr(l.b, 1, 600) = substr(gone.b, 1, 600) AND l.a = gone.a AND l.b = gone.b

-- name: drop_logged
DELETE FROM state_link_log l USING unnest(%(ones)s::bytea[], %(others)s::bytea[]) AS gone (a, b)
WHERE l.workspace = %(workspace)s AND l.a = gone.a AND l.b = gone.b

-- name: set_links
INSERT INTO state_links (workspace, a, b, first_ms)
SELECT %(workspace)s, link.* FROM unnest(%(ones)s::bytea[], %(others)s::bytea[], %(times)s::bigint[]) AS link
ON CONFLICT (workspace, substr(a, 1, 600), substr(b, 1, 600), rest) DO UPDATE SET first_ms = excluded.first_ms

-- name: watched
SELECT a, b, min(first_ms) FROM state_watched WHERE watch = %(watch)s AND workspace = %(workspace)s GROUP BY a, b

-- name: sever
INSERT INTO state_severed (workspace, a, b, until_ms)
SELECT %(workspace)s, a, b, max(ms)
FROM unnest(%(ones)s::bytea[], %(others)s::bytea[], %(times)s::bigint[]) AS pair (a, b, ms) GROUP BY a, b
ON CONFLICT (workspace, pair) DO UPDATE SET until_ms = greatest(state_severed.until_ms, excluded.until_ms)

-- name: severed
SELECT workspace, a, b, until_ms FROM state_severed ORDER BY workspace, a, b

-- name: unsever
DELETE FROM state_severed WHERE workspace = %(workspace)s AND until_ms <= %(until_ms)s
    AND (a = ANY(%(identities)s::bytea[]) OR b = ANY(%(identities)s::bytea[]))

-- name: jobs
SELECT id, kind, workspace, about, step, begun_ms, done_ms, failure FROM state_job
WHERE (%(kind)s::text IS NULL OR kind = %(kind)s) AND (%(workspace)s::text IS NULL OR workspace = %(workspace)s)
    AND (%(id)s::text IS NULL OR id = %(id)s)
ORDER BY begun_ms DESC, id COLLATE "C" DESC

-- name: put_job
INSERT INTO state_job (id, kind, workspace, about, step, begun_ms, done_ms, failure)
VALUES (%(id)s, %(kind)s, %(workspace)s, %(about)s, %(step)s, %(begun_ms)s, %(done_ms)s, %(failure)s)
ON CONFLICT (id) DO UPDATE SET about = excluded.about, step = excluded.step, begun_ms = excluded.begun_ms,
    done_ms = excluded.done_ms, failure = excluded.failure
