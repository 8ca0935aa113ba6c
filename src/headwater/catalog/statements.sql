-- The catalog's statements, each under its name. `:name` is a parameter.

-- name: all_workspaces
SELECT id, name, default_region, created_ms, never_connect, max_identities, unknown_signals
FROM workspace ORDER BY name

-- name: all_keys
SELECT id, workspace, digest, prefix, name, scopes, created_ms, expires_ms, revoked_ms
FROM key ORDER BY created_ms, rowid

-- name: all_signals
SELECT id, workspace, slug, name, type, active, rate_limit, enforcement, aggregation, period, value, preset,
    created_ms, archived, dedupe_by, retention_days, draft
FROM signal ORDER BY rowid

-- name: all_versions
SELECT signal_id, version, schema, created_ms FROM schema_version ORDER BY signal_id, version

-- name: latest_versions
SELECT signal_id, max(version) AS version FROM schema_version GROUP BY signal_id

-- name: put_workspace
INSERT INTO workspace (id, name, default_region, created_ms, never_connect, max_identities, unknown_signals)
VALUES (:id, :name, :default_region, :created_ms, :never_connect, :max_identities, :unknown_signals)
ON CONFLICT (id) DO UPDATE SET default_region = :default_region, never_connect = :never_connect,
    max_identities = :max_identities, unknown_signals = :unknown_signals

-- name: put_key
INSERT INTO key (id, workspace, digest, prefix, name, scopes, created_ms, expires_ms, revoked_ms)
VALUES (:id, :workspace, :digest, :prefix, :name, :scopes, :created_ms, :expires_ms, :revoked_ms)
ON CONFLICT (id) DO UPDATE SET expires_ms = :expires_ms, revoked_ms = :revoked_ms

-- name: put_signal
INSERT INTO signal (id, workspace, slug, name, type, active, rate_limit, enforcement, aggregation, period, value,
    preset, created_ms, archived, dedupe_by, retention_days, draft)
VALUES (:id, :workspace, :slug, :name, :type, :active, :rate_limit, :enforcement, :aggregation, :period, :value,
    :preset, :created_ms, :archived, :dedupe_by, :retention_days, :draft)
ON CONFLICT (id) DO UPDATE SET name = :name, type = :type, active = :active, rate_limit = :rate_limit, enforcement = :enforcement,
    aggregation = :aggregation, period = :period, value = :value, archived = :archived, dedupe_by = :dedupe_by,
    retention_days = :retention_days, draft = :draft

-- name: put_version
INSERT INTO schema_version (signal_id, version, schema, created_ms) VALUES (:signal_id, :version, :schema, :created_ms)

-- name: all_backfills
SELECT id, workspace, name, status, held, day, created_ms, closed_ms, released_ms, reverted_ms
FROM backfill ORDER BY rowid

-- name: put_backfill
INSERT INTO backfill (id, workspace, name, status, held, day, created_ms, closed_ms, released_ms, reverted_ms)
VALUES (:id, :workspace, :name, :status, :held, :day, :created_ms, :closed_ms, :released_ms, :reverted_ms)
ON CONFLICT (id) DO UPDATE SET status = :status, held = :held, closed_ms = :closed_ms, released_ms = :released_ms,
    reverted_ms = :reverted_ms

-- name: put_change
INSERT INTO audit (id, workspace, actor, action, target, detail, at_ms, address, hash)
VALUES (:id, :workspace, :actor, :action, :target, :detail, :at_ms, :address, :hash)

-- name: put_hash
UPDATE audit SET hash = :hash WHERE id = :id

-- name: put_seal
UPDATE audit_end SET seal = :seal

-- name: end_of_audit
SELECT
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0) AS given,
    coalesce((SELECT hash FROM audit ORDER BY id DESC LIMIT 1), x'') AS hash,
    (SELECT seal FROM audit_end) AS seal

-- name: chained
SELECT id, workspace, actor, action, target, detail, at_ms, address, hash FROM audit ORDER BY id

-- name: changes
SELECT id, workspace, actor, action, target, detail, at_ms, address
FROM audit WHERE workspace = :workspace AND id < :before ORDER BY id DESC LIMIT :limit

-- name: noted
SELECT target, at_ms FROM audit WHERE action = :action AND at_ms >= :since_ms ORDER BY id

-- name: ended
SELECT target FROM audit WHERE action = :action AND at_ms >= :since_ms

-- name: made
SELECT id, workspace, actor, action, target, detail, at_ms
FROM audit WHERE action IN ('workspace.create', 'signal.create', 'signal.publish', 'key.create', 'key.rotate',
    'backfill.create')
ORDER BY id
