"""A log record as rows of the events table, by bytes alone, and the identities that its events link."""

import msgspec

from headwater.events import ROW
from headwater.log.base import Record
from headwater.state.base import Link

COLUMNS = ("block", "lane", "workspace", "dialect", *ROW)
"""The columns of an inserted line, in order."""


class _Row(msgspec.Struct, array_like=True, gc=False):
    """The first columns of a line, up to the identities; the decoder skips those after them."""

    id: msgspec.Raw
    signal: msgspec.Raw
    signal_id: msgspec.Raw
    schema_version: msgspec.Raw
    occurred_ms: msgspec.Raw
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
    """All identities of one event belong together: each is linked with the first. Rejected events link nothing."""
    named = {row.identities for row in _decoder.decode_lines(record.lines) if not row.reason}
    return {_link(record.workspace, ids[0], other) for ids in named for other in ids[1:] if other != ids[0]}


def _link(workspace: str, one: str, other: str) -> Link:
    return Link(workspace, one, other) if one < other else Link(workspace, other, one)
