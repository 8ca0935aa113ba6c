"""What went in and came out of a workspace's lanes, second by second, for the last quarter of an hour."""

from array import array

import msgspec

from headwater.clock import to_iso
from headwater.events import Lane

KEPT = 900
"""Seconds that are remembered."""
ACCEPTED, PROCESSED, REJECTED, BACKLOG = range(4)
"""What is counted of a lane."""

_WIDTH = 4
_LANES = {lane: _WIDTH * place for place, lane in enumerate(Lane)}
_ROW = _WIDTH * len(_LANES)
_ZEROES = array("I", bytes(4 * _ROW))
_MOST = (1 << 32) - 1


class LaneCounts(msgspec.Struct, frozen=True, gc=False):
    """One lane in one second; `backlog` as it was at its end."""

    accepted: int
    processed: int
    rejected: int
    backlog: int


class Point(msgspec.Struct, frozen=True, gc=False):
    """One second."""

    at: str
    lanes: dict[Lane, LaneCounts]


class Pulse:
    """The counts of one workspace: a ring of some 28 KiB. Seconds are UNIX time, and only grow."""

    __slots__ = ("_at", "_ring", "_since", "touched")

    def __init__(self, since: int, now: int) -> None:
        """`since`: the first second of which it is known that what is not counted here did not happen."""
        self._since = since
        self._at = now
        self._ring = _ZEROES * KEPT
        self.touched = now
        """The last second in which something was counted."""

    def add(self, second: int, lane: Lane, what: int, count: int) -> None:
        """Counts more of `what` in a second."""
        self.touched = max(self.touched, second)
        place = self._row(second) + _LANES[lane] + what
        self._ring[place] = min(_MOST, self._ring[place] + count)

    def leave(self, second: int, lane: Lane, backlog: int) -> None:
        """The backlog that a second leaves behind."""
        self._ring[self._row(second) + _LANES[lane] + BACKLOG] = min(_MOST, backlog)

    def point(self, second: int) -> Point:
        """One second, at most the last KEPT ago."""
        row = _ZEROES
        if self._at - KEPT < second <= self._at:
            start = second % KEPT * _ROW
            row = self._ring[start : start + _ROW]
        lanes = {lane: LaneCounts(*row[place : place + _WIDTH]) for lane, place in _LANES.items()}
        return Point(to_iso(1000 * second), lanes)

    def points(self, end: int, begin: int = 0) -> list[Point]:
        """All that is known of the KEPT seconds before `end`, oldest first; from `begin` on."""
        return [self.point(second) for second in range(max(self._since, end - KEPT, begin), end)]

    def _row(self, second: int) -> int:
        """Where a second's counts begin; those between it and the one before it are empty."""
        for between in range(max(self._at, second - KEPT) + 1, second + 1):
            start = between % KEPT * _ROW
            self._ring[start : start + _ROW] = _ZEROES
        self._at = max(self._at, second)
        return second % KEPT * _ROW
