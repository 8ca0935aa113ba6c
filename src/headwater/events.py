"""Events and batches on their way from the wire to the store.

A batch's id is a UUIDv7 whose last byte is 0; its events' ids are the same with 1, 2, … 100 there. So an event's id
tells when it came, and which batch it came in, without a lookup.
"""

import os
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

MAX_BATCH = 100
"""Events in one request (source: both documents)."""

_SUFFIXES = tuple(f"{n:02x}" for n in range(1, MAX_BATCH + 1))


class Lane(StrEnum):
    """The two pipelines. The migration lane yields to the realtime lane."""

    REALTIME = "realtime"
    MIGRATION = "migration"


class Event(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """One event, the same for every dialect: first as it was read, then with what the gateway decided about it.

    Encoded it is its line in a log record: a JSON array of these fields in this order, without a raw line feed inside.
    What all events of a block or batch share (block, lane, workspace, dialect) is put in front by the engine, so that
    the log stays small and the engine only joins bytes.
    """

    id: str = ""
    """UUID text; empty until it passed."""
    signal: str
    """The slug as sent."""
    signal_id: str = ""
    schema_version: int | None = None
    """As read: the one asked for, None for the latest. Then the one that counts, None without a schema."""
    occurred_ms: int | None = None
    """As read: None for the moment of receipt."""
    reason: str = ""
    """Why it will be rejected (`outcomes.Reason`); empty when it will not."""
    detail: str = ""
    """What a rejected event failed on, for people."""
    identities: tuple[str, ...]
    """`type:id`, split at its first colon; at least one."""
    name: str | None = None
    data: dict[str, Any]
    reference: str | None = None
    backfill_id: str = ""
    value: str | None = None
    """What its signal measures in `data` (`rules.values.value_of`): None for a signal of type event, and for a count
    that has no path."""


class Line(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """An event's line read back: all is decided, and its data stays as it was written. Fields as in `Event`."""

    id: str
    signal: str
    signal_id: str
    schema_version: int | None
    occurred_ms: int
    reason: str
    detail: str
    identities: list[str]
    name: str | None
    data: msgspec.Raw
    reference: str | None
    backfill_id: str
    value: str | None = None
    """Lines that an older headwater wrote end before it."""
    replayed_ms: int = 0
    """When it was replayed, after it had been rejected; lines of all other events end before it."""


ROW = Line.__struct_fields__
"""The columns of one line of a log record, in order; the last may be missing."""

decode_lines = msgspec.json.Decoder(Line).decode_lines
"""A record's lines, read back. Raises msgspec.DecodeError."""


class Part(msgspec.Struct, frozen=True, gc=False):
    """The events of one batch that go to one lane."""

    lane: Lane
    count: int
    first_ms: int
    """The smallest `occurred_ms` among them; `last_ms` the greatest."""
    last_ms: int
    lines: bytes
    """`count` encoded events, each ended by a line feed."""


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What nobody may take again as long as it is kept, durable with the batch that it came with: see `claims`."""

    key: bytes
    """16 bytes."""
    value: bytes
    """What the next one who asks is told."""
    backfill: str = ""
    """It is kept at least as long as this one is open."""


class Batch(msgspec.Struct, frozen=True, gc=False):
    """What one request gives to the log: all of it becomes durable, or nothing."""

    id: bytes
    """16 bytes, see `new_batch_id`."""
    workspace: str
    """`ws_` + 8 base62."""
    dialect: str
    parts: tuple[Part, ...]
    """One or two, at most one a lane."""
    claims: tuple[Claim, ...] = ()
    replay: bool = False
    """Some rejected events of an earlier batch once more: under its id, and theirs."""


def new_batch_id(received_ms: int, seed: bytes = b"") -> bytes:
    """A UUIDv7 (RFC 9562) of this moment with 66 random bits and a last byte of 0, as 16 bytes.

    `seed`: 10 bytes or more to take in place of random ones, from what makes the batch the only one of its kind.
    """
    noise = bytearray(seed[:10] or os.urandom(10))
    noise[0] = 0x70 | noise[0] & 0x0F
    noise[2] = 0x80 | noise[2] & 0x3F
    noise[9] = 0
    return received_ms.to_bytes(6, "big") + noise


def id_text(id_bytes: bytes) -> str:
    """16 bytes as UUID text; a fifth of the time that `uuid.UUID` takes."""
    text = id_bytes.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def event_ids(batch_id: bytes, count: int) -> list[str]:
    """The ids of a batch's events, in order, as UUID text."""
    prefix = id_text(batch_id)[:-2]
    return [prefix + suffix for suffix in _SUFFIXES[:count]]


def batch_of(event_id: UUID) -> bytes:
    """The id of the batch that an event came in."""
    return event_id.bytes[:15] + b"\0"


def received_ms(id_bytes: bytes) -> int:
    """The moment a batch or event was received, in UTC milliseconds, read off its id."""
    return int.from_bytes(id_bytes[:6], "big")


def received_of(event_id: str) -> int:
    """The same of an event's id as text."""
    return received_ms(bytes.fromhex(event_id[:8] + event_id[9:13]))


def month_of(ms: int) -> int:
    """The UTC month of a moment as 202611: the store's partition of an event received then."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.year * 100 + moment.month
