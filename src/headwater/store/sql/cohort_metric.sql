-- A template of store/compile.py: a metric's events and their value, in billionths, as two limbs.
WITH reinterpretAsInt128(ifNull(toDecimal128OrNull(value, 9), toDecimal128(0, 9))) AS billionths
SELECT
    $subject AS subject,
    occurred_ms AS ms,
    toInt64(bitShiftRight(billionths, $limb)) AS hi,
    toInt64(bitAnd(billionths, toInt128($rest))) AS lo
FROM events
WHERE $where
