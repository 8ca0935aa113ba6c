-- The claims' tables, as of version 1.

CREATE TABLE claim_claims (
    key BYTEA PRIMARY KEY,
    value BYTEA NOT NULL,
    batch BYTEA NOT NULL, -- the one that it came with
    taken_ms BIGINT NOT NULL, -- when it was written down here
    workspace TEXT COLLATE "C", -- of the backfill
    backfill TEXT COLLATE "C" -- kept as long as this is open
);
CREATE INDEX claim_claims_by_age ON claim_claims (taken_ms) WHERE backfill IS NULL;
CREATE INDEX claim_claims_by_backfill ON claim_claims (workspace, backfill, taken_ms) WHERE backfill IS NOT NULL;
CREATE INDEX claim_claims_by_batch ON claim_claims (batch);

CREATE TABLE claim_log (partition INTEGER PRIMARY KEY, position BIGINT NOT NULL); -- everything before is here

CREATE SEQUENCE claim_holder_numbers AS INTEGER;
CREATE TABLE claim_holders ( -- sessions of gateways: each holds an advisory lock of its number, too
    number INTEGER PRIMARY KEY,
    seen_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE claim_reserved ( -- by somebody who may be appending right now
    key BYTEA PRIMARY KEY,
    holder INTEGER NOT NULL,
    at TIMESTAMPTZ NOT NULL
);
CREATE INDEX claim_reserved_by_holder ON claim_reserved (holder, at);
