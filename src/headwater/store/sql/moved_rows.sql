-- The rows of a run of blocks, each with all its columns, in the order of an insert's.
SELECT
    block, lane, workspace, dialect, id, signal, signal_id, schema_version, occurred_ms, reason, detail, identities,
    name, data, reference, backfill_id, value, replayed_ms
FROM events
WHERE lane = {lane:String} AND block >= {first:UInt64} AND block <= {last:UInt64}
