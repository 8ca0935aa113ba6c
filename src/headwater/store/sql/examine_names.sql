-- What the rows name that the catalog must know.
SELECT workspace, signal_id, signal, max(ifNull(schema_version, 0)) AS version, count() AS events
FROM events
GROUP BY workspace, signal_id, signal
SETTINGS max_threads = 1
