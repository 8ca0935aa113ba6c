-- Rejected events that are to be judged anew, in the table's order.
SELECT
    toString(id) AS event_id,
    dialect,
    signal,
    occurred_ms,
    reason,
    identities,
    name,
    data,
    reference,
    backfill_id
FROM events
WHERE $refused
ORDER BY occurred_ms, toUInt128(id)
