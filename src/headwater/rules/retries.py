"""When a delivery is tried again."""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from headwater.clock import DAY_MS, HOUR_MS

LAST_MS = DAY_MS
"""So long after its first attempt a delivery is tried for the last time."""
FIRST_PAUSE_MS = 5_000
GROWTH = 3
LONGEST_PAUSE_MS = 4 * HOUR_MS
JITTER = 0.2
"""A pause is up to so much longer or shorter, so that what failed together does not come back together."""


def next_attempt(first_ms: int, attempts: int, now_ms: int, draw: float, retry_after_ms: int = 0) -> int | None:
    """When to try again after `attempts` failed ones (1 or more); None: that was the last.

    `first_ms`: when the first was; `draw`: random, 0 to 1; `retry_after_ms`: what the receiver asks for. What would lie
    behind the last moment is tried in it, so that there always is a try a day later.
    """
    last_ms = first_ms + LAST_MS
    if now_ms >= last_ms:
        return None
    pause = max(pause_ms(attempts) * (1 - JITTER + 2 * JITTER * draw), retry_after_ms)
    return min(now_ms + int(pause), last_ms)


def pause_ms(attempts: int) -> int:
    """Without jitter: 5 s, 15 s, 45 s, … up to 4 h."""
    return int(min(FIRST_PAUSE_MS * GROWTH ** min(attempts - 1, 20), LONGEST_PAUSE_MS))


def schedule() -> Iterator[int]:
    """The attempts of a delivery that always fails at once, without jitter, as milliseconds after the first."""
    at: int | None = 0
    attempts = 0
    while at is not None:
        yield at
        attempts += 1
        at = next_attempt(0, attempts, at, 0.5)


def retry_after(text: str | None, now_ms: int) -> int:
    """What a `Retry-After` asks for, in milliseconds: seconds or an HTTP date (RFC 9110 10.2.3); 0 for anything
    else."""
    if not text:
        return 0
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), LAST_MS) * 1000
    try:
        return max(0, int(parsedate_to_datetime(text).timestamp() * 1000) - now_ms)
    except (ValueError, TypeError, OverflowError):
        return 0
