"""Which lane an event takes, and whether its date can be accepted."""

from headwater.config import Windows
from headwater.events import Lane
from headwater.outcomes import Reason

SKEW_MS = 10_000
"""The most that a clock seems wrong because a request took its time."""
_LATEST_MS = 253_402_300_799_999
"""The last moment of the year 9999."""


def place(
    windows: Windows, occurred_ms: int, received_ms: int, migration: bool, old_migrates: bool
) -> tuple[Lane, Reason | None]:
    """The event's lane, and the reason it is rejected for, if it is.

    `migration`: the sender asked for that lane, where every date is good. `old_migrates`: the dialect sends an old
    event there by itself; otherwise its date keeps it out of the realtime lane, as the BIK document says.
    """
    if migration:
        return Lane.MIGRATION, None
    if received_ms - occurred_ms > windows.past_ms:
        return (Lane.MIGRATION, None) if old_migrates else (Lane.REALTIME, Reason.OUTSIDE_REALTIME_WINDOW)
    if occurred_ms - received_ms > windows.future_ms:
        return Lane.REALTIME, Reason.TIMESTAMP_IN_FUTURE if old_migrates else Reason.OUTSIDE_REALTIME_WINDOW
    return Lane.REALTIME, None


def corrected(occurred_ms: int, sent_ms: int, received_ms: int) -> int:
    """The time of an event by our clock, of which its sender said when it left by its own.

    What differs by no more than a request may take is no wrong clock: times are left as they were sent. Source:
    Segment's `timestamp = receivedAt - (sentAt - originalTimestamp)`, which has no such bound.
    """
    skew = received_ms - sent_ms
    return occurred_ms if abs(skew) <= SKEW_MS or not 0 <= occurred_ms + skew <= _LATEST_MS else occurred_ms + skew


def place_again(
    windows: Windows, occurred_ms: int, now_ms: int, asked: Lane | None, old_migrates: bool
) -> tuple[Lane, Reason | None]:
    """The same of an event that is replayed into the lane asked for; None: the one that takes it now."""
    if asked is Lane.MIGRATION:
        return Lane.MIGRATION, None
    if windows.past_ms >= now_ms - occurred_ms >= -windows.future_ms:
        return Lane.REALTIME, None
    if asked is None:
        return Lane.MIGRATION, None
    is_early = old_migrates and occurred_ms > now_ms
    return Lane.REALTIME, Reason.TIMESTAMP_IN_FUTURE if is_early else Reason.OUTSIDE_REALTIME_WINDOW
