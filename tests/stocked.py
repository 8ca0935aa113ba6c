"""A store filled with chosen events, for the tests of what is asked of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from blocks import block_of, make_row
from headwater.clock import now_ms
from headwater.events import MAX_BATCH, Batch, Lane, Part, event_ids, new_batch_id
from headwater.store.clickhouse import ChdbStore
from headwater.store.compile import Query, Scope

Event = Mapping[str, Any]
"""Columns of `events.ROW`, and `received_ms` and `lane`; what is missing is as in `blocks.make_row`."""


class Stocked:
    """Every `put` is a block of its own, in a workspace of its own unless it is given."""

    def __init__(self, directory: Path) -> None:
        self.store = ChdbStore(directory / "store")
        self._blocks = count(1)

    def put(self, events: Sequence[Event], workspace: str | None = None, lane: Lane = Lane.REALTIME) -> Scope:
        """The scope that holds them, up to and with this block."""
        number = next(self._blocks)
        workspace = workspace or f"ws_{number:08}"
        batches = [
            _batch(events[first : first + MAX_BATCH], workspace, lane) for first in range(0, len(events), MAX_BATCH)
        ]
        self.store.insert(block_of(batches, number))
        return Scope(workspace, dict.fromkeys(Lane, number))

    def ask(self, query: Query) -> list[dict[str, Any]]:
        """The rows of the answer, sorted."""
        columns = {name: array.tolist() for name, array in self.store.columns(query.sql, query.parameters).items()}
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return sorted(rows, key=lambda row: str(list(row.values())))


def _batch(events: Sequence[Event], workspace: str, lane: Lane) -> Batch:
    received = next((event["received_ms"] for event in events if "received_ms" in event), now_ms())
    batch = new_batch_id(received)
    lines = b""
    for id_, event in zip(event_ids(batch, len(events)), events, strict=True):
        columns = {key: value for key, value in event.items() if key != "received_ms"}
        lines += msgspec.json.encode(make_row(id_, **columns)) + b"\n"
    return Batch(batch, workspace, "bik", (Part(lane, len(events), 0, 0, lines),))


@contextmanager
def stocked(directory: Path) -> Iterator[Stocked]:
    stock = Stocked(directory)
    try:
        yield stock
    finally:
        stock.store.close()
