-- Events, one row each, rejected ones too.
--
-- Partitioned by the month of receipt (read off the UUIDv7), so that a block lands in one partition, seldom two,
-- whatever dates its events carry, and one partition of one insert is one part: there as a whole or not at all.
-- Ordered as lists are: ClickHouse compares the halves of a UUID in another order than its text has, hence toUInt128.
-- Times are whole milliseconds, for DateTime64 shows only some of the years that ISO 8601 can write.
CREATE TABLE IF NOT EXISTS events
(
    block UInt64 CODEC(Delta, ZSTD(1)),
    lane LowCardinality(String),
    workspace LowCardinality(String),
    dialect LowCardinality(String),
    id UUID CODEC(ZSTD(1)),
    signal LowCardinality(String),
    signal_id LowCardinality(String),
    schema_version Nullable(UInt32),
    occurred_ms Int64 CODEC(Delta, ZSTD(1)),
    reason LowCardinality(String),
    detail String CODEC(ZSTD(1)),
    identities Array(String) CODEC(ZSTD(1)),
    name Nullable(String) CODEC(ZSTD(1)),
    data String CODEC(ZSTD(1)),
    reference Nullable(String) CODEC(ZSTD(1)),
    backfill_id LowCardinality(String),
    received_at DateTime64(3, 'UTC') ALIAS UUIDv7ToDateTime(id, 'UTC'),
    occurred_at DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(occurred_ms, 'UTC'),
    status String ALIAS if(reason = '', 'processed', 'rejected'),
    INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_identity identities TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_block block TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(UUIDv7ToDateTime(id, 'UTC'))
ORDER BY (workspace, occurred_ms, toUInt128(id))
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
    -- What a merge replaced stays for ten minutes, in case the disk did not take the merged part (store/parts.py);
    -- a big part that is set aside then must not keep the table from being attached.
    old_parts_lifetime = 600, max_suspicious_broken_parts_bytes = 1099511627776
