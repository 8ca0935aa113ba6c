-- Loads of history that can be taken back as one.
CREATE TABLE backfill
(
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES workspace,
    name TEXT NOT NULL,
    status TEXT NOT NULL, -- open, closed, reverted
    held INTEGER NOT NULL, -- 1: its events count for nothing until it is released
    day TEXT, -- of a workspace's standing one: the UTC day of receipt
    created_ms INTEGER NOT NULL,
    closed_ms INTEGER,
    released_ms INTEGER,
    reverted_ms INTEGER,
    UNIQUE (workspace, name)
) STRICT;

-- By what a signal's events are known again (null: by nothing), and for how long they are kept (null: for ever).
ALTER TABLE signal ADD COLUMN dedupe_by TEXT;
ALTER TABLE signal ADD COLUMN retention_days INTEGER;

-- Each row of the audit is chained to the one before it (see catalog/chain.py). Rows that were there are chained right
-- after this script, by the program: the key is not in the database.
ALTER TABLE audit ADD COLUMN hash BLOB NOT NULL DEFAULT x'';

CREATE TABLE audit_end
(
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seal BLOB NOT NULL
) STRICT;

-- Its first seal is put there by the program too.
INSERT INTO audit_end (only, seal) VALUES (1, x'');
