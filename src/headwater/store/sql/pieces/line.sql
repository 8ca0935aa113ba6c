
    block UInt64, lane String, workspace String, dialect String, id UUID, signal String, signal_id String,
    schema_version Nullable(UInt32), occurred_ms Int64, reason String, detail String, identities Array(String),
    name Nullable(String), data String, reference Nullable(String), backfill_id String, value Nullable(String),
    replayed_ms Int64
