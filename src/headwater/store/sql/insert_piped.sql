-- The same within this process, from a pipe. Behind an INSERT ... FORMAT the lines would be a part of the statement, which
-- chDB looks through byte by byte; and read right into LowCardinality columns each value would be looked up by itself.
INSERT INTO events
    ($columns)
SELECT
    $columns
FROM file($pipe, JSONCompactEachRow, '$line
')
SETTINGS max_threads = 1, max_block_size = 1048576 -- read as one block, in one part a partition
