"""Quotas in the memory of the one gateway. Rebuilt from the log when it starts."""

from collections.abc import Iterable, Mapping

from headwater.quotas.base import Status
from headwater.rules.quota import Grant, Want, grant, window_of

_SET_BACK = 2
"""Windows by which a clock may be set back without anybody getting a quota twice."""


class MemoryQuotas:
    """Implements `quotas.base.Quotas`. Exact because nothing is awaited between reading and writing a count."""

    def __init__(self, taken: Iterable[tuple[int, str, int]] = ()) -> None:
        """`taken`: (window, signal id, events) of what was acknowledged before."""
        self._window = 0
        self._used: dict[str, int] = {}
        for window, signal_id, count in taken:
            self._turn(window)
            if window == self._window:
                self._used[signal_id] = self._used.get(signal_id, 0) + count

    def window(self, now_ms: int) -> int:
        now = window_of(now_ms)
        if now < self._window - _SET_BACK:
            self._begin(now)  # a clock set back by hours must not leave senders without quota for hours
        return max(now, self._window)

    async def grant(self, wants: Mapping[str, Want], window: int, whole: bool) -> dict[str, Grant]:
        self._turn(window)
        grants = {signal_id: grant(self._used.get(signal_id, 0), want) for signal_id, want in wants.items()}
        if whole and any(grants[signal_id].count < want.count for signal_id, want in wants.items()):
            return grants
        for signal_id, given in grants.items():
            self._used[signal_id] = self._used.get(signal_id, 0) + given.count
        return grants

    async def used(self, signal_ids: Iterable[str], window: int) -> dict[str, int]:
        known = self._used if window == self._window else {}
        return {signal_id: known.get(signal_id, 0) for signal_id in signal_ids}

    async def give_back(self, grants: Mapping[str, Grant], window: int) -> None:
        if window == self._window:
            for signal_id, given in grants.items():
                self._used[signal_id] -= given.count

    def status(self) -> Status:
        return Status()

    def _turn(self, window: int) -> None:
        if window > self._window:
            self._begin(window)

    def _begin(self, window: int) -> None:
        self._window = window
        self._used = {}
