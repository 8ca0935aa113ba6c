-- Workspaces, keys, signals, schema versions, and who changed what. Times are UTC milliseconds.

CREATE TABLE workspace
(
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    default_region TEXT,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE key
(
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES workspace,
    digest BLOB NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL, -- a JSON array
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER
) STRICT;

CREATE TABLE signal
(
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES workspace,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    active INTEGER NOT NULL,
    rate_limit INTEGER,
    enforcement TEXT NOT NULL,
    aggregation TEXT,
    period TEXT,
    value TEXT,
    preset TEXT,
    created_ms INTEGER NOT NULL,
    archived INTEGER NOT NULL,
    UNIQUE (workspace, slug)
) STRICT;

CREATE TABLE schema_version
(
    signal_id TEXT NOT NULL REFERENCES signal,
    version INTEGER NOT NULL,
    schema TEXT NOT NULL, -- JSON
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (signal_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit
(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL, -- a JSON object
    at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX audit_of_workspace ON audit (workspace, id);
