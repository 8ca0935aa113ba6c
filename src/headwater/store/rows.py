"""A log record as rows of the events table, by bytes alone, and the identities that its events name together."""

from collections.abc import Collection, Iterator, Sequence

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
    identities: msgspec.Raw


class _LongRow(_Row, array_like=True, gc=False):
    """Up to the backfill."""

    name: msgspec.Raw
    data: msgspec.Raw
    reference: msgspec.Raw
    backfill_id: str


_decoder = msgspec.json.Decoder(_Row)
_long_decoder = msgspec.json.Decoder(_LongRow)
_NEVER_MS = 1 << 63

_identities = msgspec.json.Decoder(tuple[str, ...])


def rows_of(record: Record, block: int) -> bytes:
    """The record's events as JSONCompactEachRow lines of `COLUMNS`.

    What the events of a record share is put in front of each; a raw line feed occurs only at a line's end.
    """
    shared = (block, record.lane.value, record.workspace, record.dialect)
    prefix = msgspec.json.encode(shared)[:-1] + b","
    lines = record.lines.split(b"\n")  # for one byte: a search for two takes twice as long as all of this
    return prefix + (b"\n" + prefix).join([line[1:] for line in lines[:-1]]) + b"\n"


Named = tuple[str, bytes]
"""A workspace, and the identities of an event of its, as they stand in its line: two at least, or one with a quote."""
Times = dict[Named, int]
"""The `occurred_ms` of the earliest event that named these together."""


def note(found: Times, record: Record, excluded: Collection[str], young: Times, old: Times) -> None:
    """Adds what the record's events name together, but for what `young` or `old` know to be as old. Rejected events
    are passed over, and those of the backfills that are `excluded`."""
    workspace = record.workspace
    for row in _counting(record.lines, excluded):
        text = bytes(row.identities)
        if text.count(b'"') > 2 and not row.reason:
            named, first_ms = (workspace, text), row.occurred_ms
            known = young.get(named) or old.get(named, _NEVER_MS)
            if first_ms < known and first_ms < found.get(named, _NEVER_MS):
                found[named] = first_ms


def links_of(record: Record, excluded: Collection[str] = ()) -> set[Link]:
    """All identities of one event belong together: each is linked with the first. Rejected events link nothing, nor
    do those of the backfills that are `excluded`.

    Each pair once, as old as the earliest of the record's events that name it.
    """
    found: Times = {}
    note(found, record, excluded, {}, {})
    return links_between(found)


def links_between(found: Times) -> set[Link]:
    """The same of what events named together."""
    first: dict[tuple[str, Pair], int] = {}
    for (workspace, text), first_ms in found.items():
        for pair in _pairs(_identities.decode(text)):
            key = workspace, pair
            first[key] = min(first_ms, first.get(key, first_ms))
    return {Link(workspace, *pair, first_ms) for (workspace, pair), first_ms in first.items()}


def _counting(lines: bytes, excluded: Collection[str]) -> Sequence[_Row]:
    if not any(each.encode() in lines for each in excluded):
        return _decoder.decode_lines(lines)
    return [row for row in _long_decoder.decode_lines(lines) if row.backfill_id not in excluded]


def _pairs(identities: tuple[str, ...]) -> Iterator[Pair]:
    head = identities[0] if identities else ""
    return (pair_of(head, other) for other in identities[1:] if other != head)
