"""A log record as rows of the events table, by bytes alone, and the identities that its events link."""

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


_decoder = msgspec.json.Decoder(_Row)


def rows_of(record: Record, block: int) -> bytes:
    """The record's events as JSONCompactEachRow lines of `COLUMNS`.

    What the events of a record share is put in front of each; a raw line feed occurs only at a line's end.
    """
    shared = (block, record.lane.value, record.workspace, record.dialect)
    prefix = msgspec.json.encode(shared)[:-1] + b","
    return prefix + record.lines[1:-1].replace(b"\n[", b"\n" + prefix) + b"\n"


def links_of(record: Record) -> set[Link]:
    """All identities of one event belong together: each is linked with the first. Rejected events link nothing.

    Each pair once, as old as the earliest of the record's events that name it.
    """
    first: dict[Pair, int] = {}
    for row in _decoder.decode_lines(record.lines):
        if len(row.identities) > 1 and not row.reason:
            for pair in _pairs(row.identities):
                first[pair] = min(row.occurred_ms, first.get(pair, row.occurred_ms))
    return {Link(record.workspace, *pair, first_ms) for pair, first_ms in first.items()}


def _pairs(identities: tuple[str, ...]) -> list[Pair]:
    head = identities[0]
    return [pair_of(head, other) for other in identities[1:] if other != head]
