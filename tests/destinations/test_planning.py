"""What is delivered next, as plain functions."""

from hypothesis import given
from hypothesis import strategies as st

from headwater.destinations.planning import GRACE_MS, begun, noted, over, runs
from headwater.state.positions import Planned, Position
from headwater.store.blocks import Share

HOUR = 3_600_000


@st.composite
def shares(draw: st.DrawFn) -> list[Share]:
    """In the order of blocks, several windows in one block, and blocks without any."""
    found = []
    for block in draw(st.lists(st.integers(1, 60), unique=True).map(sorted)):
        for begin in draw(st.lists(st.integers(0, 3), min_size=1, unique=True)):
            found.append(
                Share(block, begin * HOUR, draw(st.integers(1, 40)), begin * HOUR + 5, draw(st.integers(1, 40)))
            )
    return found


@given(shares(), st.integers(1, 60), st.integers(1, 60))
def test_runs_have_every_block_once_and_are_not_too_large(found: list[Share], most: int, most_bytes: int) -> None:
    cut = [*runs(found, most, most_bytes)]
    assert [block for first, last in cut for block in range(first, last + 1)] == sorted(
        {block for first, last in cut for block in range(first, last + 1)}
    )
    blocks = {share.block for share in found}
    assert {block for block in blocks if any(first <= block <= last for first, last in cut)} == blocks
    for first, last in cut:
        run = [share for share in found if first <= share.block <= last]
        events, size = sum(share.events for share in run), sum(share.bytes for share in run)
        assert (events <= most and size <= most_bytes) or len({share.block for share in run}) == 1


@given(shares())
def test_every_window_is_delivered_with_all_of_its_blocks(found: list[Share]) -> None:
    position = noted(Position(), found, 60)
    seen = {}
    while planned := over(position, HOUR, 10 * HOUR):
        position = begun(position, planned)
        assert position.planned == planned and position.block == 60
        seen[planned.begin_ms] = (planned.first, planned.last)
    begins = {share.begin_ms for share in found}
    of = {begin: [share.block for share in found if share.begin_ms == begin] for begin in begins}
    assert seen == {begin: (min(blocks), max(blocks)) for begin, blocks in of.items()}


def test_a_window_is_over_a_while_after_its_end() -> None:
    position = noted(Position(), [Share(3, HOUR, 1, HOUR)], 3)
    assert over(position, HOUR, 2 * HOUR + GRACE_MS - 1) is None
    assert over(position, HOUR, 2 * HOUR + GRACE_MS) == Planned(3, 3, HOUR)


def test_blocks_are_passed_when_their_delivery_is_written_down() -> None:
    assert begun(Position(4), Planned(5, 9, None)) == Position(9, {}, Planned(5, 9, None))
