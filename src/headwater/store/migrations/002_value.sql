-- What a metric or state measures in an event, as the gateway found it: a decimal number, or canonical JSON.
ALTER TABLE events ADD COLUMN IF NOT EXISTS value Nullable(String) CODEC(ZSTD(1)) AFTER backfill_id
