-- A template of store/compile.py: how many events with a number count for each, and the sum in billionths, as two limbs.
SELECT
    subject,
    events AS count,
    toInt64(bitShiftRight(total, $limb)) AS hi,
    toInt64(bitAnd(total, toInt128($rest))) AS lo
FROM (
    SELECT subject, count() AS events, sum(billionths) AS total
    FROM (
        WITH $number AS number
        SELECT $subject AS subject, reinterpretAsInt128(assumeNotNull(number)) AS billionths
        FROM events
        WHERE $where
    )
    GROUP BY subject
)
