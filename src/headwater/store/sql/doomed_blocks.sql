-- The blocks of which no row will be left, lane by lane, in order.
SELECT lane, block
FROM events
WHERE (lane, block) IN (SELECT lane, block FROM events WHERE $doomed AND $committed)
GROUP BY lane, block
HAVING countIf(NOT ($doomed)) = 0
ORDER BY lane, block
