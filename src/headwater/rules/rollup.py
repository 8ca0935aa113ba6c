"""Periods of metrics: UTC hours, days, weeks from Monday, and months, each with a number that grows with time.

Plain arithmetic on whole numbers, for `datetime` and ClickHouse's dates both end before the times that events may
carry. `store/sql/metric.sql` counts in the same way.
"""

from headwater.clock import DAY_MS
from headwater.signals import Period

HOUR_MS = 3_600_000

_TO_MONDAY = 3
"""Days from the Monday before 1970 to the first of January."""
_TO_MARCH = 719_468
"""Days from the first of March of the year 0 to 1970: years that end with February have their leap day last."""
_CENTURIES = 146_097
"""Days of 400 years."""


def period_number(period: Period, ms: int) -> int:
    """The period that a moment lies in. The next period's number is greater by one."""
    if period == "hour":
        return ms // HOUR_MS
    day = ms // DAY_MS
    if period == "week":
        return (day + _TO_MONDAY) // 7
    return _month(day) if period == "month" else day


def start_of(period: Period, number: int) -> int:
    """When a period begins, in UTC milliseconds."""
    if period == "hour":
        return number * HOUR_MS
    if period == "week":
        return (number * 7 - _TO_MONDAY) * DAY_MS
    return (_first_day(number) if period == "month" else number) * DAY_MS


def period_start(period: Period, ms: int) -> int:
    """When the period began that a moment lies in."""
    return start_of(period, period_number(period, ms))


def next_start(period: Period, start: int) -> int:
    """When the period after the one that begins at `start` begins."""
    return periods_back(period, start, -1)


def periods_back(period: Period, start: int, count: int) -> int:
    """When the period began that lies `count` periods before the one that begins at `start`."""
    return start_of(period, period_number(period, start) - count)


def _month(day: int) -> int:
    """Months since March of the year 0 (proleptic Gregorian), of a day since 1970."""
    centuries, rest = divmod(day + _TO_MARCH, _CENTURIES)
    year = (rest - rest // 1460 + rest // 36_524 - rest // 146_096) // 365
    of_year = rest - (365 * year + year // 4 - year // 100)
    return (centuries * 400 + year) * 12 + (5 * of_year + 2) // 153


def _first_day(month: int) -> int:
    """The first day of such a month, in days since 1970."""
    year, of_year = divmod(month, 12)
    leaps = year // 4 - year // 100 + year // 400
    return 365 * year + leaps + (153 * of_year + 2) // 5 - _TO_MARCH
