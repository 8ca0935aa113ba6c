"""How many events of each signal came in by the hour, and what became of them: counted from the store when it is asked,
so that a replay, a revert or an erasure cannot make it wrong."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from headwater import clock
from headwater.catalog.base import Definitions
from headwater.store.base import Store

MOST_HOURS = 168
"""A week."""
KEPT_SECONDS = 3.0
"""How long an answer is given again: pages ask every few seconds, and several at once."""
_KEPT = 256
"""Answers kept."""

_STATUSES = ("processed", "rejected")


class SignalActivity(msgspec.Struct, frozen=True):
    """One signal that had events; as many numbers as hours."""

    signal: str
    processed: list[int]
    rejected: list[int]
    last_received_at: str


class ActivityAnswer(msgspec.Struct, frozen=True):
    """`GET /v1/activity`."""

    from_: str = msgspec.field(name="from")
    """When the first hour begins."""
    step_seconds: int
    data: Sequence[SignalActivity]


class Activity:
    """Safe to ask from threads. Many who ask the same at once wait for one answer."""

    def __init__(self, store: Store, catalog: Definitions) -> None:
        self._store = store
        self._catalog = catalog
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, int], _Kept] = {}

    def hours(self, workspace: str, count: int) -> ActivityAnswer:
        """The last `count` whole UTC hours, of which the last one runs; up to `KEPT_SECONDS` old."""
        with self._lock:
            kept = self._kept.pop((workspace, count), None) or _Kept()
            self._kept[workspace, count] = kept  # the one asked last goes last
            if len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        with kept.lock:
            if kept.answer is None or time.monotonic() >= kept.until:
                kept.answer = self._counted(workspace, count, clock.now_ms())
                kept.until = time.monotonic() + KEPT_SECONDS
            return kept.answer

    def _counted(self, workspace: str, count: int, now_ms: int) -> ActivityAnswer:
        from_ms = now_ms // clock.HOUR_MS * clock.HOUR_MS - (count - 1) * clock.HOUR_MS
        backfills = self._catalog.backfills(workspace)
        parameters: dict[str, Any] = {
            "workspace": workspace,
            "from_ms": from_ms,
            "to_ms": from_ms + count * clock.HOUR_MS,
            "reverted": [each.id for each in backfills if each.status == "reverted"],
            "held": [each.id for each in backfills if each.held],
        }
        counts: dict[str, dict[str, list[int]]] = {}
        newest: dict[str, int] = {}
        for row in self._store.rows("activity", parameters):
            signal = row["signal"]
            of = counts.setdefault(signal, {status: [0] * count for status in _STATUSES})
            of[row["became"]][row["hour"]] += row["events"]
            newest[signal] = max(newest.get(signal, 0), row["newest_ms"])
        data = [
            SignalActivity(signal, of["processed"], of["rejected"], clock.to_iso(newest[signal]))
            for signal, of in sorted(counts.items())
        ]
        return ActivityAnswer(clock.to_iso(from_ms), clock.HOUR_MS // 1000, data)


class _Kept:
    """One answer, and who makes it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.until = 0.0
        self.answer: ActivityAnswer | None = None
