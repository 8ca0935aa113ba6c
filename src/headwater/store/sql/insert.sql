-- The rows of a block, as JSONCompactEachRow lines of `store.rows.COLUMNS`. A request that was held up on its way, and
-- comes when nobody waits for it any more, must not add them: its block may have been inserted again meanwhile.
INSERT INTO events
    (block, lane, workspace, dialect, id, signal, signal_id, schema_version, occurred_ms, reason, detail, identities,
    name, data, reference, backfill_id, value, replayed_ms)
SELECT
    block, lane, workspace, dialect, id, signal, signal_id, schema_version, occurred_ms, reason, detail, identities,
    name, data, reference, backfill_id, value, replayed_ms
FROM input('
    block UInt64, lane String, workspace String, dialect String, id UUID, signal String, signal_id String,
    schema_version Nullable(UInt32), occurred_ms Int64, reason String, detail String, identities Array(String),
    name Nullable(String), data String, reference Nullable(String), backfill_id String, value Nullable(String),
    replayed_ms Int64
')
WHERE throwIf(now64(3) > fromUnixTimestamp64Milli({begin_until_ms:Int64}), 'headwater: too late') = 0
FORMAT JSONCompactEachRow
