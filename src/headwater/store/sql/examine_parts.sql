-- The parts that make up the table now.
SELECT name, rows, bytes_on_disk AS bytes, active
FROM system.parts
WHERE database = currentDatabase() AND table = 'events' AND active
ORDER BY name
