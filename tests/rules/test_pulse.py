"""A ring of seconds holds what a dictionary of them would."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from headwater.clock import to_iso
from headwater.events import Lane
from headwater.rules.pulse import ACCEPTED, BACKLOG, KEPT, PROCESSED, REJECTED, LaneCounts, Pulse

START = 1_764_000_000
NOTHING = LaneCounts(0, 0, 0, 0)

counted = st.tuples(
    st.sampled_from([0, 0, 1, 1, 2, 7, KEPT - 1, KEPT, KEPT + 1, 5 * KEPT]),
    st.sampled_from(list(Lane)),
    st.sampled_from([ACCEPTED, PROCESSED, REJECTED]),
    st.integers(0, 1000),
)


@given(st.lists(counted, max_size=60))
def test_what_was_counted_is_told_for_as_long_as_it_is_kept(steps: list[tuple[int, Lane, int, int]]) -> None:
    pulse, now = Pulse(START, START), START
    known: Counter[tuple[int, Lane, int]] = Counter()
    for later, lane, what, count in steps:
        now += later
        pulse.add(now, lane, what, count)
        known[now, lane, what] += count
    points = pulse.points(now + 1)
    assert [point.at for point in points] == [
        to_iso(1000 * each) for each in range(max(START, now + 1 - KEPT), now + 1)
    ]
    first = now + 1 - len(points)
    for second, point in enumerate(points, first):
        for lane, found in point.lanes.items():
            assert found == LaneCounts(*(known[second, lane, each] for each in range(BACKLOG)), 0)


def test_a_backlog_is_what_a_second_leaves_behind() -> None:
    pulse = Pulse(START, START)
    pulse.leave(START, Lane.REALTIME, 5)
    pulse.leave(START + 2, Lane.REALTIME, 3)
    assert [point.lanes[Lane.REALTIME].backlog for point in pulse.points(START + 4)] == [5, 0, 3, 0]


def test_nothing_is_told_of_seconds_of_which_nothing_is_known() -> None:
    pulse = Pulse(START + 10, START + 20)
    assert [point.at for point in pulse.points(START + 12)] == [to_iso(1000 * (START + each)) for each in (10, 11)]
    assert pulse.point(START + 11).lanes == dict.fromkeys(Lane, NOTHING)


def test_a_count_that_fits_no_more_stays_at_the_most() -> None:
    pulse = Pulse(START, START)
    for _ in range(2):
        pulse.add(START, Lane.MIGRATION, ACCEPTED, 1 << 31)
        pulse.add(START, Lane.MIGRATION, PROCESSED, (1 << 32) - 1)
    assert pulse.point(START).lanes[Lane.MIGRATION] == LaneCounts((1 << 32) - 1, (1 << 32) - 1, 0, 0)
