-- The events of a run of committed blocks, of one workspace or of all of them (an empty string), in the order of
-- blocks and ids, or those that came in in one window of time (0: all), or those with ids of a span: whoever asks twice
-- gets the same rows, but for those that were deleted meanwhile.
SELECT
    block, lane, workspace, dialect, toString(id) AS event_id, signal, signal_id, schema_version, occurred_ms, reason,
    detail, identities, name, data, reference, backfill_id, value, replayed_ms
FROM events
WHERE $run
  AND ({window_ms:Int64} = 0 OR $window = {begin_ms:Int64})
  AND toUInt128(id) > toUInt128({after:UUID})
  AND toUInt128(id) <= toUInt128({upto:UUID})
ORDER BY block, toUInt128(id)
SETTINGS max_threads = 1
