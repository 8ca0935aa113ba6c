-- The statements of claims over PostgreSQL, each under its name. `%(name)s` is a parameter.

-- name: find
SELECT key, value FROM claim_claims WHERE key = ANY(%(keys)s::bytea[])

-- name: take
INSERT INTO claim_claims (key, value, batch, taken_ms, workspace, backfill)
SELECT key, value, batch, %(taken_ms)s, workspace, backfill FROM unnest(
    %(keys)s::bytea[], %(contents)s::bytea[], %(batches)s::bytea[], %(workspaces)s::text[], %(backfills)s::text[]
) AS row (key, value, batch, workspace, backfill)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, batch = excluded.batch, taken_ms = excluded.taken_ms,
    workspace = excluded.workspace, backfill = excluded.backfill
WHERE claim_claims.batch < excluded.batch

-- name: set_position
INSERT INTO claim_log VALUES (%(partition)s, %(position)s)
ON CONFLICT (partition) DO UPDATE SET position = excluded.position

-- name: position
SELECT position FROM claim_log WHERE partition = %(partition)s

-- name: next_backfill
SELECT workspace, backfill FROM claim_claims
WHERE backfill IS NOT NULL AND (workspace, backfill) > (%(workspace)s, %(backfill)s)
ORDER BY workspace, backfill LIMIT 1

-- name: prune
DELETE FROM claim_claims WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM claim_claims WHERE backfill IS NULL AND taken_ms < %(before_ms)s
    LIMIT %(most)s FOR UPDATE SKIP LOCKED
))

-- name: prune_backfill
DELETE FROM claim_claims WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM claim_claims
    WHERE backfill IS NOT NULL AND workspace = %(workspace)s AND backfill = %(backfill)s AND taken_ms < %(before_ms)s
    LIMIT %(most)s FOR UPDATE SKIP LOCKED
))

-- name: told
SELECT batch, value FROM claim_claims WHERE key BETWEEN %(first)s AND %(last)s

-- name: erase_answers
UPDATE claim_claims SET value = batch
WHERE batch = ANY(%(doomed)s::bytea[]) AND substr(value, 1, 16) = batch AND octet_length(value) > 16

-- name: erase_events
DELETE FROM claim_claims WHERE batch = ANY(%(doomed)s::bytea[]) AND substr(value, 1, 16) <> batch
    AND (substr(value, 1, 16) = ANY(%(doomed)s::bytea[]) OR batch = ANY(%(whole)s::bytea[]))

-- name: begin_holder
INSERT INTO claim_holders VALUES (%(holder)s, clock_timestamp())

-- name: beat
UPDATE claim_holders SET seen_at = clock_timestamp() WHERE number = %(holder)s

-- name: end_holder
DELETE FROM claim_holders WHERE number = %(holder)s

-- name: reserve
INSERT INTO claim_reserved (key, holder, at)
SELECT key, %(holder)s, clock_timestamp() FROM unnest(%(keys)s::bytea[], %(forced)s::boolean[]) AS asked (key, forced)
WHERE forced OR NOT EXISTS (SELECT FROM claim_claims c WHERE c.key = asked.key)
ON CONFLICT DO NOTHING RETURNING key

-- name: fulfil
WITH mine AS (
    DELETE FROM claim_reserved r USING unnest(%(keys)s::bytea[], %(holders)s::int[]) AS held (key, holder)
    WHERE r.key = held.key AND r.holder = held.holder RETURNING r.key
)
INSERT INTO claim_claims (key, value, batch, taken_ms, workspace, backfill)
SELECT key, value, batch, %(taken_ms)s, workspace, backfill FROM unnest(
    %(keys)s::bytea[], %(contents)s::bytea[], %(batches)s::bytea[], %(workspaces)s::text[], %(backfills)s::text[]
) AS row (key, value, batch, workspace, backfill) JOIN mine USING (key) ORDER BY key
ON CONFLICT (key) DO UPDATE SET value = excluded.value, batch = excluded.batch, taken_ms = excluded.taken_ms,
    workspace = excluded.workspace, backfill = excluded.backfill
WHERE claim_claims.batch <> excluded.batch

-- name: release
DELETE FROM claim_reserved r USING unnest(%(keys)s::bytea[], %(holders)s::int[]) AS held (key, holder)
WHERE r.key = held.key AND r.holder = held.holder

-- name: doubt
-- Nobody is the holder -1.
UPDATE claim_reserved r SET holder = -1, at = clock_timestamp()
FROM unnest(%(keys)s::bytea[], %(holders)s::int[]) AS held (key, holder)
WHERE r.key = held.key AND r.holder = held.holder

-- name: abandoned
SELECT r.holder, extract(epoch FROM max(r.at))::float8 FROM claim_reserved r
WHERE r.at < clock_timestamp() - make_interval(secs => %(quiet)s) AND r.holder <> ALL(%(alive)s::int[])
    AND NOT EXISTS (
        SELECT FROM claim_holders h
        WHERE h.number = r.holder AND h.seen_at >= clock_timestamp() - make_interval(secs => %(quiet)s)
    )
GROUP BY r.holder ORDER BY r.holder

-- name: void
DELETE FROM claim_reserved WHERE holder = %(holder)s AND extract(epoch FROM at)::float8 <= %(upto)s

-- name: forget_holders
DELETE FROM claim_holders h WHERE h.number <> ALL(%(alive)s::int[])
    AND h.seen_at < clock_timestamp() - make_interval(secs => %(quiet)s)
    AND NOT EXISTS (SELECT FROM claim_reserved r WHERE r.holder = h.number)

-- name: reserved
SELECT count(*) FROM claim_reserved
