"""Rate limits: fixed windows of a UTC minute, one count a signal, events granted in the batch's order."""

import msgspec

from headwater.clock import MINUTE_MS


class Want(msgspec.Struct, gc=False):
    """What one request wants of one signal."""

    limit: int
    count: int


class Grant(msgspec.Struct, frozen=True, gc=False):
    """What it got: the first `count` of its events, and what is left in the window after them."""

    count: int
    remaining: int


def window_of(ms: int) -> int:
    """The window a moment lies in: whole UTC minutes since 1970."""
    return ms // MINUTE_MS


def reset_ms(window: int) -> int:
    """When the window ends and the next one begins."""
    return (window + 1) * MINUTE_MS


def grant(used: int, want: Want) -> Grant:
    """The part of a want that fits beside what is used."""
    free = max(want.limit - used, 0)
    given = min(free, want.count)
    return Grant(given, free - given)
