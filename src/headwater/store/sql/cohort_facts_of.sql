-- A template of store/compile.py: events and their number, in billionths, as two limbs.
WITH
    $number AS number,
    reinterpretAsInt128(assumeNotNull(number)) AS billionths
SELECT
    $subject AS subject,
    occurred_ms AS ms,
    toInt64(bitShiftRight(billionths, $limb)) AS hi,
    toInt64(bitAnd(billionths, toInt128($rest))) AS lo
FROM events
WHERE $where
