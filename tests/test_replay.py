"""Replays over real parts: what passes is taken once, under its own id, by whomever and however often it is asked."""

import asyncio
import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from headwater.catalog.base import NewSignal, SignalChanges
from headwater.clock import MINUTE_MS, now_ms
from headwater.errors import LogUnavailableError, UnavailableError
from headwater.events import Lane
from headwater.outcomes import Reason, Status
from headwater.replay import FRESH, Order
from headwater.rules.filters import Filters, Place, place_of
from headwater.rules.refused import PAGE_EVENTS, Refused
from parts import Sent
from replaying import ALL, Replaying, replaying

REALTIME, MIGRATION = Lane.REALTIME, Lane.MIGRATION
BAD = Reason.SCHEMA_VIOLATION
VISIT = NewSignal(name="visit", type="event", rate_limit=1)
CALLS = NewSignal(name="calls", type="metric", aggregation="sum", period="day", value="n")
MOST = {"type": "object", "properties": {"n": {"type": "number", "maximum": 5}}}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replaying]:
    with replaying(tmp_path_factory.mktemp("replaying")) as made:
        yield made


def visit(n: Any, ago_ms: int = 0, reason: str = BAD, signal: str = "visit", **more: Any) -> Sent:
    return Sent(now_ms() - ago_ms, signal=signal, data={"n": n, "x": 1e20}, reason=reason, **more)


def statuses(here: Replaying, workspace: str) -> dict[str, str]:
    """By id; each once."""
    found = here.parts.insight.events(workspace, Filters(), 1_000).data
    exported = [
        msgspec.json.decode(line) for line in b"".join(here.parts.insight.export(workspace, Filters())).splitlines()
    ]
    assert sorted(event.id for event in found) == sorted(event["id"] for event in exported)
    assert len({event.id for event in found}) == len(found)
    return {event.id: event.status for event in found}


def test_what_passes_now_is_taken_under_its_own_id(here: Replaying) -> None:
    workspace = here.workspace(VISIT)
    here.catalog.add_version("test", workspace, "visit", MOST)
    _, ids = here.parts.send(workspace, *(visit(n) for n in range(8)), visit(0, reason=""), dialect="bigmind")
    here.parts.drain()
    (dry,) = here.run(workspace, dry_run=True)
    assert (dry.matched, dry.would_pass, dry.replayed) == (8, 6, 0)
    (failing,) = dry.failing
    assert (failing.reason, failing.signal, failing.events) == (BAD, "visit", 2)
    assert failing.sample == str(ids[6]) and failing.detail == "data.n must be at most 5" and failing.hint
    assert len(statuses(here, workspace)) == 9
    (wet,) = here.run(workspace)
    assert (wet.matched, wet.would_pass, wet.replayed, wet.already) == (8, 6, 6, 0)
    assert wet.lanes == {REALTIME: 6, MIGRATION: 0}
    assert statuses(here, workspace)[str(ids[0])] == Status.REJECTED, "until it is stored"
    assert sum(lag.events for lag in here.parts.tail.backlogs_of(workspace)) == 6
    here.parts.drain()
    found = statuses(here, workspace)
    assert [found[str(id_)] for id_ in ids] == ["processed"] * 6 + ["rejected"] * 2 + ["processed"]
    event = here.parts.insight.event(workspace, ids[0])
    assert event.schema_version == 1 and event.signal_id == here.catalog.signals_of(workspace)["visit"].id
    assert bytes(event.data) == b'{"n":0,"x":1e20}' and event.reason is None and event.profile_id
    assert here.rejected.summary(workspace, ALL).events == 2


def test_a_second_one_finds_nothing_to_do(here: Replaying) -> None:
    workspace = here.workspace(VISIT)
    here.parts.send(workspace, *(visit(n) for n in range(3)), dialect="bigmind")
    here.parts.drain()
    assert here.run(workspace)[0].replayed == 3
    assert here.run(workspace)[0].matched == 0, "what waits to be stored is not looked at"
    here.parts.drain()
    assert here.run(workspace)[0].matched == 0
    assert [len(rows) for rows in here.rows(workspace).values()] == [2, 2, 2]


def test_candidates_of_another_gateway_are_known_from_its_claims(here: Replaying) -> None:
    """The engine handed them out twice before the first of the two replays came through."""
    workspace = here.workspace(VISIT)
    here.parts.send(workspace, *(visit(n) for n in range(3)), dialect="bigmind")
    here.parts.drain()
    page = here.rejected.candidates(workspace, ALL)

    async def stale(after: Place, most: int) -> Any:
        return page

    async def late() -> Any:
        with here.replay() as replay:  # after a restart: all it knows is in the log
            return await replay.run(Order(workspace=workspace, which=ALL), stale)

    assert here.run(workspace)[0].replayed == 3
    outcome = asyncio.run(late())
    assert (outcome.would_pass, outcome.replayed, outcome.already) == (3, 0, 3)
    here.parts.drain()
    assert asyncio.run(late()).already == 3
    assert [len(rows) for rows in here.rows(workspace).values()] == [2, 2, 2]


def test_the_lane_that_is_asked_for_or_the_one_that_takes_it(here: Replaying) -> None:
    workspace = here.workspace(VISIT)
    old, now, ahead = visit(0, 300 * MINUTE_MS), visit(1), visit(2, -60 * MINUTE_MS)
    _, ids = here.parts.send(workspace, old, now, ahead, dialect="bigmind")
    here.parts.drain()
    (outcome,) = here.run(workspace, lane=REALTIME, dry_run=True)
    assert {(each.reason, each.sample) for each in outcome.failing} == {
        (Reason.OUTSIDE_REALTIME_WINDOW, str(ids[0])),
        (Reason.TIMESTAMP_IN_FUTURE, str(ids[2])),
    }
    assert here.run(workspace, lane=MIGRATION, dry_run=True)[0].lanes == {REALTIME: 0, MIGRATION: 3}
    assert here.run(workspace)[0].lanes == {REALTIME: 1, MIGRATION: 2}
    here.parts.drain()
    lanes = [here.parts.insight.event(workspace, id_).lane for id_ in ids]
    assert lanes == [MIGRATION, REALTIME, MIGRATION]
    for lane, count in ((REALTIME, 1), (MIGRATION, 2)):
        assert len(here.parts.insight.events(workspace, Filters(lane=lane)).data) == count


def test_why_the_others_do_not_pass(here: Replaying) -> None:
    workspace = here.workspace(VISIT, CALLS)
    sent = [visit(0, signal="gone"), visit("x", signal="calls"), visit(2, signal="calls"), visit(0)]
    _, ids = here.parts.send(workspace, *sent, dialect="bigmind")
    here.parts.drain()
    here.catalog.update_signal("test", workspace, "visit", SignalChanges(active=False))
    (outcome,) = here.run(workspace)
    assert {(each.reason, each.signal) for each in outcome.failing} == {
        ("unknown_signal", "gone"),
        ("unknown_signal", "visit"),
        (Reason.METRIC_VALUE_MISSING, "calls"),
    }
    here.parts.drain()
    (row,) = here.parts.store.rows("trace", {"workspace": workspace, "ids": [str(ids[2])]})[1:]
    assert (row["value"], row["reason"], row["replayed_ms"] > 0) == ("2", "", True)


def test_events_of_an_archived_draft_count_for_the_signal_that_is_called_so_now(here: Replaying) -> None:
    workspace = here.workspace()
    draft = NewSignal(name="signup", slug="signup", type="event", rate_limit=None, draft=True)
    here.catalog.ensure_signals(workspace, [draft])
    _, (id_,) = here.parts.send(workspace, visit(0, reason=Reason.SIGNAL_DRAFT, signal="signup"), dialect="segment")
    here.parts.drain()
    here.catalog.archive_signal("test", workspace, "signup")
    signal = here.catalog.create_signal("test", workspace, NewSignal(name="signup", slug="signed-up", type="event"))
    assert here.run(workspace)[0].replayed == 1
    here.parts.drain()
    event = here.parts.insight.event(workspace, id_)
    assert (event.signal, event.signal_id, event.status) == ("signed-up", signal.id, Status.PROCESSED)
    assert [each.id for each in here.parts.insight.events(workspace, Filters(signal="signed-up")).data] == [str(id_)]
    assert not here.parts.insight.events(workspace, Filters(signal="signup")).data


def test_a_signal_that_refuses_what_does_not_fit(here: Replaying) -> None:
    strict = NewSignal(name="strict", type="event", enforcement="reject", schema=MOST)
    workspace = here.workspace(strict)
    here.parts.send(workspace, visit(9, signal="strict"), visit(1, signal="strict"), dialect="bik")
    here.parts.drain()
    (outcome,) = here.run(workspace)
    assert (outcome.replayed, [each.reason for each in outcome.failing]) == (1, [BAD])


def test_filters_limits_and_going_on(here: Replaying) -> None:
    workspace = here.workspace(VISIT)
    _, ids = here.parts.send(workspace, *(visit(n) for n in range(9)), visit(9, reason="outside_realtime_window"))
    here.parts.drain()
    only = Refused(ids=(str(ids[3]), str(ids[4])))
    assert here.run(workspace, which=only, dry_run=True)[0].matched == 2
    assert here.run(workspace, which=Refused(reason=BAD), dry_run=True)[0].matched == 9
    assert here.run(workspace, which=Refused(signal="other"), dry_run=True)[0].matched == 0
    (first,) = here.run(workspace, most=4)
    assert (first.matched, first.replayed) == (4, 4) and first.next
    (second,) = here.run(workspace, most=6, after=place_of(first.next))
    assert (second.matched, second.replayed, second.next) == (6, 6, None)
    here.parts.drain()
    assert set(statuses(here, workspace).values()) == {"processed"}


def test_many_pages(here: Replaying, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = here.workspace(VISIT)
    for _ in range(7):
        here.parts.send(workspace, *(visit(n) for n in range(50)))
    here.parts.drain()
    monkeypatch.setattr("headwater.rejected.PAGE_BYTES", 30 * 18)  # bytes of data
    ticks = itertools.count(0.0, 0.6 * FRESH)  # every page is broken off after its first wave
    monkeypatch.setattr("headwater.replay.time", SimpleNamespace(monotonic=lambda: next(ticks)))
    monkeypatch.setattr("headwater.replay.WAVE", 1)
    before = here.pages
    assert here.run(workspace)[0].replayed == 350
    assert here.pages - before > 10
    here.parts.drain()
    assert set(statuses(here, workspace).values()) == {"processed"}
    assert PAGE_EVENTS > 350


def test_a_failing_log_is_told_and_the_rest_is_taken_the_next_time(here: Replaying) -> None:
    workspace = here.workspace(VISIT)
    for _ in range(3):
        here.parts.send(workspace, *(visit(n) for n in range(60)))
    here.parts.drain()

    class Failing:
        """The log, but every second batch fails."""

        count = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(here.parts.appender, name)

        def append(self, batch: Any) -> Any:
            self.count += 1
            if self.count % 2:
                return here.parts.appender.append(batch)
            raise LogUnavailableError("no")

    async def failing() -> None:
        with here.replay(Failing()) as replay, pytest.raises(LogUnavailableError):
            await replay.run(Order(workspace=workspace, which=ALL), here.source(workspace))

    asyncio.run(failing())
    done = sum(lag.events for lag in here.parts.tail.backlogs_of(workspace))
    assert 0 < done < 180
    assert here.run(workspace)[0].replayed == 180 - done
    here.parts.drain()
    assert set(statuses(here, workspace).values()) == {"processed"}
    assert {len(rows) for rows in here.rows(workspace).values()} == {2}


def test_candidates_that_are_old_when_they_come_are_not_taken(here: Replaying, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have been erased since they were read, and the erasure be past looking for them."""
    workspace = here.workspace(VISIT)
    here.parts.send(workspace, *(visit(n) for n in range(3)), dialect="bigmind")
    here.parts.drain()
    in_time = here.source(workspace)

    async def too_slow(after: Place, most: int) -> Any:
        page = await in_time(after, most)
        await asyncio.sleep(60)
        return page

    async def asked(source: Any) -> None:
        with here.replay() as replay, pytest.raises(UnavailableError, match="too long"):
            await replay.run(Order(workspace=workspace, which=ALL), source)

    ticks = itertools.count(0.0, 1.1 * FRESH)
    with monkeypatch.context() as patched:
        patched.setattr("headwater.replay.time", SimpleNamespace(monotonic=lambda: next(ticks)))
        asyncio.run(asked(in_time))
    with monkeypatch.context() as patched:
        patched.setattr("headwater.replay.FRESH", 0.2)
        asyncio.run(asked(too_slow))
    assert sum(lag.events for lag in here.parts.tail.backlogs_of(workspace)) == 0
    assert here.run(workspace)[0].replayed == 3


def test_a_long_replay_lets_others_through(here: Replaying, monkeypatch: pytest.MonkeyPatch) -> None:
    """And who does not come to a turn is told so, in time."""
    workspace = here.workspace(VISIT)
    here.parts.send(workspace, visit(0), dialect="bigmind")
    here.parts.drain()
    monkeypatch.setattr("headwater.replay.TURN_SECONDS", 0.3)
    other = Order(workspace=here.workspace(VISIT), which=ALL)
    page = here.rejected.candidates(workspace, ALL)
    endless = structs.replace(page, next=page.data[0].place)

    async def pages(after: Place, most: int) -> Any:
        await asyncio.sleep(0.01)
        return endless

    async def stuck(after: Place, most: int) -> Any:
        await asyncio.sleep(10)

    async def beside(source: Any) -> Any:
        with here.replay() as replay:
            order = Order(workspace=workspace, which=ALL, dry_run=True)
            long = [asyncio.ensure_future(replay.run(order, source)) for _ in range(3)]
            await asyncio.sleep(0.1)
            try:
                return await replay.run(other, here.source(other.workspace))
            finally:
                for each in long:
                    each.cancel()
                await asyncio.gather(*long, return_exceptions=True)

    assert asyncio.run(beside(pages)).matched == 0
    with pytest.raises(UnavailableError, match="too many"):
        asyncio.run(beside(stuck))


def test_an_engine_that_does_not_answer(here: Replaying) -> None:
    workspace = here.workspace(VISIT)

    async def away(after: Place, most: int) -> Any:
        raise UnavailableError("the engine does not answer")

    async def asked() -> None:
        with here.replay() as replay, pytest.raises(UnavailableError):
            await replay.run(Order(workspace=workspace, which=ALL), away)

    asyncio.run(asked())


def test_what_a_block_that_is_not_committed_holds_waits(here: Replaying) -> None:
    workspace = here.workspace(VISIT)
    here.parts.send(workspace, visit(0))
    seen: list[int] = []
    here.parts.at("inserted", lambda: seen.append(len(here.rejected.candidates(workspace, ALL).data)))
    assert seen == [0]
    assert len(here.rejected.candidates(workspace, ALL).data) == 1
    here.run(workspace)
    here.parts.at("inserted", lambda: seen.append(len(here.rejected.candidates(workspace, ALL).data)))
    assert seen == [0, 0] and not here.rejected.candidates(workspace, ALL).data


def test_what_was_reverted_is_left_alone(here: Replaying) -> None:
    workspace = here.workspace(VISIT)
    kept, gone = (here.catalog.create_backfill("test", workspace, name) for name in ("kept", "gone"))
    here.parts.send(workspace, visit(0, backfill=kept.id), visit(1, backfill=gone.id), visit(2))
    here.parts.drain()
    assert here.rejected.summary(workspace, ALL).events == 3
    here.catalog.revert_backfill("test", workspace, gone.id)
    assert here.rejected.summary(workspace, ALL).events == 2
    assert len(here.rejected.page(workspace, ALL).data) == 2
    assert here.run(workspace, which=Refused(backfill=gone.id))[0].matched == 0
    assert here.run(workspace, which=Refused(backfill=kept.id))[0].replayed == 1
    here.parts.drain()
    (event,) = here.parts.insight.events(workspace, Filters(status=Status.PROCESSED)).data
    assert event.backfill_id == kept.id


def test_another_workspace_sees_and_replays_nothing(here: Replaying) -> None:
    workspace, other = here.workspace(VISIT), here.workspace(VISIT)
    _, (id_,) = here.parts.send(workspace, visit(0))
    here.parts.drain()
    assert here.rejected.page(other, ALL).data == []
    assert here.run(other, which=Refused(ids=(str(id_),)))[0].matched == 0
    assert here.rejected.summary(workspace, ALL).events == 1


# --- any history ---------------------------------------------------------------------------------------------------

EVENT = st.tuples(
    st.sampled_from(["visit", "calls"]),
    st.sampled_from([0, 3, 7, "x", None]),
    st.sampled_from([0, 90 * MINUTE_MS, 300 * MINUTE_MS, -90 * MINUTE_MS]),
    st.sampled_from(["", BAD, Reason.OUTSIDE_REALTIME_WINDOW]),
    st.sampled_from(Lane),
)
REPLAYS = st.tuples(
    st.integers(1, 3), st.sampled_from([None, *Lane]), st.sampled_from([None, BAD]), st.booleans(), st.booleans()
)


def passes(signal: str, n: Any, ago_ms: int, lane: Lane | None, has_schema: bool) -> bool:
    is_number = isinstance(n, int)
    if has_schema and signal == "visit" and not (is_number and n <= 5):
        return False
    if signal == "calls" and not is_number:
        return False
    return lane is not REALTIME or -30 * MINUTE_MS <= ago_ms <= 120 * MINUTE_MS


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(EVENT, min_size=1, max_size=6), min_size=1, max_size=5), st.lists(REPLAYS, max_size=4))
def test_whatever_was_rejected_is_stored_once_when_it_passes(here: Replaying, batches: Any, replays: Any) -> None:
    workspace, has_schema = here.workspace(VISIT, CALLS), False
    rejected: dict[str, Any] = {}
    everything: set[str] = set()
    for batch in batches:
        sent = [visit(n, ago, why, signal, lane=lane) for signal, n, ago, why, lane in batch]
        _, ids = here.parts.send(workspace, *sent, dialect="bigmind")
        everything |= {str(id_) for id_ in ids}
        rejected |= {str(id_): each for id_, each in zip(ids, batch, strict=True) if each[3]}
    here.parts.drain()
    for times, lane, reason, drains, publishes in replays:
        if publishes and not has_schema:
            here.catalog.add_version("test", workspace, "visit", MOST)
            has_schema = True
        fitting = {id_: each for id_, each in rejected.items() if reason in (None, each[3])}
        passing = {id_ for id_, (signal, n, ago, *_) in fitting.items() if passes(signal, n, ago, lane, has_schema)}
        (dry,) = here.run(workspace, which=Refused(reason=reason), lane=lane, dry_run=True)
        assert (dry.matched, dry.would_pass) == (len(fitting), len(passing))
        outcomes = here.run(workspace, times, Refused(reason=reason), lane=lane)
        assert sum(outcome.replayed for outcome in outcomes) == len(passing)
        assert all(each.replayed + each.already == each.would_pass for each in outcomes)
        rejected = {id_: each for id_, each in rejected.items() if id_ not in passing}
        if drains:
            here.parts.drain()
    here.parts.drain()
    found = statuses(here, workspace)
    assert found == {id_: "rejected" if id_ in rejected else "processed" for id_ in everything}
    for rows in here.rows(workspace).values():
        assert [bool(replayed) for _, _, replayed in rows] == [False, True][: len(rows)]
        assert len(rows) == 1 or (rows[0][1] and not rows[1][1])
    assert {each.id for each in here.rejected.page(workspace, ALL, 1_000).data} == set(rejected)
