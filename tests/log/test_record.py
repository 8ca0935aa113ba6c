"""The codec of a record: what goes in comes out, and no damage goes unseen."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches import BOTH, make_batch, same
from headwater.errors import CorruptionError
from headwater.events import Batch, Lane, Part
from headwater.log.record import MAX_HEADER, decode, decode_head, encode, measure, verify

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
    ):
        with pytest.raises(ValueError, match="batch"):
            encode(bad)
