block, lane, workspace, dialect, id, signal, signal_id, schema_version, occurred_ms, reason, detail, identities,
    name, data, reference, backfill_id, value, replayed_ms
