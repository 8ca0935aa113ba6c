-- Rows by partition.
SELECT toYYYYMM(UUIDv7ToDateTime(id, 'UTC')) AS month, count() AS events
FROM events
GROUP BY month
ORDER BY month
SETTINGS max_threads = 1
