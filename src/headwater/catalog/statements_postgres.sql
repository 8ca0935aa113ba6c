-- The catalog's statements for PostgreSQL, each under its name. `%(name)s` is a parameter; `since`: only what was
-- written after that revision.

-- name: all_workspaces
SELECT id, name, default_region, created_ms, never_connect, max_identities, unknown_signals
FROM catalog_workspace WHERE revision > %(since)s ORDER BY number

-- name: all_keys
SELECT id, workspace, digest, prefix, name, scopes, created_ms, expires_ms, revoked_ms
FROM catalog_key WHERE revision > %(since)s ORDER BY created_ms, number

-- name: all_signals
SELECT id, workspace, slug, name, type, active, rate_limit, enforcement, aggregation, period, value, preset,
    created_ms, archived, dedupe_by, retention_days, draft
FROM catalog_signal WHERE revision > %(since)s ORDER BY number

-- name: all_versions
SELECT signal_id, version, schema, created_ms
FROM catalog_schema_version WHERE revision > %(since)s ORDER BY signal_id, version

-- name: latest_versions
SELECT signal_id, max(version) AS version FROM catalog_schema_version GROUP BY signal_id

-- name: all_backfills
SELECT id, workspace, name, status, held, day, created_ms, closed_ms, released_ms, reverted_ms
FROM catalog_backfill WHERE revision > %(since)s ORDER BY number

-- name: put_workspace
INSERT INTO catalog_workspace AS w (id, name, default_region, created_ms, never_connect, max_identities,
    unknown_signals, revision)
VALUES (%(id)s, %(name)s, %(default_region)s, %(created_ms)s, %(never_connect)s, %(max_identities)s,
    %(unknown_signals)s, %(revision)s)
ON CONFLICT (id) DO UPDATE SET default_region = excluded.default_region, never_connect = excluded.never_connect,
    max_identities = excluded.max_identities, unknown_signals = excluded.unknown_signals,
    revision = excluded.revision

-- name: put_key
INSERT INTO catalog_key (id, workspace, digest, prefix, name, scopes, created_ms, expires_ms, revoked_ms, revision)
VALUES (%(id)s, %(workspace)s, %(digest)s, %(prefix)s, %(name)s, %(scopes)s, %(created_ms)s, %(expires_ms)s,
    %(revoked_ms)s, %(revision)s)
ON CONFLICT (id) DO UPDATE SET expires_ms = excluded.expires_ms, revoked_ms = excluded.revoked_ms,
    revision = excluded.revision

-- name: put_signal
INSERT INTO catalog_signal (id, workspace, slug, name, type, active, rate_limit, enforcement, aggregation, period,
    value, preset, created_ms, archived, dedupe_by, retention_days, draft, revision)
VALUES (%(id)s, %(workspace)s, %(slug)s, %(name)s, %(type)s, %(active)s, %(rate_limit)s, %(enforcement)s,
    %(aggregation)s, %(period)s, %(value)s, %(preset)s, %(created_ms)s, %(archived)s, %(dedupe_by)s,
    %(retention_days)s, %(draft)s, %(revision)s)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, type = excluded.type, active = excluded.active, rate_limit = excluded.rate_limit,
    enforcement = excluded.enforcement, aggregation = excluded.aggregation, period = excluded.period,
    value = excluded.value, archived = excluded.archived, dedupe_by = excluded.dedupe_by,
    retention_days = excluded.retention_days, draft = excluded.draft, revision = excluded.revision

-- name: put_version
INSERT INTO catalog_schema_version (signal_id, version, schema, created_ms, revision)
VALUES (%(signal_id)s, %(version)s, %(schema)s, %(created_ms)s, %(revision)s)

-- name: put_backfill
INSERT INTO catalog_backfill (id, workspace, name, status, held, day, created_ms, closed_ms, released_ms, reverted_ms,
    revision)
VALUES (%(id)s, %(workspace)s, %(name)s, %(status)s, %(held)s, %(day)s, %(created_ms)s, %(closed_ms)s,
    %(released_ms)s, %(reverted_ms)s, %(revision)s)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, held = excluded.held, closed_ms = excluded.closed_ms,
    released_ms = excluded.released_ms, reverted_ms = excluded.reverted_ms, revision = excluded.revision

-- name: put_change
INSERT INTO catalog_audit (id, workspace, actor, action, target, detail, at_ms, address, hash, revision)
VALUES (%(id)s, %(workspace)s, %(actor)s, %(action)s, %(target)s, %(detail)s, %(at_ms)s, %(address)s, %(hash)s,
    %(revision)s)

-- name: changes
SELECT id, workspace, actor, action, target, detail, at_ms, address
FROM catalog_audit WHERE workspace = %(workspace)s AND id < %(before)s ORDER BY id DESC LIMIT %(limit)s

-- name: noted
SELECT target, at_ms FROM catalog_audit WHERE action = %(action)s AND at_ms >= %(since_ms)s ORDER BY id

-- name: ended
SELECT target FROM catalog_audit WHERE action = %(action)s AND at_ms >= %(since_ms)s AND revision > %(since)s

-- name: made
SELECT id, workspace, actor, action, target, detail, at_ms
FROM catalog_audit WHERE action IN ('workspace.create', 'signal.create', 'signal.publish', 'key.create', 'key.rotate',
    'backfill.create')
ORDER BY id

-- name: end_of_audit
SELECT coalesce((SELECT given FROM catalog_end), 0),
    coalesce((SELECT hash FROM catalog_audit ORDER BY id DESC LIMIT 1), ''), (SELECT seal FROM catalog_end)

-- name: put_end
UPDATE catalog_end SET given = %(given)s, seal = %(seal)s

-- name: chained
SELECT id, workspace, actor, action, target, detail, at_ms, address, hash
FROM catalog_audit WHERE id > %(after)s ORDER BY id LIMIT %(limit)s

-- name: begin
INSERT INTO catalog_end (only_one, revision, given, seal, proof)
SELECT true, 0, 0, %(seal)s, %(proof)s WHERE NOT EXISTS (SELECT 1 FROM catalog_audit) ON CONFLICT DO NOTHING

-- name: proof
SELECT proof FROM catalog_end

-- name: patience
SELECT set_config('lock_timeout', '3s', true), set_config('idle_in_transaction_session_timeout', '5s', true)

-- name: lock
SELECT revision FROM catalog_end FOR UPDATE

-- name: advance
WITH told AS (SELECT pg_notify('headwater_catalog', ''))
UPDATE catalog_end SET revision = %(revision)s FROM told

-- name: was_written
SELECT hash FROM catalog_audit WHERE id = %(id)s

-- name: look
SELECT
    (SELECT version FROM versions WHERE part = 'catalog') AS version,
    (SELECT revision FROM catalog_end) AS revision,
    (SELECT revision FROM catalog_follower WHERE name = %(name)s) AS taken,
    EXISTS (SELECT 1 FROM catalog_audit) AS begun

-- name: take
INSERT INTO catalog_follower (name, revision) VALUES (%(name)s, %(revision)s)
ON CONFLICT (name) DO UPDATE SET revision = excluded.revision

-- name: leave
DELETE FROM catalog_follower WHERE name = %(name)s

-- name: are_behind
SELECT EXISTS (SELECT 1 FROM catalog_follower WHERE revision < %(revision)s AND name <> %(name)s)

-- name: forget
DELETE FROM catalog_follower WHERE revision < %(revision)s AND name <> %(name)s
