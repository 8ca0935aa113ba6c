"""Time on the wire and inside: ISO 8601 with or without a zone outside, UTC milliseconds inside."""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SEPARATORS = frozenset("Tt ")

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


def now_ms() -> int:
    """The wall clock, in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def parse_iso(text: str) -> int | None:
    """ISO 8601 to UTC milliseconds; without a zone it is UTC; None when it is no date.

    A fraction finer than a millisecond is cut, not rounded, so that no event moves into the next one.
    """
    if len(text) > 10 and not _SEPARATORS.intersection(text):
        return None  # fromisoformat takes any character there, and so a long number for a date and a time
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        return None


def moment(ms: int) -> datetime:
    """UTC milliseconds as a date and time.

    An offset may push a parsed moment a few hours beyond the years a date can have; then it is the edge.
    """
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return (datetime.max if ms > 0 else datetime.min).replace(tzinfo=UTC)


def to_iso(ms: int) -> str:
    """UTC milliseconds as `2026-11-22T04:05:06.789Z`. Good for every value `parse_iso` returns.

    As `moment`, where that is beyond the years a date can have.
    """
    return moment(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_none(ms: int | None) -> str | None:
    """The same of what may not have happened."""
    return None if ms is None else to_iso(ms)
