"""Records and blocks of rows for the tests of the back half."""

from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.clock import now_ms
from headwater.events import Batch, Lane, Part, event_ids, new_batch_id
from headwater.log.base import Record
from headwater.store.base import Block
from headwater.store.rows import rows_of

WORKSPACE = "ws_abcdefgh"


def make_row(id_: str, identities: Sequence[str] = ("email:a@x.y",), **columns: Any) -> list[Any]:
    """One event in the order of `events.ROW`."""
    row = {"signal": "ordered", "signal_id": "sig_bFyqj0qg", "schema_version": None, "occurred_ms": now_ms()}
    row |= {"reason": "", "detail": "", "identities": identities, "name": None, "data": {"n": 1}}
    row |= {"reference": None, "backfill_id": "", "value": None} | columns
    return [id_, *row.values()]


def batch_of_rows(
    identities: Sequence[Sequence[str]], ms: int | None = None, lane: Lane = Lane.REALTIME, **columns: Any
) -> Batch:
    """A batch received at `ms` (now), an event for each entry of `identities`."""
    batch = new_batch_id(now_ms() if ms is None else ms)
    ids = event_ids(batch, len(identities))
    rows = [make_row(id_, linked, **columns) for id_, linked in zip(ids, identities, strict=True)]
    lines = b"".join([msgspec.json.encode(row) + b"\n" for row in rows])
    return Batch(batch, WORKSPACE, "bik", (Part(lane, len(rows), 0, 0, lines),))


def as_record(batch: Batch, position: int = 0) -> Record:
    """The batch's first part as the log gives it back."""
    part = batch.parts[0]
    about = (batch.id, batch.workspace, batch.dialect)
    return Record(position, position + 1, *about, part.lane, part.count, part.first_ms, part.last_ms, part.lines)


def block_of(batches: Sequence[Batch], number: int) -> Block:
    records = [as_record(batch) for batch in batches]
    chunks = [rows_of(record, number) for record in records]
    return Block(records[0].lane, number, chunks, sum(record.count for record in records))
