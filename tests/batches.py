"""Batches for the log's tests, and what a log holds, read back whole."""

from collections.abc import Iterable
from random import Random
from uuid import UUID

import msgspec

from headwater.clock import now_ms
from headwater.events import Batch, Lane, Part, event_ids, new_batch_id
from headwater.log.base import Reader, Record

BOTH = (Lane.REALTIME, Lane.MIGRATION)


def make_part(lane: Lane, ids: list[str], ms: int, random: Random) -> Part:
    """One line an event, as `events.ROW` has it, of about 150 bytes."""
    rows = [
        [
            id_,
            "ordered",
            "sig_bFyqj0qg",
            None,
            ms + n,
            "",
            "",
            [f"email:{random.random()}@x.y"],
            None,
            {"n": n},
            None,
            "",
            None,
        ]
        for n, id_ in enumerate(ids)
    ]
    lines = b"".join([msgspec.json.encode(row) + b"\n" for row in rows])
    return Part(lane, len(rows), ms, ms + len(rows) - 1, lines)


def make_batch(
    count: int = 3,
    lanes: Iterable[Lane] = (Lane.REALTIME,),
    ms: int | None = None,
    random: Random | None = None,
    workspace: str = "ws_abcdefgh",
) -> Batch:
    """A batch received at `ms` (now), with `count` events for each of the lanes."""
    ms = now_ms() if ms is None else ms
    batch, lanes = new_batch_id(ms), tuple(lanes)
    ids = event_ids(batch, count * len(lanes))
    parts = [make_part(lane, ids[n :: len(lanes)], ms, random or Random()) for n, lane in enumerate(lanes)]
    return Batch(batch, workspace, "bik", tuple(parts))


def everything(reader: Reader, lane: Lane = Lane.REALTIME, start: int = 0) -> list[Record]:
    """All records of a lane from `start` on, read in pieces of 7 events."""
    records: list[Record] = []
    while True:
        chunk = reader.read(lane, start, 7)
        records += chunk.records
        if chunk.end == start:
            return records
        start = chunk.end


def ids_of(records: Iterable[Record]) -> list[str]:
    return [str(UUID(bytes=record.batch)) for record in records]


def same(record: Record, batch: Batch) -> bool:
    """Whether a record is what one lane of the batch was given as."""
    part = next(part for part in batch.parts if part.lane is record.lane)
    about = (record.batch, record.workspace, record.dialect) == (batch.id, batch.workspace, batch.dialect)
    return about and Part(record.lane, record.count, record.first_ms, record.last_ms, record.lines) == part
