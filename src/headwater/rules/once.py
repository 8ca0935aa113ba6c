"""One request under one `Idempotency-Key`: what is kept of it, its first answer, and how another one differs."""

from collections.abc import Sequence
from hashlib import blake2b
from zlib import compress, decompress

import msgspec
from xxhash import xxh3_64_digest

MAX_KEY = 255
"""Characters of a key."""

_SUM = 4
"""Bytes kept of an event's sum: they tell which event differs. That one does is told by the sum of the whole."""
_ID = 16
_LEVEL = 1

_canonical = msgspec.json.Encoder(order="sorted").encode


class Sent(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What must be the same for two requests to be one."""

    path: str
    lenient: bool
    backfill: str
    """As its header names it; empty without one."""
    sum: bytes
    """16 bytes of the body, however its JSON is written, or of its bytes where not all of it can be read."""
    events: bytes
    """4 bytes of each event; none where the bytes were summed."""
    single: bool


class First(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A request that was taken, and its answer."""

    sent: Sent
    status: int
    headers: Sequence[tuple[bytes, bytes]]
    batch: str
    """The id of the batch that was answered; empty when all events were there before."""
    body: bytes


class Difference(msgspec.Struct, frozen=True, gc=False):
    """Where two requests under one key differ first."""

    what: str
    path: str = ""
    """In the body; empty when it is not there."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(First).decode


def is_key(text: bytes) -> bool:
    """Whether it can be an Idempotency-Key: 1 to 255 visible ASCII characters."""
    return 0 < len(text) <= MAX_KEY and all(0x21 <= byte <= 0x7E for byte in text)


def sent(path: str, single: bool, lenient: bool, backfill: str, body: bytes, field: str = "events") -> Sent:
    """What counts of a request. `field`: where the body of a batch holds its events; empty where it is their list.

    A dialect passes over fields that it does not know; what stands in them may be no JSON that can be read (1e999, a
    byte that is no UTF-8), and then it is the bytes that count.
    """
    try:
        sum_, events = _sums_of(body, single, field)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        sum_, events = _sum(body), b""
    return Sent(path, lenient, backfill, sum_, events, single)


def _sums_of(body: bytes, single: bool, field: str) -> tuple[bytes, bytes]:
    """`Sent.sum` and `Sent.events`."""
    document = msgspec.json.decode(body)
    events = None
    if isinstance(document, list) and not single and not field:
        document, events = None, document
    elif isinstance(document, dict) and not single:
        events = document.pop(field, None)
    parts = [_canonical(event) for event in events] if isinstance(events, list) else [_canonical(events)]
    parts.append(_canonical(document))
    return _sum(b"\n".join(parts)), b"".join([xxh3_64_digest(part)[:_SUM] for part in parts[:-1]])


def _sum(text: bytes) -> bytes:
    return blake2b(text, digest_size=16).digest()


def keep(batch_id: bytes, first: First) -> bytes:
    """A claim's value. `batch_id`: 16 bytes, of the batch that the claim comes with."""
    return batch_id + _encode(msgspec.structs.replace(first, body=compress(first.body, _LEVEL)))


def recall(value: bytes) -> First | None:
    """The other way; None when what it was about was erased."""
    if len(value) <= _ID:
        return None
    first = _decode(value[_ID:])
    return msgspec.structs.replace(first, body=decompress(first.body))


def difference(first: Sent, now: Sent, field: str = "events") -> Difference | None:
    """None when the two are one request. `field` as in `sent`."""
    if first.path != now.path:
        return Difference(f"the path, which was {first.path}")
    if first.backfill != now.backfill:
        return Difference(f"the header Headwater-Backfill, which was {first.backfill or 'not there'}")
    if first.lenient != now.lenient:
        return Difference(
            f"the header Prefer, which {'asked' if first.lenient else 'did not ask'} for lenient handling"
        )
    if first.sum == now.sum:
        return None
    return _in_body(first, now, field)


def _in_body(first: Sent, now: Sent, field: str) -> Difference:
    if now.single:
        return Difference("the event")
    if not first.events or not now.events:
        return Difference("the body")
    before, after = _sums(first), _sums(now)
    if len(before) != len(after):
        return Difference(f"the number of events, which was {len(before)}", field)
    for index, (one, other) in enumerate(zip(before, after, strict=True)):
        if one != other:
            return Difference(f"{field}[{index}]", f"{field}[{index}]")
    return Difference("the body beside its events")


def _sums(sent: Sent) -> list[bytes]:
    return [sent.events[at : at + _SUM] for at in range(0, len(sent.events), _SUM)]


class Duplicate(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Of an event that was taken: what its duplicates are answered with."""

    schema_version: int | None
    backfill: str
    """Once this is reverted, the event is as if it had never been sent, and its reference free again."""


_encode_duplicate = msgspec.msgpack.Encoder().encode
_decode_duplicate = msgspec.msgpack.Decoder(Duplicate).decode


def keep_event(event_id: str, schema_version: int | None, backfill: str) -> bytes:
    """A reference's claim's value."""
    return bytes.fromhex(event_id.replace("-", "")) + _encode_duplicate(Duplicate(schema_version, backfill))


def recall_event(value: bytes) -> tuple[bytes, Duplicate]:
    """The first event's id, 16 bytes, and what else is known of it."""
    return value[:_ID], _decode_duplicate(value[_ID:])
