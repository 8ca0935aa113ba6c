"""What is delivered next, decided without looking anywhere: from what is stored, and what time it is."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from msgspec.structs import replace

from headwater.state.positions import Planned, Position
from headwater.store.blocks import Share

MOST_EVENTS, MOST_BYTES = 50_000, 32 * 1024 * 1024
"""Read at once, about: whole blocks, or a slice of one that has more bytes. Of data, as it was sent; as objects it is
several times that."""
GRACE_MS = 60_000
"""How long a window stays open for events that are stored out of order, at most; a shorter one as long as itself."""


def next_blocks(position: Position, shares: Sequence[Share]) -> Planned | None:
    """The blocks behind a position that are delivered at once; None when there are none with events."""
    run = next(runs(shares), None)
    return Planned(position.block + 1, run[1], None) if run else None


def runs(shares: Iterable[Share], most: int = MOST_EVENTS, most_bytes: int = MOST_BYTES) -> Iterator[tuple[int, int]]:
    """Cuts blocks into runs (first, last) of at most so many events and bytes, or one block that has more."""
    first = last = events = size = 0
    for block, grouped in groupby(shares, key=attrgetter("block")):
        of_block = [*grouped]
        count, more = sum(share.events for share in of_block), sum(share.bytes for share in of_block)
        if events and (events + count > most or size + more > most_bytes):
            yield first, last
            events = size = 0
        first = first if events else block
        last = block
        events += count
        size += more
    if events:
        yield first, last


def noted(position: Position, shares: Iterable[Share], upto: int) -> Position:
    """With what the blocks up to `upto` have of each window."""
    windows = dict(position.windows)
    for share in shares:
        first, _ = windows.get(share.begin_ms, (share.block, 0))
        windows[share.begin_ms] = first, share.block
    return replace(position, block=upto, windows=windows)


def over(position: Position, window_ms: int, settled_ms: int) -> Planned | None:
    """The oldest window that is over, when all that came in before `settled_ms` was noted; None when none is."""
    oldest = min(position.windows, default=None)
    if oldest is None or oldest + window_ms + min(GRACE_MS, window_ms) > settled_ms:
        return None
    return Planned(*position.windows[oldest], oldest)


def begun(position: Position, planned: Planned) -> Position:
    """As it is written down before a delivery."""
    windows = {begin: span for begin, span in position.windows.items() if begin != planned.begin_ms}
    block = planned.last if planned.begin_ms is None else position.block
    return replace(position, block=block, windows=windows, planned=planned)
