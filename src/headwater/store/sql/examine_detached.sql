-- The parts that were set aside. ClickHouse does not read them.
SELECT name, ifNull(reason, '') AS reason
FROM system.detached_parts
WHERE database = currentDatabase() AND table = 'events'
ORDER BY name
