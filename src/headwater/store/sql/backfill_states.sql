-- Of how many identities the newest value of a state is another one with a backfill's events than without them.
WITH backfill_id = {backfill:String} AS own
SELECT signal, countIf(newest_with != newest_without) AS changed
FROM (
    SELECT
        signal,
        identities[greatest(1, arrayFirstIndex(one -> NOT has({never:Array(String)}, one), identities))] AS subject,
        max((occurred_ms, assumeNotNull(value))) AS newest_with,
        maxIf((occurred_ms, assumeNotNull(value)), NOT own) AS newest_without
    FROM events
    WHERE workspace = {workspace:String}
      AND has({signals:Array(String)}, signal)
      AND isNotNull(value)
      AND $counts
    GROUP BY signal, subject
    HAVING countIf(own) > 0
)
GROUP BY signal
ORDER BY signal
