"""The codec of a record: what goes in comes out, and no damage goes unseen."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches import BOTH, make_batch, same
from headwater.errors import CorruptionError
from headwater.events import Batch, Claim, Lane, Part
from headwater.log.base import Claimed
from headwater.log.record import MAX_HEADER, decode, decode_claims, decode_head, encode, measure, verify

OLD = Batch(
    bytes(range(15)) + b"\0",
    "ws_abcdefgh",
    "bik",
    (Part(BOTH[0], 1, 5, 6, b'["a"]\n'), Part(BOTH[1], 2, -7, 8, b'["b"]\n["c"]\n')),
)
AS_OF_OLD = bytes.fromhex(
    "48575231e99f2ebed06e9424fd9280c08906540314000000020b0300000102030405060708090a0b0c0d0e0000010000000500000000"
    "000000060000000000000006000000070000000102000000f9ffffffffffffff08000000000000000c0000000d00000077735f616263"
    "646566676862696b605b2261225d0ac05b2262225d0a5b2263225d0a"
)
"""The same as a headwater that knew no claims wrote it."""

CLAIMS = st.lists(
    st.builds(Claim, st.binary(min_size=16, max_size=16), st.binary(max_size=300), st.text(max_size=20)), max_size=5
)
MS = st.integers(-(2**63), 2**63 - 1)


def parts_of(lane: Lane) -> st.SearchStrategy[Part]:
    return st.builds(Part, st.just(lane), st.integers(0, 2**32 - 1), MS, MS, st.binary(max_size=3000))


@given(
    id_=st.binary(min_size=16, max_size=16),
    workspace=st.text(max_size=60),
    dialect=st.text(max_size=60),
    parts=st.sampled_from([p for n in (1, 2) for p in permutations(BOTH, n)]).flatmap(
        lambda lanes: st.tuples(*[parts_of(lane) for lane in lanes])
    ),
    before=st.binary(max_size=5),
    behind=st.binary(max_size=5),
)
def test_a_batch_comes_back_lane_by_lane(
    id_: bytes, workspace: str, dialect: str, parts: tuple[Part, ...], before: bytes, behind: bytes
) -> None:
    batch = Batch(id_, workspace, dialect, parts)
    data = encode(batch)
    among, at = before + data + behind, len(before)
    assert measure(among, at) == verify(among, at) == len(data)
    head = decode_head(among, at, 7, 9)
    assert (head.position, head.end, head.batch) == (7, 9, id_)
    assert set(head.lanes) == {part.lane for part in parts}
    for lane in Lane:
        record = decode(among, at, 7, 9, lane)
        assert (record is not None) == (lane in head.lanes)
        assert record is None or same(record, batch)


@pytest.mark.parametrize("lanes", [BOTH[:1], BOTH])
def test_every_damaged_byte_is_seen(lanes: tuple[Lane, ...]) -> None:
    data = encode(make_batch(2, lanes))
    for at in range(len(data)):
        damaged = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        for lane in lanes:
            with pytest.raises(CorruptionError):
                decode(damaged, 0, 0, 0, lane)


def test_every_cut_is_seen() -> None:
    data = encode(make_batch(2, BOTH))
    for size in range(len(data)):
        assert measure(data[:size], 0) in (0, len(data))
        with pytest.raises(CorruptionError):
            verify(data[:size], 0)


def test_a_head_needs_no_more_than_the_header() -> None:
    data = encode(make_batch(50, BOTH))
    head = decode_head(data[:MAX_HEADER], 0, 0, len(data))
    assert {lane: share.count for lane, share in head.lanes.items()} == {Lane.REALTIME: 50, Lane.MIGRATION: 50}


def test_what_is_no_batch_is_refused() -> None:
    good = make_batch()
    (part,) = good.parts
    for bad in (
        Batch(good.id, good.workspace, good.dialect, ()),
        Batch(good.id, good.workspace, good.dialect, (part, part)),
        Batch(good.id, "w" * 256, good.dialect, (part,)),
        Batch(good.id[:15], good.workspace, good.dialect, (part,)),
        Batch(good.id, good.workspace, good.dialect, (part, part), (Claim(b"k" * 16, b""),)),
        Batch(good.id, good.workspace, good.dialect, (part,), (Claim(b"short", b""),)),
    ):
        with pytest.raises(ValueError, match="batch"):
            encode(bad)


@given(
    id_=st.binary(min_size=16, max_size=16),
    claims=CLAIMS,
    lanes=st.sampled_from([(), BOTH[:1], BOTH]),
    replay=st.booleans(),
)
def test_claims_come_back_with_or_without_events(
    id_: bytes, claims: list[Claim], lanes: tuple[Lane, ...], replay: bool
) -> None:
    if not lanes and not claims:
        return
    parts = tuple(Part(lane, 1, 2, 3, b"[]\n") for lane in lanes)
    batch = Batch(id_, "ws_abcdefgh", "bik", parts, tuple(claims), replay)
    data = encode(batch)
    assert verify(data, 0) == measure(data, 0) == len(data)
    head = decode_head(data, 0, 7, 9)
    assert (head.replay, head.claims, set(head.lanes)) == (replay, bool(claims), set(lanes))
    wanted = Claimed(9, id_, "ws_abcdefgh", tuple(claims)) if claims else None
    assert decode_claims(data, 0, 9) == wanted
    for lane in BOTH:
        record = decode(data, 0, 7, 9, lane)
        assert (record is not None) == (lane in lanes)
        assert record is None or (same(record, batch) and record.replay is replay)


def test_a_batch_without_claims_is_written_as_ever_and_what_was_written_is_read() -> None:
    assert encode(OLD) == AS_OF_OLD
    head = decode_head(AS_OF_OLD, 0, 0, len(AS_OF_OLD))
    assert not head.replay and not head.claims and decode_claims(AS_OF_OLD, 0, 0) is None
    for lane in BOTH:
        record = decode(AS_OF_OLD, 0, 0, len(AS_OF_OLD), lane)
        assert record is not None and same(record, OLD)


def test_every_damaged_byte_of_claims_is_seen() -> None:
    claims = (Claim(b"k" * 16, b"value", "bf_abcdefgh"), Claim(b"l" * 16, b""))
    data = encode(Batch(OLD.id, OLD.workspace, OLD.dialect, OLD.parts[:1], claims))
    for at in range(len(data)):
        damaged = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        with pytest.raises(CorruptionError):
            decode_claims(damaged, 0, 0)
