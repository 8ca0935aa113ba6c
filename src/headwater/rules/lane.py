"""Which lane an event takes, and whether its date can be accepted."""

from headwater.config import Windows
from headwater.events import Lane
from headwater.outcomes import Reason


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
