"""Metrics and states against a count by hand, over real parts: log, pipeline, store, people, catalog."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, get_args
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.catalog.base import NewSignal, SignalChanges
from headwater.catalog.reading import CatalogReader
from headwater.catalog.sqlite import SqliteCatalog
from headwater.clock import now_ms, parse_iso, to_iso
from headwater.errors import InvalidError, NotFoundError
from headwater.events import Lane
from headwater.measures import Measures, PeriodAnswer, StateAnswer
from headwater.people import People
from headwater.rules.filters import TOP, Filters, place_of
from headwater.rules.rollup import period_start
from headwater.signals import Aggregation, Period
from parts import Parts, Sent, running_parts

ME = "key_tester00"
AGGREGATIONS: tuple[Aggregation, ...] = get_args(Aggregation)
PERIODS: tuple[Period, ...] = get_args(Period)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ADA, PHONE, BOB, ACCOUNT = "email:ada@example.com", "phone:+19494572000", "email:bob@example.com", "account:42"


class Desk(NamedTuple):
    """What the tests have before them."""

    parts: Parts
    catalog: SqliteCatalog
    reader: CatalogReader

    def workspace(self) -> str:
        return self.catalog.create_workspace(ME, f"w-{uuid4()}", preset=None)[0].id

    def metric(self, workspace: str, aggregation: Aggregation, period: Period, path: str | None = "n") -> str:
        new = NewSignal(
            name=f"{aggregation}-{period}", type="metric", aggregation=aggregation, period=period, value=path
        )
        return self.catalog.create_signal(ME, workspace, new).slug

    def state(self, workspace: str, name: str = "score") -> str:
        return self.catalog.create_signal(ME, workspace, NewSignal(name=name, type="state", value="v")).slug

    def measures(self, people: People | None = None) -> Measures:
        """Over what was committed by now."""
        return Measures(self.parts.store, people or People(self.parts.state), self.reader)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    directory: Path = tmp_path_factory.mktemp("parts")
    with running_parts(directory) as parts:
        catalog = SqliteCatalog(directory / "catalog.db", b"x" * 32)
        reader = CatalogReader(directory / "catalog.db")
        yield Desk(parts, catalog, reader)
        reader.close()
        catalog.close()


def walked(measures: Measures, workspace: str, slug: str, filters: Filters, limit: int) -> list[tuple[str, Any]]:
    """All pages of a metric; a number as Fraction of its text, an avg as float."""
    found: list[tuple[str, Any]] = []
    cursor = None
    while True:
        page = measures.metrics(workspace, slug, filters, limit, cursor)
        assert len(page.data) <= limit
        for each in page.data:
            assert isinstance(each, PeriodAnswer)
            found.append((each.period_start, bytes(each.value).decode()))
        if (cursor := page.next) is None:
            return found


def history(measures: Measures, workspace: str, slug: str, filters: Filters, limit: int) -> list[StateAnswer]:
    found: list[StateAnswer] = []
    after = TOP
    while True:
        page = measures.history(workspace, slug, filters, limit, after)
        found += page.data  # type: ignore[arg-type]
        if page.next is None:
            return found
        after = place_of(page.next)


# --- by hand -------------------------------------------------------------------------------------------------------


class Given(NamedTuple):
    """An event as it is drawn."""

    identities: tuple[str, ...]
    ms: int
    number: int
    """In billionths."""
    lane: Lane
    rejected: bool


def start_by_hand(period: Period, ms: int) -> str:
    moment = (EPOCH + timedelta(milliseconds=ms)).replace(minute=0, second=0, microsecond=0)
    moment = moment if period == "hour" else moment.replace(hour=0)
    if period == "week":
        moment -= timedelta(days=moment.weekday())
    if period == "month":
        moment = moment.replace(day=1)
    return to_iso((moment - EPOCH) // timedelta(milliseconds=1))


def profile_by_hand(identity: str, events: Sequence[Given], never: Sequence[str]) -> set[str]:
    """Everything connected, by going over all events until nothing is new."""
    found = {identity}
    while True:
        links = [
            {event.identities[0], other}
            for event in events
            if not event.rejected
            for other in event.identities[1:]
            if not {event.identities[0], other} & set(never)
        ]
        more = found.union(*[link for link in links if link & found])
        if more == found:
            return found
        found = more


def owner_by_hand(event: Given, never: Sequence[str]) -> str:
    return ([each for each in event.identities if each not in never] or list(event.identities))[0]


def metric_by_hand(aggregation: Aggregation, period: Period, events: Sequence[Given]) -> list[tuple[str, Any]]:
    buckets: dict[str, list[int]] = {}
    for event in events:
        buckets.setdefault(start_by_hand(period, event.ms), []).append(event.number)
    how = {
        "count": len,
        "sum": lambda numbers: Fraction(sum(numbers), 10**9),
        "min": lambda numbers: Fraction(min(numbers), 10**9),
        "max": lambda numbers: Fraction(max(numbers), 10**9),
        "avg": lambda numbers: float(Fraction(sum(numbers), 10**9 * len(numbers))),
    }[aggregation]
    return [(start, how(numbers)) for start, numbers in sorted(buckets.items())]


def decimal(number: int) -> str:
    """Billionths as the gateway writes them down."""
    text = f"{abs(number) // 10**9}.{abs(number) % 10**9:09}".rstrip("0").rstrip(".")
    return f"-{text}" if number < 0 else text


# --- drawn ---------------------------------------------------------------------------------------------------------

_EDGES = [
    "1970-01-01T00:00:00Z",
    "2024-02-29T23:59:59.999Z",
    "2024-03-01T00:00:00Z",
    "2026-11-22T23:59:59.999Z",
    "2026-11-23T00:00:00Z",
    "1999-12-31T23:59:59.999Z",
    "2026-03-29T01:00:00Z",
    "1601-01-01T00:00:00Z",
    "0001-01-08T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
]
moments = st.sampled_from([parse_iso(text) for text in _EDGES]) | st.integers(1_790_000_000_000, 1_793_000_000_000)
numbers = st.integers(-(10**24) + 1, 10**24 - 1) | st.integers(-5, 5).map(lambda whole: whole * 10**9)
whom = st.lists(st.sampled_from([ADA, PHONE, BOB, ACCOUNT]), min_size=1, max_size=3, unique=True).map(tuple)
events = st.builds(Given, whom, moments, numbers, st.sampled_from(Lane), st.integers(0, 9).map(lambda n: n == 0))


class MetricCase(NamedTuple):
    drawn: list[Given]
    aggregation: Aggregation
    period: Period
    never: tuple[str, ...]
    limit: int
    cuts: list[int]


class StateCase(NamedTuple):
    drawn: list[tuple[Given, str]]
    never: tuple[str, ...]
    limit: int


metric_cases = st.builds(
    MetricCase,
    st.lists(events, min_size=1, max_size=25),
    st.sampled_from(AGGREGATIONS),
    st.sampled_from(PERIODS),
    st.sampled_from([(), (PHONE,), (ADA, PHONE)]),
    st.sampled_from([2, 5, 1000]),
    st.lists(moments, min_size=2, max_size=2).map(sorted),
)
VALUES = ['"at-risk"', '"good"', "1", "true", '{"a":1}', '"é"', '"z"', '"\uffff"', '"😀"']
state_cases = st.builds(
    StateCase,
    st.lists(st.tuples(events, st.sampled_from(VALUES)), min_size=1, max_size=20),
    st.sampled_from([(), (PHONE,)]),
    st.sampled_from([1, 3, 1000]),
)

_CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
few = settings(deadline=None, max_examples=10, suppress_health_check=_CHECKS)
many = settings(deadline=None, max_examples=80, suppress_health_check=_CHECKS)


@few
@given(case=metric_cases)
def test_metrics_equal_a_count_by_hand(desk: Desk, case: MetricCase) -> None:
    check_metrics(desk, case)


@few
@given(case=state_cases)
def test_states_equal_a_sort_by_hand(desk: Desk, case: StateCase) -> None:
    check_states(desk, case)


@pytest.mark.torture
@pytest.mark.timeout(1200)
@many
@given(case=metric_cases)
def test_many_metrics_equal_a_count_by_hand(desk: Desk, case: MetricCase) -> None:
    check_metrics(desk, case)


@pytest.mark.torture
@pytest.mark.timeout(1200)
@many
@given(case=state_cases)
def test_many_states_equal_a_sort_by_hand(desk: Desk, case: StateCase) -> None:
    check_states(desk, case)


def check_metrics(desk: Desk, case: MetricCase) -> None:
    """Of everybody and of every identity, in any order of arrival, in pages of any size, between any dates."""
    drawn, aggregation, period, never, limit, cuts = case
    workspace = desk.workspace()
    slug = desk.metric(workspace, aggregation, period)
    for place in range(0, len(drawn), 7):
        sent = [_sent(slug, event) for event in drawn[place : place + 7]]
        desk.parts.send(workspace, *sent, Sent(5, (ADA,), "another", value="7"))
    desk.parts.drain()
    people = People(desk.parts.state)
    people.configure(workspace, never, 100)
    measures = desk.measures(people)
    good = [event for event in drawn if not event.rejected]
    for whose in (None, ADA, PHONE, BOB, ACCOUNT):
        of = profile_by_hand(whose, drawn, never) if whose else set()
        wanted = [event for event in good if whose is None or owner_by_hand(event, never) in of]
        for from_ms, to_ms in ((None, None), tuple(cuts)):
            span = {} if from_ms is None else {"from_ms": from_ms, "to_ms": to_ms}
            inside = [event for event in wanted if from_ms is None or from_ms <= event.ms < to_ms]
            found = walked(measures, workspace, slug, Filters(identity=whose, **span), limit)  # type: ignore[arg-type]
            shown = [(start, _read(aggregation, text)) for start, text in found]
            assert shown == metric_by_hand(aggregation, period, inside), (whose, span)


def _sent(slug: str, event: Given) -> Sent:
    reason = "metric_value_missing" if event.rejected else ""
    value = None if event.rejected else decimal(event.number)
    return Sent(event.ms, event.identities, slug, event.lane, reason=reason, value=value)


def _read(aggregation: Aggregation, text: str) -> Any:
    return float(text) if aggregation == "avg" else Fraction(text)


def check_states(desk: Desk, case: StateCase) -> None:
    """The newest by its time; of equal times the greatest text; the whole history in that order."""
    drawn, never, limit = case
    workspace = desk.workspace()
    slug = desk.state(workspace)
    sent = [
        Sent(event.ms, event.identities, slug, event.lane, "state_value_missing")
        if event.rejected
        else Sent(event.ms, event.identities, slug, event.lane, value=value)
        for event, value in drawn
    ]
    _, ids = desk.parts.send(workspace, *sent)
    desk.parts.drain()
    people = People(desk.parts.state)
    people.configure(workspace, never, 100)
    measures = desk.measures(people)
    for whose in (ADA, PHONE, BOB, ACCOUNT):
        of = profile_by_hand(whose, [event for event, _ in drawn], never)
        mine = [
            (event.ms, value, str(id_))
            for (event, value), id_ in zip(drawn, ids, strict=True)
            if not event.rejected and owner_by_hand(event, never) in of
        ]
        mine.sort(key=lambda each: each[2])
        mine.sort(key=lambda each: (each[0], each[1]), reverse=True)
        found = history(measures, workspace, slug, Filters(identity=whose), limit)
        assert [(each.since, bytes(each.value).decode(), each.event_id) for each in found] == [
            (to_iso(ms), value, id_) for ms, value, id_ in mine
        ]
        if mine:
            assert measures.state(workspace, slug, whose) == found[0]
        else:
            with pytest.raises(NotFoundError):
                measures.state(workspace, slug, whose)


# --- one by one ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", PERIODS)
def test_the_store_counts_periods_as_the_rules_do(desk: Desk, period: Period) -> None:
    """At the edges of many periods, over all years that a date can have; in pages, too."""
    workspace, random = desk.workspace(), Random(7)
    slug = desk.metric(workspace, "count", period, None)
    years = [1, 4, 100, 1600, 1899, 1900, 1968, 1969, 1970, 1999, 2000, 2023, 2024, 2026, 2100, 2400, 9999]
    days = [(year, month, day) for year in years for month in (1, 2, 3, 12) for day in (1, 2, 28)]
    starts = [(datetime(*day, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1) for day in days]
    times = [start + random.choice((-1, 0, 1, 86_400_000)) for start in starts if start > starts[0]]
    times += [random.randrange(starts[0], starts[-1]) for _ in range(100)]
    for place in range(0, len(times), 100):
        desk.parts.send(workspace, *[Sent(ms, (ACCOUNT,), slug) for ms in times[place : place + 100]])
    desk.parts.drain()
    counted = Counter(period_start(period, ms) for ms in times)
    wanted = [(to_iso(start), str(count)) for start, count in sorted(counted.items())]
    for limit in (1000, 7):
        assert walked(desk.measures(), workspace, slug, Filters(), limit) == wanted


def test_a_sum_is_exact_where_floats_are_not(desk: Desk) -> None:
    workspace = desk.workspace()
    slug = desk.metric(workspace, "sum", "month")
    desk.parts.send(workspace, *[Sent(1, (ACCOUNT,), slug, value="999999999999999.999999999")] * 90)
    desk.parts.send(workspace, *[Sent(1, (ACCOUNT,), slug, value="0.1")] * 3)
    desk.parts.drain()
    assert walked(desk.measures(), workspace, slug, Filters(), 10) == [
        ("1970-01-01T00:00:00.000Z", "90000000000000000.29999991")
    ]


def test_a_count_needs_no_value(desk: Desk) -> None:
    workspace = desk.workspace()
    slug = desk.metric(workspace, "count", "day", None)
    desk.parts.send(workspace, *[Sent(86_400_000 * day, (ACCOUNT,), slug) for day in (0, 1, 1, -1)])
    desk.parts.drain()
    assert [text for _, text in walked(desk.measures(), workspace, slug, Filters(), 10)] == ["1", "1", "2"]


def test_the_definition_of_now_says_how_values_are_put_together(desk: Desk) -> None:
    """The values stay what they were; a count of events without a value is no sum."""
    workspace = desk.workspace()
    slug = desk.metric(workspace, "sum", "day")
    desk.parts.send(workspace, Sent(0, (ACCOUNT,), slug, value="3"), Sent(3_600_000, (ACCOUNT,), slug, value="4"))
    desk.parts.send(workspace, Sent(0, (ACCOUNT,), slug))
    desk.parts.drain()
    measures = desk.measures()
    assert [text for _, text in walked(measures, workspace, slug, Filters(), 10)] == ["7"]
    for aggregation, told in (("max", ["3", "4"]), ("avg", ["3.0", "4.0"]), ("count", ["2", "1"])):
        changes = SignalChanges(aggregation=aggregation, period="hour")  # type: ignore[arg-type]
        desk.catalog.update_signal(ME, workspace, slug, changes)
        assert [text for _, text in walked(measures, workspace, slug, Filters(), 10)] == told


def test_an_unmerge_gives_every_profile_its_own_back(desk: Desk) -> None:
    """What came before the merge, and after the unmerge; the event that merged belongs to nobody."""
    workspace = desk.workspace()
    slug, state = desk.metric(workspace, "sum", "day"), desk.state(workspace)
    desk.parts.send(workspace, Sent(0, (ADA,), slug, value="1"), Sent(0, (BOB,), slug, value="10"))
    desk.parts.send(workspace, Sent(0, (ADA,), state, value='"old"'), Sent(9, (BOB,), state, value='"new"'))
    desk.parts.drain()
    before = _both(desk.measures(), workspace, slug, state)
    assert before == [("1", '"old"'), ("10", '"new"')]
    desk.parts.send(workspace, Sent(0, (BOB, ADA), slug, value="100"), Sent(99, (BOB, ADA), state, value='"odd"'))
    desk.parts.drain()
    people = People(desk.parts.state)
    assert _both(desk.measures(people), workspace, slug, state) == [("111", '"odd"')] * 2
    people.unmerge(workspace, ADA, now_ms() + 1)
    assert _both(desk.measures(people), workspace, slug, state) == before
    everybody = walked(desk.measures(people), workspace, slug, Filters(), 10)
    assert [text for _, text in everybody] == ["111"], "the whole is what it was"


def _both(measures: Measures, workspace: str, slug: str, state: str) -> list[tuple[str, str]]:
    return [
        (
            walked(measures, workspace, slug, Filters(identity=whose), 10)[0][1],
            bytes(measures.state(workspace, state, whose).value).decode(),
        )
        for whose in (ADA, BOB)
    ]


def test_workspaces_see_nothing_of_each_other(desk: Desk) -> None:
    one, two = desk.workspace(), desk.workspace()
    for workspace in (one, two):
        desk.metric(workspace, "sum", "day")
        desk.state(workspace)
    desk.parts.send(one, Sent(0, (ACCOUNT,), "sum-day", value="1"), Sent(0, (ACCOUNT,), "score", value="1"))
    desk.parts.drain()
    measures = desk.measures()
    assert walked(measures, two, "sum-day", Filters(), 10) == []
    with pytest.raises(NotFoundError):
        measures.state(two, "score", ACCOUNT)
    assert measures.state(one, "score", ACCOUNT).value == msgspec.Raw(b"1")


def test_a_signal_that_is_none_of_the_kind_is_not_found(desk: Desk) -> None:
    workspace = desk.workspace()
    metric, state = desk.metric(workspace, "sum", "day"), desk.state(workspace)
    measures = desk.measures()
    for slug in ("nothing", state):
        with pytest.raises(NotFoundError):
            measures.metrics(workspace, slug, Filters(), 10)
    for slug in ("nothing", metric):
        with pytest.raises(NotFoundError):
            measures.state(workspace, slug, ADA)
    desk.catalog.archive_signal(ME, workspace, metric)
    with pytest.raises(NotFoundError):
        measures.metrics(workspace, metric, Filters(), 10)


@pytest.mark.parametrize("cursor", ["!", "YQ", "MTIzNDU2Nzg5MDEyMzQ1", "LS0x", "\u00e9"])
def test_a_cursor_that_is_none_is_refused(desk: Desk, cursor: str) -> None:
    workspace = desk.workspace()
    with pytest.raises(InvalidError):
        desk.measures().metrics(workspace, desk.metric(workspace, "sum", "day"), Filters(), 10, cursor)
