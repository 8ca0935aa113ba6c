-- The cohorts' tables, as of version 1. Identities are as in postgres_schema.sql: bytes, and indexed by their first.

CREATE TABLE cohort_cohorts (
    number BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY, -- never given twice
    id TEXT NOT NULL UNIQUE,
    workspace TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    definition TEXT NOT NULL, -- JSON
    created_ms BIGINT NOT NULL,
    filled_ms BIGINT,
    UNIQUE (workspace, name)
);
CREATE INDEX cohort_cohorts_of_workspace ON cohort_cohorts (workspace, created_ms, id COLLATE "C");

CREATE TABLE cohort_removed (number BIGINT PRIMARY KEY); -- cohorts whose rows are being deleted

CREATE TABLE cohort_members (
    cohort BIGINT NOT NULL,
    identity BYTEA NOT NULL,
    since_ms BIGINT NOT NULL,
    rest BYTEA NOT NULL GENERATED ALWAYS AS (
        CASE WHEN octet_length(identity) > 1200 THEN sha256(identity) ELSE '' END
    ) STORED
);
CREATE UNIQUE INDEX cohort_members_once ON cohort_members (cohort, substr(identity, 1, 1200), rest);

CREATE TABLE cohort_changes (
    number BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    cohort BIGINT NOT NULL,
    identity BYTEA NOT NULL,
    at_ms BIGINT NOT NULL,
    entered BOOLEAN NOT NULL,
    kind TEXT NOT NULL,
    event_id TEXT
);
CREATE INDEX cohort_changes_of_cohort ON cohort_changes (cohort, number);
CREATE INDEX cohort_changes_of_identity ON cohort_changes (substr(identity, 1, 1200), cohort, number);
CREATE INDEX cohort_changes_by_event ON cohort_changes (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX cohort_changes_by_time ON cohort_changes (cohort, at_ms) INCLUDE (entered);

CREATE TABLE cohort_merges ( -- members that became one profile with another member, so that nobody left
    cohort BIGINT NOT NULL, at_ms BIGINT NOT NULL, identity BYTEA NOT NULL
);
CREATE INDEX cohort_merges_by_time ON cohort_merges (cohort, at_ms);
CREATE INDEX cohort_merges_of_identity ON cohort_merges (substr(identity, 1, 1200), cohort);

-- One after the other, as each depends on those before it. A change is written down only where it changes something,
-- so history and members cannot drift apart.
CREATE FUNCTION cohort_apply(
    cohorts BIGINT[], identities BYTEA[], times BIGINT[], enters BOOLEAN[], kinds TEXT[], events TEXT[]
) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    moved BIGINT;
BEGIN
    FOR i IN 1 .. coalesce(array_length(cohorts, 1), 0) LOOP
        IF enters[i] THEN
            INSERT INTO cohort_members (cohort, identity, since_ms) VALUES (cohorts[i], identities[i], times[i])
            ON CONFLICT DO NOTHING;
        ELSE
            DELETE FROM cohort_members WHERE cohort = cohorts[i]
                AND substr(identity, 1, 1200) = substr(identities[i], 1, 1200) AND identity = identities[i];
        END IF;
        GET DIAGNOSTICS moved = ROW_COUNT;
        IF moved = 1 THEN
            INSERT INTO cohort_changes (cohort, identity, at_ms, entered, kind, event_id)
            VALUES (cohorts[i], identities[i], times[i], enters[i], kinds[i], events[i]);
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION cohort_rename(cohorts BIGINT[], olds BYTEA[], news BYTEA[], times BIGINT[])
RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    since BIGINT;
    moved BIGINT;
BEGIN
    FOR i IN 1 .. coalesce(array_length(cohorts, 1), 0) LOOP
        DELETE FROM cohort_members WHERE cohort = cohorts[i]
            AND substr(identity, 1, 1200) = substr(olds[i], 1, 1200) AND identity = olds[i]
        RETURNING since_ms INTO since;
        CONTINUE WHEN NOT FOUND;
        INSERT INTO cohort_members (cohort, identity, since_ms) VALUES (cohorts[i], news[i], since)
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS moved = ROW_COUNT;
        IF moved = 0 THEN
            INSERT INTO cohort_merges (cohort, at_ms, identity) VALUES (cohorts[i], times[i], olds[i]);
        END IF;
    END LOOP;
END $$;
