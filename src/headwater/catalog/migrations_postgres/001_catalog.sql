-- Workspaces, keys, signals, schema versions, backfills, and who changed what. Times are UTC milliseconds; JSON is text,
-- so that numbers stay what they are. `revision`: the catalog's when the row was written last. `number`: the order in
-- which rows came.

CREATE TABLE catalog_workspace
(
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    default_region TEXT,
    created_ms BIGINT NOT NULL,
    never_connect TEXT NOT NULL, -- a JSON list of identities
    max_identities BIGINT NOT NULL,
    number BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    revision BIGINT NOT NULL
);

CREATE TABLE catalog_key
(
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES catalog_workspace,
    digest BYTEA NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL, -- a JSON array
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    revoked_ms BIGINT,
    number BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    revision BIGINT NOT NULL
);

CREATE TABLE catalog_signal
(
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES catalog_workspace,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    rate_limit BIGINT,
    enforcement TEXT NOT NULL,
    aggregation TEXT,
    period TEXT,
    value TEXT,
    preset TEXT,
    created_ms BIGINT NOT NULL,
    archived BOOLEAN NOT NULL,
    dedupe_by TEXT,
    retention_days BIGINT,
    number BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    revision BIGINT NOT NULL,
    UNIQUE (workspace, slug)
);

CREATE TABLE catalog_schema_version
(
    signal_id TEXT NOT NULL REFERENCES catalog_signal,
    version BIGINT NOT NULL,
    schema TEXT NOT NULL, -- JSON
    created_ms BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (signal_id, version)
);

CREATE TABLE catalog_backfill
(
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES catalog_workspace,
    name TEXT NOT NULL,
    status TEXT NOT NULL, -- open, closed, reverted
    held BOOLEAN NOT NULL, -- its events count for nothing until it is released
    day TEXT, -- of a workspace's standing one: the UTC day of receipt
    created_ms BIGINT NOT NULL,
    closed_ms BIGINT,
    released_ms BIGINT,
    reverted_ms BIGINT,
    number BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    revision BIGINT NOT NULL,
    UNIQUE (workspace, name)
);

CREATE INDEX catalog_workspace_revision ON catalog_workspace (revision);
CREATE INDEX catalog_key_revision ON catalog_key (revision);
CREATE INDEX catalog_signal_revision ON catalog_signal (revision);
CREATE INDEX catalog_schema_version_revision ON catalog_schema_version (revision);
CREATE INDEX catalog_backfill_revision ON catalog_backfill (revision);

-- Each row is chained to the one before it: see catalog/chain.py.
CREATE TABLE catalog_audit
(
    id BIGINT PRIMARY KEY,
    workspace TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL, -- a JSON object
    at_ms BIGINT NOT NULL,
    address TEXT, -- where the request came from
    hash BYTEA NOT NULL,
    revision BIGINT NOT NULL
);

CREATE INDEX catalog_audit_of_workspace ON catalog_audit (workspace, id);
CREATE INDEX catalog_audit_of_action ON catalog_audit (action, at_ms);

-- One row, which every writer locks first. The program puts it there: its seal needs the key, which is not in here.
CREATE TABLE catalog_end
(
    only_one BOOLEAN PRIMARY KEY CHECK (only_one),
    revision BIGINT NOT NULL, -- grows with every change but those of the audit alone
    given BIGINT NOT NULL, -- the audit's highest id
    seal BYTEA NOT NULL,
    proof BYTEA NOT NULL -- of the secret that the keys' hashes are made with
);

-- Who answers from a copy, and up to which revision: see catalog/following.py.
CREATE TABLE catalog_follower
(
    name TEXT PRIMARY KEY,
    revision BIGINT NOT NULL
);
