"""Periods against Python's own calendar, and beyond its ends."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headwater.clock import parse_iso, to_iso
from headwater.rules.rollup import next_start, period_number, period_start, periods_back, start_of
from headwater.signals import Period

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PERIODS: tuple[Period, ...] = get_args(Period)

moments = st.datetimes(datetime(1, 1, 8), datetime(9999, 12, 30)).map(
    lambda moment: (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
)
periods = st.sampled_from(PERIODS)


def by_calendar(period: Period, ms: int) -> int:
    moment = EPOCH + timedelta(milliseconds=ms)
    start = moment.replace(minute=0, second=0, microsecond=0)
    if period != "hour":
        start = start.replace(hour=0)
    if period == "week":
        start -= timedelta(days=start.weekday())
    if period == "month":
        start = start.replace(day=1)
    return (start - EPOCH) // timedelta(milliseconds=1)


@given(period=periods, ms=moments)
@example(period="month", ms=-1)
@example(period="week", ms=-1)
@example(period="hour", ms=0)
def test_a_period_begins_as_in_the_calendar(period: Period, ms: int) -> None:
    assert period_start(period, ms) == by_calendar(period, ms)


@given(period=periods, ms=st.integers(-(10**15), 10**15))
def test_periods_follow_each_other_without_a_gap(period: Period, ms: int) -> None:
    start = period_start(period, ms)
    after = next_start(period, start)
    assert start <= ms < after
    assert period_start(period, after) == after
    assert period_start(period, after - 1) == start
    assert start_of(period, period_number(period, ms)) == start
    assert period_number(period, after) == period_number(period, start) + 1


@given(period=periods, ms=moments, count=st.integers(0, 500))
def test_periods_back_is_so_many_steps(period: Period, ms: int, count: int) -> None:
    start = place = period_start(period, ms)
    for _ in range(count):
        place = period_start(period, place - 1)
    assert periods_back(period, start, count) == place


@pytest.mark.parametrize(
    ("period", "moment", "start"),
    [
        ("week", "2026-11-22T23:59:59.999Z", "2026-11-16T00:00:00.000Z"),
        ("week", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00.000Z"),
        ("week", "1970-01-01", "1969-12-29T00:00:00.000Z"),
        ("month", "2024-02-29T23:00:00Z", "2024-02-01T00:00:00.000Z"),
        ("month", "1900-03-01", "1900-03-01T00:00:00.000Z"),
        ("day", "2026-03-29T01:30:00+02:00", "2026-03-28T00:00:00.000Z"),
        ("hour", "1969-12-31T23:59:59.999Z", "1969-12-31T23:00:00.000Z"),
    ],
)
def test_edges(period: Period, moment: str, start: str) -> None:
    ms = parse_iso(moment)
    assert ms is not None
    assert to_iso(period_start(period, ms)) == start
