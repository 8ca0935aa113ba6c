-- The statements of cohorts over PostgreSQL, each under its name. `%(name)s` is a parameter.

-- name: cohorts
SELECT id, workspace, name, definition, created_ms, filled_ms FROM cohort_cohorts ORDER BY number

-- name: one
SELECT id, workspace, name, definition, created_ms, filled_ms FROM cohort_cohorts
WHERE id = %(id)s AND workspace = %(workspace)s

-- name: listed
SELECT id, workspace, name, definition, created_ms, filled_ms FROM cohort_cohorts
WHERE workspace = %(workspace)s AND (created_ms, id COLLATE "C") > (%(created_ms)s, %(id)s)
ORDER BY created_ms, id COLLATE "C" LIMIT %(limit)s

-- name: names
SELECT id, name FROM cohort_cohorts WHERE workspace = %(workspace)s AND filled_ms IS NOT NULL ORDER BY number

-- name: count
SELECT count(*) FROM cohort_cohorts WHERE workspace = %(workspace)s

-- name: add
INSERT INTO cohort_cohorts (id, workspace, name, definition, created_ms, filled_ms)
VALUES (%(id)s, %(workspace)s, %(name)s, %(definition)s, %(created_ms)s, %(filled_ms)s)

-- name: retitle
UPDATE cohort_cohorts SET name = %(name)s WHERE id = %(id)s

-- name: remove
WITH gone AS (DELETE FROM cohort_cohorts WHERE id = %(id)s RETURNING number)
INSERT INTO cohort_removed SELECT number FROM gone RETURNING number

-- name: hold
SELECT id, number FROM cohort_cohorts WHERE id = ANY(%(ids)s) ORDER BY number FOR NO KEY UPDATE

-- name: set_filled
UPDATE cohort_cohorts SET filled_ms = %(filled_ms)s WHERE id = %(id)s RETURNING number

-- name: enter
INSERT INTO cohort_members (cohort, identity, since_ms)
SELECT %(cohort)s, identity, %(at_ms)s FROM unnest(%(identities)s::bytea[]) AS identity ON CONFLICT DO NOTHING

-- name: apply
SELECT cohort_apply(%(cohorts)s::bigint[], %(identities)s::bytea[], %(times)s::bigint[], %(enters)s::boolean[],
    %(kinds)s::text[], %(events)s::text[])

-- name: rename
SELECT cohort_rename(%(cohorts)s::bigint[], %(olds)s::bytea[], %(news)s::bytea[], %(times)s::bigint[])

-- name: since
SELECT since_ms FROM cohort_members
WHERE cohort = (SELECT number FROM cohort_cohorts WHERE id = %(id)s)
    AND substr(identity, 1, 1200) = substr(%(identity)s::bytea, 1, 1200) AND identity = %(identity)s

-- name: page
SELECT identity, since_ms FROM cohort_members
WHERE cohort = (SELECT number FROM cohort_cohorts WHERE id = %(id)s)
    AND substr(identity, 1, 1200) >= substr(%(after)s::bytea, 1, 1200) AND identity > %(after)s
ORDER BY substr(identity, 1, 1200), identity LIMIT %(limit)s

-- name: changes
SELECT number, identity, at_ms, entered, kind, event_id FROM cohort_changes
WHERE cohort = (SELECT number FROM cohort_cohorts WHERE id = %(id)s)
    AND number < coalesce(%(before)s::bigint, 9223372036854775807)
ORDER BY number DESC LIMIT %(limit)s

-- name: changes_of
SELECT number, identity, at_ms, entered, kind, event_id FROM cohort_changes
WHERE cohort = (SELECT number FROM cohort_cohorts WHERE id = %(id)s)
    AND substr(identity, 1, 1200) = ANY(%(heads)s::bytea[]) AND identity = ANY(%(identities)s::bytea[])
    AND number < coalesce(%(before)s::bigint, 9223372036854775807)
ORDER BY number DESC LIMIT %(limit)s

-- name: news
SELECT cohort_changes.number, workspace, name, cohort_cohorts.id, identity, at_ms, entered, kind, event_id
FROM cohort_changes JOIN cohort_cohorts ON cohort_cohorts.number = cohort_changes.cohort
WHERE cohort_changes.number > %(after)s ORDER BY cohort_changes.number LIMIT %(limit)s

-- name: newest
SELECT greatest(max(number), pg_sequence_last_value(pg_get_serial_sequence('cohort_changes', 'number')::regclass), 0)
FROM cohort_changes

-- name: course
SELECT -1, count(*), 0::bigint, 0::bigint FROM cohort_members
WHERE cohort = (SELECT number FROM cohort_cohorts WHERE id = %(id)s)
UNION ALL
SELECT (at_ms - %(from)s) / %(step)s, count(*) FILTER (WHERE entered), count(*) FILTER (WHERE NOT entered), 0
FROM cohort_changes
WHERE cohort = (SELECT number FROM cohort_cohorts WHERE id = %(id)s) AND at_ms >= %(from)s GROUP BY 1
UNION ALL
SELECT (at_ms - %(from)s) / %(step)s, 0, 0, count(*) FROM cohort_merges
WHERE cohort = (SELECT number FROM cohort_cohorts WHERE id = %(id)s) AND at_ms >= %(from)s GROUP BY 1

-- name: caused
SELECT c.id, c.name, identity, at_ms, entered, kind, event_id
FROM cohort_changes JOIN cohort_cohorts c ON c.number = cohort
WHERE event_id = %(event_id)s AND workspace = %(workspace)s ORDER BY cohort_changes.number

-- name: erase_members
DELETE FROM cohort_members WHERE cohort = ANY(%(cohorts)s)
    AND substr(identity, 1, 1200) = ANY(%(heads)s::bytea[]) AND identity = ANY(%(identities)s::bytea[])

-- name: erase_changes
DELETE FROM cohort_changes WHERE cohort = ANY(%(cohorts)s)
    AND substr(identity, 1, 1200) = ANY(%(heads)s::bytea[]) AND identity = ANY(%(identities)s::bytea[])

-- name: erase_merges
DELETE FROM cohort_merges WHERE cohort = ANY(%(cohorts)s)
    AND substr(identity, 1, 1200) = ANY(%(heads)s::bytea[]) AND identity = ANY(%(identities)s::bytea[])

-- name: cut_members
DELETE FROM cohort_members WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM cohort_members WHERE cohort = %(number)s LIMIT %(piece)s
))

-- name: cut_changes
DELETE FROM cohort_changes WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM cohort_changes WHERE cohort = %(number)s LIMIT %(piece)s
))

-- name: cut_merges
DELETE FROM cohort_merges WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM cohort_merges WHERE cohort = %(number)s LIMIT %(piece)s
))
