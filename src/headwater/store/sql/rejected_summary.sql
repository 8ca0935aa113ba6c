-- Rejected events that were not replayed, by reason and signal; of each kind the one that was received last.
SELECT reason, signal, count() AS events, toString(argMax(id, toUInt128(id))) AS newest
FROM events
WHERE $refused
GROUP BY reason, signal
ORDER BY events DESC, reason, signal
LIMIT {limit:UInt32}
