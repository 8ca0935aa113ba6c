"""Questions over real parts: stored events, pending ones, and ones that are both."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from headwater.clock import now_ms, to_iso
from headwater.errors import InvalidError, NotFoundError
from headwater.events import Lane, new_batch_id
from headwater.insight import Insight
from headwater.outcomes import Status
from headwater.rules.answers import EventAnswer
from headwater.rules.filters import TOP, Filters, place_of
from headwater.rules.profile import profile_id
from parts import ADA, SEGMENT_BYTES, Parts, Sent, new_workspace, running_parts

REALTIME, MIGRATION = Lane.REALTIME, Lane.MIGRATION
BOB = ("email:bob@example.com", "phone:+19494572000")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    with running_parts(tmp_path_factory.mktemp("parts")) as parts:
        yield parts


@pytest.fixture
def insight(parts: Parts) -> Insight:
    return parts.insight


@pytest.fixture
def workspace() -> str:
    return new_workspace()


def walk(insight: Insight, workspace: str, filters: Filters = Filters(), limit: int = 100) -> list[EventAnswer]:  # noqa: B008
    """All pages."""
    found: list[EventAnswer] = []
    after = TOP
    while True:
        page = insight.events(workspace, filters, limit, after)
        found += page.data
        assert page.next is None or len(page.data) == limit
        if page.next is None:
            return found
        after = place_of(page.next)


def exported(insight: Insight, workspace: str, filters: Filters = Filters()) -> list[dict[str, Any]]:  # noqa: B008
    pieces = b"".join(insight.export(workspace, filters))
    assert not pieces or pieces.endswith(b"\n")
    return msgspec.json.Decoder(dict[str, Any]).decode_lines(pieces)


def plain(answer: msgspec.Struct) -> Any:
    """What a client reads."""
    return msgspec.json.decode(msgspec.json.encode(answer))


def ids(answers: Iterable[EventAnswer]) -> list[str]:
    return [answer.id for answer in answers]


# --- one event -----------------------------------------------------------------------------------------------------


def test_an_event_is_pending_then_processed_and_else_the_same(parts: Parts, insight: Insight, workspace: str) -> None:
    event = Sent(1_700_000_000_123, BOB, name="Bob", data={"a": [1, {"b": 'x"\n\u2028/é'}]}, reference="r-1", version=7)
    _, (id_,) = parts.send(workspace, event, received_ms=1_790_000_000_456, dialect="bigmind")
    pending = plain(insight.event(workspace, id_))
    assert pending == {
        "id": str(id_),
        "signal": "ordered",
        "signal_id": "sig_AAAAAAAA",
        "schema_version": 7,
        "dialect": "bigmind",
        "identities": [{"type": "email", "id": "bob@example.com"}, {"type": "phone", "id": "+19494572000"}],
        "profile_id": profile_id(workspace, BOB),
        "name": "Bob",
        "occurred_at": "2023-11-14T22:13:20.123Z",
        "received_at": to_iso(1_790_000_000_456),
        "lane": "realtime",
        "status": "pending",
        "reason": None,
        "detail": None,
        "data": event.data,
        "reference": "r-1",
        "backfill_id": None,
    }
    parts.drain()
    assert plain(insight.event(workspace, id_)) == pending | {"status": "processed"}


def test_a_rejected_event_is_pending_until_its_rejection_is_stored(
    parts: Parts, insight: Insight, workspace: str
) -> None:
    _, (id_,) = parts.send(workspace, Sent(5, reason="schema_violation"))
    pending = insight.event(workspace, id_)
    assert (pending.status, pending.reason, pending.detail) == (Status.PENDING, None, None)
    assert pending.profile_id == profile_id(workspace, ADA)
    parts.drain()
    rejected = insight.event(workspace, id_)
    assert (rejected.status, rejected.reason, rejected.detail) == ("rejected", "schema_violation", "what was wrong")
    assert rejected.profile_id is None


def test_an_event_stored_and_not_committed_is_processed(parts: Parts, insight: Insight, workspace: str) -> None:
    batch, (id_,) = parts.send(workspace, Sent(5))
    seen: list[Any] = []

    def look() -> None:
        seen.append(insight.event(workspace, id_).status)
        seen.append([event.status for event in insight.batch(workspace, batch).data])
        seen.append([event.status for event in insight.events(workspace, Filters()).data])
        seen.append(insight.events(workspace, Filters(status=Status.PENDING)).data)
        seen.append([event["status"] for event in exported(insight, workspace)])
        seen.append(exported(insight, workspace, Filters(status=Status.PENDING)))
        seen.append([event["status"] for event in exported(insight, workspace, Filters(status=Status.PROCESSED))])

    parts.at("inserted", look)
    assert seen == ["processed", ["processed"], ["processed"], [], ["processed"], [], ["processed"]]


@pytest.mark.parametrize(
    "made",
    [
        lambda id_: UUID(int=id_.int ^ 1 << 40),
        lambda id_: UUID(int=id_.int - 1),
        lambda id_: UUID(int=id_.int + 1),
        lambda id_: UUID(int=id_.int | 0xFF),
        lambda id_: UUID("7871725b-d50d-4cac-ae89-c4c1617767fc"),
        lambda id_: UUID(int=0),
        lambda id_: UUID(int=(1 << 128) - 1),
        lambda id_: UUID("ffffffff-ffff-7fff-bfff-ffffffffff01"),
        lambda id_: UUID("00000000-0000-7000-8000-000000000001"),
    ],
)
def test_unknown_ids_are_not_found(
    parts: Parts, insight: Insight, workspace: str, made: Callable[[UUID], UUID]
) -> None:
    batch, (id_,) = parts.send(workspace, Sent(5))
    for _ in ("pending", "stored"):
        with pytest.raises(NotFoundError):
            insight.event(workspace, made(id_))
        if made(id_) != batch:
            with pytest.raises(NotFoundError):
                insight.batch(workspace, made(id_))
        parts.drain()


# --- batches -------------------------------------------------------------------------------------------------------


def test_a_batch_lists_its_events_in_order_wherever_they_lie(parts: Parts, insight: Insight, workspace: str) -> None:
    events = [Sent(n, lane=MIGRATION if n % 3 == 0 else REALTIME) for n in range(100)]
    batch, sent = parts.send(workspace, *events)
    expected = [str(id_) for id_ in sent]

    def check() -> None:
        page = insight.batch(workspace, batch)
        assert ids(page.data) == expected
        assert page.next is None

    check()
    parts.at("committed", check)
    check()


def test_two_workspaces_see_nothing_of_each_other(parts: Parts, insight: Insight, workspace: str) -> None:
    other = new_workspace()
    batch, (id_,) = parts.send(workspace, Sent(5, BOB))
    for _ in ("pending", "stored"):
        for ask in (
            lambda: insight.event(other, id_),
            lambda: insight.batch(other, batch),
            lambda: parts.profiles.profile(other, "email:bob@example.com"),
        ):
            with pytest.raises(NotFoundError):
                ask()
        assert not insight.events(other, Filters()).data
        assert exported(insight, other) == []
        parts.drain()
    assert parts.profiles.profile(workspace, "email:bob@example.com").events == 1


# --- pages and exports: a model ------------------------------------------------------------------------------------

IDENTITIES = (ADA, BOB, ("account:42",), ("account:\"\\\t\n'é:?{x}",), BOB[:1])
SIGNALS = ("ordered", "addToCart")
REFERENCES = ("r-1", 'a "b" / é\'{x}\n')
BACKFILLS = ("bf_00000001", "bf_00000002")
EVENTS = st.builds(
    Sent,
    occurred_ms=st.integers(0, 4) | st.sampled_from([-62_135_596_800_000, 253_402_300_799_999]),
    identities=st.sampled_from(IDENTITIES),
    signal=st.sampled_from(SIGNALS),
    lane=st.sampled_from(Lane),
    reason=st.sampled_from(["", "", "schema_violation"]),
    name=st.none() | st.just("Ada"),
    data=st.just({"n": 1}),
    reference=st.none() | st.sampled_from(REFERENCES),
    backfill=st.sampled_from(["", *BACKFILLS]),
    version=st.none() | st.integers(1, 3),
)
BATCHES = st.lists(st.lists(EVENTS, min_size=1, max_size=12), max_size=5)
FILTERS = st.builds(
    Filters,
    identity=st.none() | st.sampled_from([identity for some in IDENTITIES for identity in some]),
    signal=st.none() | st.sampled_from(SIGNALS),
    status=st.none() | st.sampled_from([Status.PENDING, Status.PROCESSED, Status.REJECTED]),
    lane=st.none() | st.sampled_from(Lane),
    reference=st.none() | st.sampled_from(REFERENCES),
    backfill=st.none() | st.sampled_from(BACKFILLS),
    from_ms=st.just(Filters().from_ms) | st.integers(0, 5),
    to_ms=st.just(Filters().to_ms) | st.integers(0, 5),
)
ASKED = st.lists(st.tuples(FILTERS, st.integers(1, 9)), min_size=1, max_size=4)


def fits(filters: Filters, event: Sent) -> bool:
    return (
        filters.from_ms <= event.occurred_ms < filters.to_ms
        and (filters.signal is None or filters.signal == event.signal)
        and (filters.identity is None or filters.identity in event.identities)
        and (filters.reference is None or filters.reference == event.reference)
        and (filters.backfill is None or filters.backfill == event.backfill)
    )


class Known(NamedTuple):
    event: Sent
    id: str


class Model:
    """Everything sent, in a list, and which of it is stored."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.workspace = new_workspace()
        self.known: list[Known] = []

    def send(self, batches: Iterable[list[Sent]]) -> None:
        for events in batches:
            _, sent = self.parts.send(self.workspace, *events)
            self.known += [Known(event, str(id_)) for event, id_ in zip(events, sent, strict=True)]

    def statuses(self) -> dict[str, Status]:
        """What the store has by now, counted by its rows alone."""
        everything = {"workspace": self.workspace, "ids": [known.id for known in self.known]}
        everything |= {"reverted": [], "held": []}
        stored = {row["event_id"]: Status(row["status"]) for row in self.parts.store.rows("events", everything)}
        return {known.id: stored.get(known.id, Status.PENDING) for known in self.known}

    def expected(self, filters: Filters) -> list[tuple[str, Status]]:
        statuses = self.statuses()
        fit = [
            known
            for known in self.known
            if fits(filters, known.event)
            and known.event.lane in filters.lanes
            and filters.status in (None, statuses[known.id])
        ]
        fit.sort(key=lambda known: (known.event.occurred_ms, UUID(known.id).int), reverse=True)
        return [(known.id, statuses[known.id]) for known in fit]

    def check(self, asked: list[tuple[Filters, int]]) -> None:
        insight = self.parts.insight
        for filters, limit in asked:
            expected = self.expected(filters)
            pages = walk(insight, self.workspace, filters, limit)
            assert [(event.id, event.status) for event in pages] == expected
            export = exported(insight, self.workspace, filters)
            assert sorted((event["id"], event["status"]) for event in export) == sorted(expected)


ONE_EACH = [[Sent(7)], [Sent(7, lane=MIGRATION)]]


@example(before=[], between=ONE_EACH, meanwhile=ONE_EACH[::-1], asked=[(Filters(), 1), (Filters(from_ms=7), 9)])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=BATCHES, between=BATCHES, meanwhile=BATCHES, asked=ASKED)
def test_pages_and_exports_equal_a_sorted_list(
    parts: Parts,
    before: list[list[Sent]],
    between: list[list[Sent]],
    meanwhile: list[list[Sent]],
    asked: list[tuple[Filters, int]],
) -> None:
    parts.drain()
    model = Model(parts)
    model.send(before)
    parts.drain()
    model.send(between)
    model.check(asked)

    def check() -> None:
        model.send(meanwhile)
        model.check(asked)

    if between:
        parts.at("inserted", check)
    model.check(asked)
    parts.drain()
    model.check(asked)


def test_an_export_misses_nothing_and_doubles_nothing_while_events_are_stored(
    parts: Parts, insight: Insight, workspace: str
) -> None:
    """Started before, read on while everything moves from the log to the store."""
    big = {"text": "x" * 2_000}
    sent: list[UUID] = []
    for n in range(10):
        sent += parts.send(workspace, *[Sent(n, data=big)] * 100)[1]
    parts.drain()
    for n in range(10):
        sent += parts.send(workspace, *[Sent(n, data=big, lane=Lane(("realtime", "migration")[n % 2]))] * 100)[1]
    export = insight.export(workspace, Filters())
    first = next(export)
    parts.drain()
    parts.send(workspace, Sent(99))
    rest = b"".join(export)
    events = msgspec.json.Decoder(dict[str, Any]).decode_lines(first + rest)
    assert sorted(event["id"] for event in events) == sorted(map(str, sent))


def test_an_export_finds_what_was_trimmed_from_the_log_in_the_store(
    parts: Parts, insight: Insight, workspace: str
) -> None:
    """A record that is gone when its turn comes: the log can only be trimmed behind what is stored."""
    big = {"text": "x" * 3_000}
    _, first = parts.send(workspace, *[Sent(n, data=big) for n in range(100)])
    parts.drain()
    _, both = parts.send(workspace, *[Sent(n, lane=MIGRATION if n % 2 else REALTIME) for n in range(100)])
    export = insight.export(workspace, Filters(signal="ordered"))
    piece = next(export)
    parts.drain()
    _begin_segment(parts)
    before = parts.reader.size()
    parts.reader.trim(min(cursor.position for cursor in parts.state.cursors().values()), now_ms() + 10**9)
    assert parts.reader.size() < before
    events = msgspec.json.Decoder(dict[str, Any]).decode_lines(piece + b"".join(export))
    assert [event["id"] for event in events if event["status"] == "pending"] == []
    assert sorted(event["id"] for event in events) == sorted(map(str, [*first, *both]))


def test_nothing_is_missed_or_doubled_while_the_pipeline_runs(parts: Parts, insight: Insight, workspace: str) -> None:
    """Everything asked in the very moments in which events move: what was acknowledged is always there, once."""
    stop = threading.Event()
    worker = threading.Thread(target=parts.pipeline.run, args=(stop,))
    worker.start()
    known: list[str] = []
    try:
        until = time.monotonic() + 5
        while time.monotonic() < until:
            events = [Sent(n % 7, lane=Lane(("realtime", "migration")[n % 2])) for n in range(6)]
            batch, sent = parts.send(workspace, *events)
            known += map(str, sent)
            assert ids(insight.batch(workspace, batch).data) == known[-6:]
            statuses = [insight.event(workspace, id_).status for id_ in sent]
            settled = {id_ for id_, status in zip(known[-6:], statuses, strict=True) if status == "processed"}
            waiting = {event["id"] for event in exported(insight, workspace, Filters(status=Status.PENDING))}
            waiting |= set(ids(walk(insight, workspace, Filters(status=Status.PENDING))))
            assert waiting.isdisjoint(settled)
            assert settled <= set(ids(walk(insight, workspace, Filters(status=Status.PROCESSED), 1_000)))
            assert sorted(ids(walk(insight, workspace, limit=1_000))) == sorted(known)
            assert sorted(event["id"] for event in exported(insight, workspace)) == sorted(known)
    finally:
        stop.set()
        worker.join()
    assert len(known) >= 12


def _begin_segment(parts: Parts) -> None:
    """Only whole segments can be trimmed, and only behind both cursors: this closes the one that is open."""
    noise = {"text": Random(1).randbytes(SEGMENT_BYTES // 2).hex()}
    for _ in range(2):
        parts.send(new_workspace(), Sent(1, data=noise), Sent(1, data=noise, lane=MIGRATION))
    parts.drain()


# --- filters and cursors -------------------------------------------------------------------------------------------


def test_a_page_ends_where_the_next_begins_among_equal_times(parts: Parts, insight: Insight, workspace: str) -> None:
    _, stored = parts.send(workspace, *[Sent(7)] * 50)
    parts.drain()
    _, pending = parts.send(workspace, *[Sent(7)] * 50)
    found = ids(walk(insight, workspace, limit=7))
    assert found == sorted(map(str, [*stored, *pending]), reverse=True)


@pytest.mark.parametrize("cursor", ["", "x", "ä", "AAAA", "A" * 32 + "=", "A" * 31 + "\n", "A" * 36, "A" * 31 + "+"])
def test_a_cursor_of_ones_own_making_is_invalid(cursor: str) -> None:
    with pytest.raises(InvalidError) as caught:
        place_of(cursor)
    assert caught.value.path == "cursor"


# --- profile ids ---------------------------------------------------------------------------------------------------


def test_a_pending_event_names_the_profile_it_will_belong_to(parts: Parts, insight: Insight, workspace: str) -> None:
    parts.send(workspace, Sent(1, ("email:a@x.y", "account:1")), Sent(1, ("account:2", "account:3")))
    parts.drain()
    _, (id_,) = parts.send(workspace, Sent(2, ("phone:+15550000001", "email:a@x.y", "account:3")))
    every = ["email:a@x.y", "account:1", "account:2", "account:3", "phone:+15550000001"]
    assert insight.event(workspace, id_).profile_id == profile_id(workspace, every)
    parts.drain()
    assert {event.profile_id for event in walk(insight, workspace)} == {profile_id(workspace, every)}


@pytest.mark.parametrize("times", [1, 2])
def test_a_profiles_page_holds_what_is_joined_to_it_meanwhile(
    parts: Parts, insight: Insight, workspace: str, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Whoever belongs to it is asked first; then a block is committed that makes it one with others."""
    (key,) = ADA
    sent = parts.send(workspace, Sent(1, ADA))[1]
    parts.drain()
    sent += parts.send(workspace, Sent(2, ("account:1", key)))[1]
    newest, left = parts.tail.newest, list(range(2, times + 1))

    def meanwhile(lane: Lane, whose: str) -> Any:
        parts.drain()
        if left:
            n = left.pop()
            sent.extend(parts.send(workspace, Sent(n + 1, (f"account:{n}", f"account:{n - 1}")))[1])
            parts.drain()
        return newest(lane, whose)

    listed = insight.events_of(workspace, key, Filters()).data
    assert ids(listed) == [str(each) for each in reversed(sent)], "while it is pending"
    monkeypatch.setattr(parts.tail, "newest", meanwhile)
    listed = insight.events_of(workspace, key, Filters()).data
    assert ids(listed) == [str(each) for each in reversed(sent)], "and then"


def test_an_event_belongs_to_its_first_identity_that_may_connect(
    parts: Parts, insight: Insight, workspace: str
) -> None:
    parts.people.configure(workspace, ["email:shared@x.y"], 100)
    _, (id_,) = parts.send(workspace, Sent(1, ("email:shared@x.y", "phone:+15550000001")))
    for _ in ("pending", "processed"):
        assert insight.event(workspace, id_).profile_id == profile_id(workspace, ["phone:+15550000001"])
        parts.drain()


def test_an_event_that_is_set_aside_belongs_to_no_profile(parts: Parts, insight: Insight, workspace: str) -> None:
    _, (id_, other) = parts.send(workspace, Sent(1, BOB), Sent(2, BOB[:1]))
    parts.drain()
    parts.people.unmerge(workspace, BOB[1], now_ms())
    assert insight.event(workspace, id_).profile_id is None
    assert insight.event(workspace, other).profile_id == profile_id(workspace, BOB[:1])
    assert {event["id"]: event["profile_id"] for event in exported(insight, workspace)}[str(id_)] is None


@pytest.mark.parametrize(
    "id_", ["a:b:c", "x/y?z#%20", "'; DROP TABLE events; --", "\\N\\t\\'", "[1,'2']", "ü{x:String}"]
)
def test_identities_are_never_code(parts: Parts, insight: Insight, workspace: str, id_: str) -> None:
    parts.send(workspace, Sent(5, (f"account:{id_}", "contact:1")))
    parts.drain()
    assert parts.profiles.profile(workspace, f"account:{id_}").identities[0].id == id_
    assert len(insight.events(workspace, Filters(identity=f"account:{id_}")).data) == 1


# --- pipelines -----------------------------------------------------------------------------------------------------


def test_pipelines_count_from_the_acknowledgement_to_the_outcome(
    parts: Parts, insight: Insight, workspace: str
) -> None:
    parts.drain()
    parts.send(workspace, Sent(1), Sent(2, lane=MIGRATION), Sent(3), received_ms=now_ms() - 5_000)
    parts.send(workspace, Sent(1))
    parts.send("ws_else0000", Sent(1))
    realtime, migration = insight.pipelines(workspace)
    assert (realtime.lane, realtime.events) == ("realtime", 3)
    assert (migration.lane, migration.events) == ("migration", 1)
    assert 5 <= migration.age_seconds < 60 and 5 <= realtime.age_seconds < 60
    assert realtime.bytes > migration.bytes > 0
    parts.drain()
    assert [(lane.events, lane.bytes, lane.age_seconds) for lane in insight.pipelines(workspace)] == [(0, 0, 0.0)] * 2


def test_new_batch_ids_are_known_to_nobody(insight: Insight, workspace: str) -> None:
    with pytest.raises(NotFoundError):
        insight.batch(workspace, UUID(bytes=new_batch_id(now_ms())))
