"""One record: a batch as bytes, the same for every adapter.

    magic       4 bytes   b"HWR1"
    header sum  u64       xxh3_64 of the header after this field
    payload sum u64       xxh3_64 of the payload
    payload     u32       its length
    lanes       u8        1 or 2; 0 where nothing but claims was to be written down
    lengths     u8 u8     of workspace and dialect
    flags       u8        1: a replay; 2: claims follow the lanes in the payload. Records of old have 0
    batch id    16 bytes
    per lane    u8 u32 i64 i64 u32 u32   lane, count, first_ms, last_ms, raw length, compressed length
    workspace, dialect    UTF-8
    payload               per lane, one after the other: its lines as an LZ4 block; then the claims, each
                          key 16 bytes, u8 u32 lengths of backfill and value, backfill (UTF-8), value

All numbers are little-endian. The header has a sum of its own, so that headers can be walked and trusted without
reading what lies between them; it covers the payload's sum, so that together they cover every byte.
"""

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from lz4 import block as lz4
from xxhash import xxh3_64_intdigest

from headwater.errors import CorruptionError
from headwater.events import Batch, Claim, Lane, Part
from headwater.log.base import Claimed, Head, LaneHead, Record

Bytes = bytes | memoryview

_MAGIC = b"HWR1"
_START = struct.Struct("<4sQ")
_FIXED = struct.Struct("<QIBBBB16s")
_LANE = struct.Struct("<BIqqII")
_CLAIM = struct.Struct("<16sBI")
_REPLAY, _CLAIMS = 1, 2
_FIXED_END = _START.size + _FIXED.size
_LANES = tuple(Lane)
_CODES = {lane: code for code, lane in enumerate(_LANES)}

MAX_HEADER = _FIXED_END + len(_LANES) * _LANE.size + 2 * 255
"""No header is longer, in bytes."""


_Share = tuple[int, int, int, int, int, int]
"""One lane in a header, as `_LANE` packs it."""


class _Header(NamedTuple):
    payload_at: int
    payload_sum: int
    size: int
    batch: bytes
    workspace: str
    dialect: str
    shares: list[_Share]
    flags: int


def encode(batch: Batch) -> bytes:
    """A batch as one record. Raises ValueError when it cannot be one (empty, a lane twice, a name too long)."""
    workspace, dialect = batch.workspace.encode(), batch.dialect.encode()
    if len(batch.parts) != 1 and not _has_one_a_lane(batch):
        raise ValueError("a batch has one part for each of its lanes")
    if len(workspace) > 255 or len(dialect) > 255 or len(batch.id) != 16:
        raise ValueError("a workspace or dialect is at most 255 bytes long, a batch id is 16")
    return _encode(batch, workspace, dialect)


def nothing(batch: bytes) -> bytes:
    """A record without events or claims: something to find by its id, that changes nothing."""
    return _encode(Batch(batch, "", "", ()), b"", b"")


def _encode(batch: Batch, workspace: bytes, dialect: bytes) -> bytes:
    packed = [lz4.compress(part.lines, store_size=False) for part in batch.parts]
    flags, claims = (_REPLAY if batch.replay else 0), batch.claims
    if claims:
        flags |= _CLAIMS
        payload = b"".join((*packed, *map(_pack_claim, claims)))
    else:
        payload = packed[0] if len(packed) == 1 else b"".join(packed)
    lengths = (len(payload), len(packed), len(workspace), len(dialect))
    fixed = _FIXED.pack(xxh3_64_intdigest(payload), *lengths, flags, batch.id)
    shares = [_pack_share(part, len(data)) for part, data in zip(batch.parts, packed, strict=True)]
    header = b"".join((fixed, *shares, workspace, dialect))
    return b"".join((_START.pack(_MAGIC, xxh3_64_intdigest(header)), header, payload))


def _has_one_a_lane(batch: Batch) -> bool:
    """With claims it may be that of all that was sent nothing was to be stored."""
    least = 0 if batch.claims else 1
    return least <= len({part.lane for part in batch.parts}) == len(batch.parts)


def _pack_claim(claim: Claim) -> bytes:
    backfill = claim.backfill.encode()
    if len(claim.key) != 16 or len(backfill) > 255:
        raise ValueError("a batch's claims have keys of 16 bytes, and a backfill's id of at most 255")
    return b"".join((_CLAIM.pack(claim.key, len(backfill), len(claim.value)), backfill, claim.value))


def _pack_share(part: Part, packed: int) -> bytes:
    return _LANE.pack(_LANES.index(part.lane), part.count, part.first_ms, part.last_ms, len(part.lines), packed)


def measure(data: Bytes, at: int) -> int:
    """The size in bytes that the record at `data[at:]` claims, unchecked; 0 when its header is not all there."""
    if at + _FIXED_END > len(data):
        return 0
    _, payload, lanes, workspace, dialect, _, _ = _FIXED.unpack_from(data, at + _START.size)
    header = _FIXED_END + lanes * _LANE.size + workspace + dialect
    return header + payload if at + header <= len(data) else 0


def verify(data: Bytes, at: int) -> int:
    """The size of the record at `data[at:]`. Raises CorruptionError unless every byte of it is as it was written."""
    header = _header(data, at)
    _verify_payload(data, at, header)
    return header.size


def decode_head(data: Bytes, at: int, position: int, end: int) -> Head:
    """The head of the record at `data[at:]`, which lies at [position, end) of its log."""
    header = _header(data, at)
    lanes = {_LANES[lane]: LaneHead(count, first, last) for lane, count, first, last, _, _ in header.shares}
    replay, claims = bool(header.flags & _REPLAY), bool(header.flags & _CLAIMS)
    return Head(position, end, header.batch, header.workspace, header.dialect, lanes, replay, claims)


def decode_claims(data: Bytes, at: int, end: int) -> Claimed | None:
    """The claims of the record at `data[at:]`; None when it has none, which its header tells.

    Raises CorruptionError when a checksum does not hold.
    """
    header = _header(data, at)
    if not header.flags & _CLAIMS:
        return None
    _verify_payload(data, at, header)
    begin = header.payload_at + sum(packed for *_, packed in header.shares)
    return Claimed(end, header.batch, header.workspace, tuple(_claims(data, begin, at + header.size)))


def _claims(data: Bytes, at: int, end: int) -> Iterator[Claim]:
    while at < end:
        key, backfill, value = _CLAIM.unpack_from(data, at)
        middle = at + _CLAIM.size + backfill
        at = middle + value
        yield Claim(key, bytes(data[middle:at]), _text(bytes(data[middle - backfill : middle])))


def decode(data: Bytes, at: int, position: int, end: int, lane: Lane) -> Record | None:
    """One lane of the record at `data[at:]`; None when it has nothing for it. The other lane stays compressed.

    Raises CorruptionError when a checksum does not hold, whichever lane is damaged.
    """
    header = _header(data, at)
    _verify_payload(data, at, header)
    code, begin = _CODES[lane], header.payload_at
    for of, count, first_ms, last_ms, raw, packed in header.shares:
        if of == code:
            lines = _unpack(data[begin : begin + packed], raw)
            about = (header.batch, header.workspace, header.dialect, lane)
            return Record(position, end, *about, count, first_ms, last_ms, lines, bool(header.flags & _REPLAY))
        begin += packed
    return None


def _header(data: Bytes, at: int) -> _Header:
    if at + _FIXED_END > len(data):
        raise CorruptionError("a record's header is cut off")
    magic, header_sum = _START.unpack_from(data, at)
    payload_sum, payload, lanes, workspace, dialect, flags, batch = _FIXED.unpack_from(data, at + _START.size)
    first = at + _FIXED_END
    names = first + lanes * _LANE.size
    middle = names + workspace
    end = middle + dialect
    if magic != _MAGIC or end > len(data) or xxh3_64_intdigest(data[at + _START.size : end]) != header_sum:
        raise CorruptionError("a record's header does not match its checksum")
    shares = [_LANE.unpack_from(data, share) for share in range(first, names, _LANE.size)]
    texts = _text(bytes(data[names:middle])), _text(bytes(data[middle:end]))
    return _Header(end, payload_sum, end - at + payload, batch, *texts, shares, flags)


def _verify_payload(data: Bytes, at: int, header: _Header) -> None:
    end = at + header.size
    if end > len(data) or xxh3_64_intdigest(data[header.payload_at : end]) != header.payload_sum:
        raise CorruptionError("a record's payload does not match its checksum")


def _unpack(packed: Bytes, raw: int) -> bytes:
    return lz4.decompress(packed, uncompressed_size=raw) if raw else b""


@lru_cache(maxsize=4096)
def _text(name: bytes) -> str:
    """Workspaces and dialects come again and again: one string each."""
    return name.decode()
