-- All events that fit, to be streamed, in no order: sorting would hold hundreds of megabytes. One thread, small blocks:
-- an export is seldom in a hurry, and what else the machine does is. An empty string is a filter not set.
SELECT
    $event,
    $status AS status
FROM events
WHERE $fits
SETTINGS max_threads = 1, max_block_size = 8192
