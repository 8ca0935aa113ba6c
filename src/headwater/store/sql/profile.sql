-- What the processed events that name one of a connected set of identities come to, by signal: a row for the period that
-- runs, where the signal is a metric that has such events, and one for all other times.
-- An event is a profile's own by its first identity that may connect, unless a pair severed later sets it aside.
-- Of the values the newest: a tie goes to the greater text, then to the smaller id, hence its complement.
WITH
    $aside AS aside,
    $own AS own,
    indexOf({signals:Array(String)}, signal) AS place,
    toDecimal128OrNull(value, 9) AS number,
    maxIf((occurred_ms, assumeNotNull(value), bitNot(toUInt128(id))), own AND isNotNull(value)) AS newest
SELECT
    signal,
    occurred_ms >= {starts:Array(Int64)}[place] AND occurred_ms < {ends:Array(Int64)}[place] AS running,
    count() AS known,
    countIf(own) AS events,
    countIf(aside) AS set_aside,
    minIf(occurred_ms, own) AS first_ms,
    maxIf(occurred_ms, own) AS last_ms,
    countIf(own AND isNotNull(name)) AS named,
    maxIf(occurred_ms, own AND isNotNull(name)) AS named_ms,
    countIf(own AND isNotNull(value)) AS valued,
    toString(sumIf(number, own)) AS total,
    toString(minIf(number, own)) AS least,
    toString(maxIf(number, own)) AS greatest,
    newest.1 AS since_ms,
    newest.2 AS state,
    toString(bitNot(newest.3)) AS since_id
FROM events
WHERE workspace = {workspace:String}
  AND hasAny(identities, {identities:Array(String)})
  AND $counts
GROUP BY signal, running
ORDER BY signal, running
