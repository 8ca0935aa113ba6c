-- The state's tables, as of version 1.
--
-- Identities are bytes (UTF-8): they may hold what TEXT cannot, and are ordered by code points. They may be longer than
-- an entry of an index may be, so their first bytes are indexed, and `rest` tells apart what is alike there.

CREATE TABLE state_lanes (lane TEXT PRIMARY KEY, given BIGINT NOT NULL); -- the last block number that was given
INSERT INTO state_lanes VALUES ('realtime', 0), ('migration', 0);

CREATE TABLE state_cursors (
    partition INTEGER, lane TEXT,
    position BIGINT NOT NULL, -- in the partition's log
    block BIGINT NOT NULL, -- the last one of this partition; 0 before
    PRIMARY KEY (partition, lane)
);

CREATE TABLE state_plans ( -- blocks written down and not committed
    lane TEXT, block BIGINT,
    partition INTEGER NOT NULL,
    "start" BIGINT NOT NULL, "end" BIGINT NOT NULL, -- in the partition's log
    months JSONB NOT NULL, -- {"202611": rows}
    PRIMARY KEY (lane, block),
    UNIQUE (partition, lane)
);

CREATE TABLE state_blocks ( -- blocks that were committed, until whoever leads has seen them
    lane TEXT, block BIGINT,
    partition INTEGER NOT NULL,
    "start" BIGINT NOT NULL, "end" BIGINT NOT NULL,
    months JSONB NOT NULL,
    PRIMARY KEY (lane, block)
);

CREATE TABLE state_counted ( -- rows committed; what was deleted since is taken off in partition -1
    partition INTEGER, lane TEXT, month INTEGER, rows BIGINT NOT NULL,
    PRIMARY KEY (partition, lane, month)
);

CREATE TABLE state_emptied ( -- blocks of which every row was deleted
    lane TEXT, first BIGINT, last BIGINT NOT NULL, PRIMARY KEY (lane, first)
);

CREATE TABLE state_links (
    workspace TEXT COLLATE "C" NOT NULL,
    a BYTEA NOT NULL, b BYTEA NOT NULL,
    first_ms BIGINT NOT NULL,
    rest BYTEA NOT NULL GENERATED ALWAYS AS (
        CASE WHEN octet_length(a) > 600 OR octet_length(b) > 600 THEN sha256(sha256(a) || sha256(b)) ELSE '' END
    ) STORED
);
CREATE UNIQUE INDEX state_links_once ON state_links (workspace, substr(a, 1, 600), substr(b, 1, 600), rest);
CREATE INDEX state_links_back ON state_links (workspace, substr(b, 1, 600));

CREATE TABLE state_link_log ( -- what committed blocks linked anew or made older, until whoever leads has seen it
    lane TEXT NOT NULL, block BIGINT NOT NULL,
    workspace TEXT NOT NULL, a BYTEA NOT NULL, b BYTEA NOT NULL, first_ms BIGINT NOT NULL
);
CREATE INDEX state_link_log_of ON state_link_log (lane, block);

CREATE TABLE state_relinked (times BIGINT NOT NULL); -- how often links were taken away: what is known by heart is void
INSERT INTO state_relinked VALUES (0);
CREATE TABLE state_watches (id INTEGER PRIMARY KEY); -- who wants all links noted
CREATE SEQUENCE state_watch_numbers;
CREATE TABLE state_watched (
    watch INTEGER NOT NULL,
    workspace TEXT NOT NULL, a BYTEA NOT NULL, b BYTEA NOT NULL, first_ms BIGINT NOT NULL
);
CREATE INDEX state_watched_of ON state_watched (watch, workspace);

CREATE TABLE state_severed (
    workspace TEXT COLLATE "C" NOT NULL,
    a BYTEA NOT NULL, b BYTEA NOT NULL,
    until_ms BIGINT NOT NULL,
    pair BYTEA NOT NULL GENERATED ALWAYS AS (sha256(sha256(a) || sha256(b))) STORED,
    PRIMARY KEY (workspace, pair)
);

CREATE TABLE state_job (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    workspace TEXT NOT NULL,
    about TEXT NOT NULL, -- a JSON object
    step TEXT NOT NULL,
    begun_ms BIGINT NOT NULL,
    done_ms BIGINT,
    failure TEXT NOT NULL
);
CREATE INDEX state_job_of_workspace ON state_job (workspace, kind, begun_ms);
