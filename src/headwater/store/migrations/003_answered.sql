-- When a rejected event was replayed: the row that it was rejected with counts no more. 0 for all others.
ALTER TABLE events ADD COLUMN IF NOT EXISTS replayed_ms Int64 DEFAULT 0 CODEC(ZSTD(1)) AFTER value;
ALTER TABLE events ADD INDEX IF NOT EXISTS by_replay replayed_ms TYPE minmax GRANULARITY 1;
ALTER TABLE events ADD INDEX IF NOT EXISTS by_reference reference TYPE bloom_filter(0.01) GRANULARITY 1;
ALTER TABLE events ADD INDEX IF NOT EXISTS by_backfill backfill_id TYPE bloom_filter(0.01) GRANULARITY 1;
-- Events about to be deleted, by the job that does it. A mutation's text stays on disk for a while, so it names them
-- by this table and says nothing about anybody.
CREATE TABLE IF NOT EXISTS doomed
(
    job String,
    id UUID
)
ENGINE = MergeTree
ORDER BY (job, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
