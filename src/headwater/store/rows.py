"""A log record as rows of the events table, by bytes alone, and the identities that its events link."""

from collections.abc import Collection, Sequence

import msgspec

from headwater.events import ROW
from headwater.log.base import Record
from headwater.rules.connect import Pair, pair_of
from headwater.state.base import Link

COLUMNS = ("block", "lane", "workspace", "dialect", *ROW)
"""The columns of an inserted line, in order."""


class _Row(msgspec.Struct, array_like=True, gc=False):
    """The first columns of a line, up to the identities; the decoder skips those after them."""

    id: msgspec.Raw
    signal: msgspec.Raw
    signal_id: msgspec.Raw
    schema_version: msgspec.Raw
    occurred_ms: int
    reason: str
    detail: msgspec.Raw
    identities: tuple[str, ...]


class _LongRow(_Row, array_like=True, gc=False):
    """Up to the backfill."""

    name: msgspec.Raw
    data: msgspec.Raw
    reference: msgspec.Raw
    backfill_id: str


_decoder = msgspec.json.Decoder(_Row)
_long_decoder = msgspec.json.Decoder(_LongRow)


def rows_of(record: Record, block: int) -> bytes:
    """The record's events as JSONCompactEachRow lines of `COLUMNS`.

    What the events of a record share is put in front of each; a raw line feed occurs only at a line's end.
    """
    shared = (block, record.lane.value, record.workspace, record.dialect)
    prefix = msgspec.json.encode(shared)[:-1] + b","
    return prefix + record.lines[1:-1].replace(b"\n[", b"\n" + prefix) + b"\n"


def links_of(record: Record, excluded: Collection[str] = ()) -> set[Link]:
    """All identities of one event belong together: each is linked with the first. Rejected events link nothing, nor
    do those of the backfills that are `excluded`.

    Each pair once, as old as the earliest of the record's events that name it.
    """
    first: dict[Pair, int] = {}
    for row in _counting(record.lines, excluded):
        if len(row.identities) > 1 and not row.reason:
            for pair in _pairs(row.identities):
                first[pair] = min(row.occurred_ms, first.get(pair, row.occurred_ms))
    return {Link(record.workspace, *pair, first_ms) for pair, first_ms in first.items()}


def _counting(lines: bytes, excluded: Collection[str]) -> Sequence[_Row]:
    if not any(each.encode() in lines for each in excluded):
        return _decoder.decode_lines(lines)
    return [row for row in _long_decoder.decode_lines(lines) if row.backfill_id not in excluded]


def _pairs(identities: tuple[str, ...]) -> list[Pair]:
    head = identities[0]
    return [pair_of(head, other) for other in identities[1:] if other != head]
