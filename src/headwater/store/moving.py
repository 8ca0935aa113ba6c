"""All events of one store into another, with their blocks' numbers: for the move past one machine. Each once."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

import msgspec

from headwater.errors import CorruptionError
from headwater.events import Lane, month_of, received_of
from headwater.store.base import Block, Examined, Store
from headwater.store.rows import COLUMNS

ROWS = 100_000
"""Inserted at once, about: whole blocks, or one that is larger."""

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode_lines
_text = msgspec.json.Decoder(str).decode


class Marks(Protocol):
    """Where it is written down how far it is."""

    def copied(self, lane: Lane) -> int:
        """Every block up to this one is in the target; 0 before the first."""

    def put_copied(self, lane: Lane, block: int) -> None:
        """Durable when it returns. Raises an error when this run is not the one that moves any more."""


class _Run(NamedTuple):
    """Blocks that are inserted together."""

    first: int
    last: int
    months: dict[int, int]


class StoreMove:
    """The source must not change. `told` hears of rows that are there. `rows`: inserted at once; 0 where each block
    must be inserted by itself, since they lie on several shards."""

    def __init__(
        self, source: Examined, target: Store, marks: Marks, told: Callable[[int], None], rows: int = ROWS
    ) -> None:
        self._source = source
        self._target = target
        self._marks = marks
        self._told = told
        self._most = rows

    def total(self) -> int:
        """Events to be moved."""
        return sum(row["events"] for lane in Lane for row in self._blocks(self._source, lane))

    def is_empty(self) -> bool:
        """Whether the target has no events."""
        return not any(self._blocks(self._target, lane) for lane in Lane)

    def run(self) -> None:
        """Goes on where an earlier run stopped; what that one was inserting may be there, in whole months."""
        for lane in Lane:
            done, doubtful = self._marks.copied(lane), True
            for run in self._runs(lane):
                if run.last > done:
                    self._move(lane, run, doubtful)
                    self._marks.put_copied(lane, run.last)
                    doubtful = False
                self._told(sum(run.months.values()))

    def check(self) -> int:
        """How many events there are. Raises CorruptionError unless each block has as many in both stores."""
        found = 0
        for lane in Lane:
            here, there = self._blocks(self._source, lane), self._blocks(self._target, lane)
            if here != there:
                raise CorruptionError(f"the {lane.value} lane's blocks differ in the two stores")
            found += sum(row["events"] for row in here)
        return found

    def _move(self, lane: Lane, run: _Run, doubtful: bool) -> None:
        there: Mapping[int, int] = {}
        if doubtful:
            self._target.counts(lane, run.last)  # an insert that is under way ends before this returns
            about = {"lane": lane.value, "first": run.first, "last": run.last}
            there = {row["month"]: row["events"] for row in self._target.rows("moved_months", about)}
        missing = {month for month in run.months if month not in there}
        for month, count in there.items():
            if run.months.get(month) != count:
                raise CorruptionError(f"blocks {run.first} to {run.last} have rows in the target that were not moved")
        lines = self._lines(lane, run, missing)
        if lines:
            self._target.insert(Block(lane, run.last, lines, sum(run.months[month] for month in missing)))

    def _lines(self, lane: Lane, run: _Run, months: set[int]) -> list[bytes]:
        about = {"lane": lane.value, "first": run.first, "last": run.last}
        whole = months == run.months.keys()
        lines: list[bytes] = []
        rest = b""
        if not months:
            return lines
        for piece in self._source.stream("moved_rows", about):
            head, _, rest = (rest + piece).rpartition(b"\n")
            lines += self._rows(head, None if whole else months)
        return lines + self._rows(rest, None if whole else months)

    def _rows(self, lines: bytes, months: set[int] | None) -> list[bytes]:
        """As an insert takes them: those of these months, or all."""
        return [
            b"[" + b",".join([row[column] for column in COLUMNS]) + b"]\n"
            for row in _decode(lines)
            if months is None or month_of(received_of(_text(row["id"]))) in months
        ]

    def _runs(self, lane: Lane) -> Iterator[_Run]:
        """The same ones, whenever they are asked for."""
        first, last, months = 0, 0, dict[int, int]()
        for row in self._blocks(self._source, lane):
            if row["block"] != last and sum(months.values()) + row["events"] > self._most and months:
                yield _Run(first, last, months)
                months = {}
            first = first if months else row["block"]
            last = row["block"]
            months[row["month"]] = months.get(row["month"], 0) + row["events"]
        if months:
            yield _Run(first, last, months)

    def _blocks(self, store: Examined, lane: Lane) -> list[dict[str, int]]:
        return [dict(row) for row in store.rows("moved_blocks", {"lane": lane.value})]
