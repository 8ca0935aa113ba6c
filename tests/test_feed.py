"""The live feed over a real log, pipeline and store: what is shown, to whom, and counts that are exact."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from blocks import as_record
from headwater import feed as module
from headwater.catalog.sqlite import SqliteCatalog
from headwater.clock import now_ms
from headwater.errors import UnavailableError
from headwater.events import Lane
from headwater.feed import MOST_WATCHERS, MOST_WORKSPACES, SHOWN, Feed, Watcher
from headwater.outcomes import Status
from headwater.rules.filters import Filters
from headwater.rules.pulse import KEPT, LaneCounts, Point, Pulse
from headwater.rules.shown import LiveEvent, Tick
from headwater.tail import Backlog
from parts import ADA, Parts, Sent, batch_of, new_workspace, running_parts
from rig import Crash, crash_at

ALL = Filters()
EVA = ("email:eva@example.com", "account:42")
REALTIME, MIGRATION = Lane


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    with running_parts(tmp_path_factory.mktemp("parts")) as parts:
        yield parts


class World:
    """A feed that is told of everything, and a clock of its own."""

    def __init__(self, parts: Parts) -> None:
        parts.drain()
        self.parts = parts
        self.now = now_ms() // 1000 * 1000
        self.feed = parts.feed = Feed(parts.reader, parts.tail, parts.catalog, self.now)
        self.woken: Counter[Watcher] = Counter()

    def watch(self, workspace: str, filters: Filters = ALL) -> tuple[Watcher, list[Point]]:
        found: list[Watcher] = []
        watcher, points = self.feed.watch(workspace, filters, lambda: self.woken.update(found))
        found.append(watcher)
        return watcher, points

    def step(self, ms: int = 250) -> None:
        self.now += ms
        self.feed.step(self.now)

    def told(self, watcher: Watcher, ms: int = 250) -> Tick:
        """What is told of all that was sent."""
        self.parts.drain()
        self.step(ms)
        tick, _ = watcher.take()
        assert tick is not None and tick.shown == len(tick.events)
        return tick


@pytest.fixture
def world(parts: Parts) -> World:
    return World(parts)


def ids_of(events: list[LiveEvent]) -> list[str]:
    return [event.id for event in events]


def totals(points: list[Point]) -> dict[Lane, tuple[int, int, int]]:
    """Accepted, processed and rejected, added up."""

    def total(lane: Lane, what: str) -> int:
        return sum(getattr(point.lanes[lane], what) for point in points)

    return {lane: (total(lane, "accepted"), total(lane, "processed"), total(lane, "rejected")) for lane in Lane}


def test_events_are_shown_with_their_outcome_the_newest_first(world: World) -> None:
    workspace = new_workspace()
    watcher, _ = world.watch(workspace)
    ms = now_ms()
    _, ids = world.parts.send(
        workspace,
        Sent(ms, EVA),
        Sent(ms - 5, lane=MIGRATION),
        Sent(ms, reason="schema_violation", backfill="bf_AAAAAAAA"),
        received_ms=ms,
        dialect="bigmind",
    )
    tick = world.told(watcher)
    assert (tick.matched, tick.shown, tick.sampled) == (3, 3, False)
    assert sorted(ids_of(tick.events)) == sorted(map(str, ids))
    assert ids_of([each for each in tick.events if each.lane is REALTIME]) == [str(ids[2]), str(ids[0])]
    by_id = {event.id: event for event in tick.events}
    first, second, third = (by_id[str(each)] for each in ids)
    assert (first.status, first.reason, first.lane, first.dialect) == (Status.PROCESSED, None, REALTIME, "bigmind")
    assert [(each.type, each.id) for each in first.identities] == [("email", "eva@example.com"), ("account", "42")]
    assert first.occurred_at == first.received_at == module.clock.to_iso(ms)
    assert second.lane is MIGRATION and second.occurred_at == module.clock.to_iso(ms - 5)
    assert (third.status, third.reason, third.backfill_id) == (Status.REJECTED, "schema_violation", "bf_AAAAAAAA")
    assert world.told(watcher).events == []


def test_nothing_is_shown_before_it_is_stored(world: World) -> None:
    workspace = new_workspace()
    watcher, _ = world.watch(workspace)
    world.parts.send(workspace, Sent(now_ms()), Sent(now_ms()))
    world.step()
    tick, _ = watcher.take()
    assert tick is not None and tick.matched == 0
    assert [(lane.lane, lane.backlog) for lane in tick.lanes] == [(REALTIME, 2), (MIGRATION, 0)]
    assert tick.lanes[0].age_seconds >= 0
    assert [lane.backlog for lane in world.told(watcher).lanes] == [0, 0]


FITTING: dict[str, tuple[Filters, set[int]]] = {
    "signal": (Filters(signal="ordered"), {0, 1}),
    "rejected": (Filters(status=Status.REJECTED), {1, 3}),
    "processed": (Filters(status=Status.PROCESSED), {0, 2}),
    "pending": (Filters(status=Status.PENDING), set()),
    "lane": (Filters(lane=MIGRATION), {2, 3}),
    "identity": (Filters(identity="account:42"), {0, 3}),
    "all of them": (Filters(identity="account:42", status=Status.REJECTED, lane=MIGRATION, signal="visits"), {3}),
    "in the data only": (Filters(identity="email:no@example.com"), set()),
}


@pytest.mark.parametrize("name", FITTING)
def test_filters(world: World, name: str) -> None:
    workspace, (filters, wanted) = new_workspace(), FITTING[name]
    watcher, _ = world.watch(workspace, filters)
    ms = now_ms()
    events = [
        Sent(ms, EVA, data={"who": "email:no@example.com"}),
        Sent(ms, ADA, reason="schema_violation"),
        Sent(ms, ADA, "visits", MIGRATION),
        Sent(ms, EVA, "visits", MIGRATION, reason="schema_violation"),
    ]
    _, ids = world.parts.send(workspace, *events)
    tick = world.told(watcher)
    assert set(ids_of(tick.events)) == {str(ids[each]) for each in wanted}
    assert tick.matched == len(wanted) and not tick.sampled


def test_nobody_sees_another_workspace(world: World) -> None:
    mine, theirs = new_workspace(), new_workspace()
    watchers = [world.watch(mine, filters)[0] for filters in (ALL, Filters(signal="ordered"), Filters(lane=REALTIME))]
    world.parts.send(theirs, Sent(now_ms(), EVA), Sent(now_ms(), reason="schema_violation"))
    world.step(2000)
    for watcher in watchers:
        tick, points = watcher.take()
        assert tick is not None and (tick.matched, tick.events) == (0, [])
        assert [lane.backlog for lane in tick.lanes] == [0, 0]
        assert points and totals(points) == dict.fromkeys(Lane, (0, 0, 0))
    world.parts.drain()
    world.step(2000)
    for watcher in watchers:
        tick, points = watcher.take()
        assert tick is not None and (tick.matched, tick.events) == (0, [])
        assert totals(points) == dict.fromkeys(Lane, (0, 0, 0))
    assert totals(world.watch(mine)[1]) == dict.fromkeys(Lane, (0, 0, 0))
    assert totals(world.watch(theirs)[1])[REALTIME] == (2, 1, 1)


@pytest.mark.parametrize("seed", range(3))
def test_points_add_up_to_what_was_sent(world: World, seed: int) -> None:
    """Whenever one begins to watch: what is told at first and what comes then lack nothing, and double nothing."""
    random, workspaces = Random(seed), [new_workspace() for _ in range(3)]
    sent: Counter[tuple[str, Lane, bool]] = Counter()
    watched: dict[str, list[tuple[Watcher, list[Point]]]] = {each: [] for each in workspaces}
    for _ in range(60):
        workspace = random.choice(workspaces)
        events = [
            Sent(now_ms(), lane=random.choice(list(Lane)), reason=random.choice(["", "", "schema_violation"]))
            for _ in range(random.randint(1, 20))
        ]
        world.parts.send(workspace, *events)
        sent.update((workspace, each.lane, bool(each.reason)) for each in events)
        if random.random() < 0.5:
            world.parts.pipeline.step()
        if random.random() < 0.5:
            world.step(random.choice([100, 250, 250, 1000, 3500]))
        if random.random() < 0.1:
            watched[workspace].append(world.watch(workspace))
    world.parts.drain()
    world.step(1000)
    for workspace, some in watched.items():
        for watcher, points in [*some, world.watch(workspace)]:
            everything = points + watcher.take()[1]
            moments = [point.at for point in everything]
            assert moments == sorted(set(moments))
            for lane, counts in totals(everything).items():
                fine, bad = sent[workspace, lane, False], sent[workspace, lane, True]
                assert counts == (fine + bad, fine, bad)
            assert everything[-1].lanes[REALTIME].backlog == everything[-1].lanes[MIGRATION].backlog == 0


def test_points_tell_the_backlog(world: World) -> None:
    workspace = new_workspace()
    watcher, _ = world.watch(workspace)
    world.parts.send(workspace, *[Sent(now_ms())] * 7)
    world.step(1000)
    world.parts.send(workspace, *[Sent(now_ms())] * 5)
    world.step(2000)
    world.parts.drain()
    world.step(1000)
    assert [each.lanes[REALTIME].backlog for each in watcher.take()[1]] == [7, 12, 12, 0]


def test_of_many_the_newest_are_shown_and_all_are_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = new_workspace()
    watcher, _ = world.watch(workspace)
    read: list[int] = []

    def decode(lines: bytes) -> Any:
        found = decoded(lines)
        read.append(len(found))
        return found

    decoded = module.decode_lines
    monkeypatch.setattr(module, "decode_lines", decode)
    sent = [world.parts.send(workspace, *[Sent(now_ms())] * 100)[1] for _ in range(60)]
    tick = world.told(watcher)
    assert tick.matched == 6000 and not tick.sampled, "it is known without reading them"
    assert ids_of(tick.events) == [str(each) for each in sent[-1][: -SHOWN - 1 : -1]]
    assert sum(read) <= 2000


def test_above_the_bound_what_fits_is_estimated(world: World) -> None:
    workspace = new_workspace()
    watcher, _ = world.watch(workspace, Filters(signal="visits"))
    for _ in range(60):
        world.parts.send(workspace, *[Sent(now_ms()), Sent(now_ms(), signal="visits")] * 50)
    tick = world.told(watcher)
    assert tick.sampled and tick.matched == 3000 and tick.shown == SHOWN
    assert {event.signal for event in tick.events} == {"visits"}


def test_rejected_ones_are_found_among_many_that_are_not(world: World) -> None:
    workspace = new_workspace()
    watcher, _ = world.watch(workspace, Filters(status=Status.REJECTED))
    _, ids = world.parts.send(workspace, Sent(now_ms()), Sent(now_ms(), reason="schema_violation"))
    for _ in range(60):
        world.parts.send(workspace, *[Sent(now_ms())] * 100)
    tick = world.told(watcher)
    assert ids_of(tick.events) == [str(ids[1])] and tick.matched == 1 and not tick.sampled


def test_one_busy_workspace_hides_no_other(world: World) -> None:
    quiet, busy = new_workspace(), new_workspace()
    watcher, _ = world.watch(quiet)
    world.watch(busy)
    _, ids = world.parts.send(quiet, Sent(now_ms()))
    for _ in range(40):
        world.parts.send(busy, *[Sent(now_ms())] * 100)
    assert ids_of(world.told(watcher).events) == [str(ids[0])]


def test_who_takes_nothing_holds_no_more_than_a_screen(world: World) -> None:
    workspace = new_workspace()
    watcher, _ = world.watch(workspace)
    for _ in range(30):
        world.parts.send(workspace, *[Sent(now_ms())] * 20)
        world.parts.drain()
        world.step(60_000)
    tick, points = watcher.take()
    assert tick is not None and (tick.matched, tick.shown) == (600, SHOWN)
    assert len(points) == KEPT
    assert watcher.take() == (None, [])


def test_the_one_who_watches_is_woken_at_each_tick(world: World) -> None:
    watcher, _ = world.watch(new_workspace())
    world.step()
    world.step()
    assert world.woken[watcher] == 2


def test_a_replayed_event_is_shown_again_with_its_new_outcome(world: World) -> None:
    workspace = new_workspace()
    watcher, _ = world.watch(workspace)
    sent = batch_of(workspace, [Sent(now_ms(), reason="schema_violation")])
    asyncio.run(world.parts._append(sent))
    before = world.told(watcher)
    mended = batch_of(workspace, [Sent(now_ms(), lane=MIGRATION)])
    lines = mended.parts[0].lines.replace(mended.parts[0].lines[2:38], sent.parts[0].lines[2:38])
    again = replace(mended, id=sent.id, replay=True, parts=(replace(mended.parts[0], lines=lines),))
    asyncio.run(world.parts._append(again))
    after = world.told(watcher, 1000)
    (old,), (new,) = before.events, after.events
    assert old.id == new.id and old.received_at == new.received_at
    assert (old.status, new.status, new.lane) == (Status.REJECTED, Status.PROCESSED, MIGRATION)
    counts = totals(world.watch(workspace)[1])
    assert counts == {REALTIME: (1, 0, 1), MIGRATION: (0, 1, 0)}, "it was accepted once"


def test_events_of_a_held_or_reverted_backfill_are_shown_as_that(tmp_path: Path, parts: Parts) -> None:
    catalog = SqliteCatalog(tmp_path / "catalog.db", b"s" * 32)
    made, _ = catalog.create_workspace("test", "held", preset=None)
    held, open_ = (catalog.create_backfill("test", made.id, name, hold=name == "held") for name in ("held", "open"))
    world = World(parts)
    world.feed = parts.feed = Feed(parts.reader, parts.tail, catalog, world.now)
    watcher, _ = world.watch(made.id)
    pending, _ = world.watch(made.id, Filters(status=Status.PENDING))
    parts.send(made.id, *[Sent(now_ms(), backfill=each) for each in (held.id, open_.id, "")])
    shown = world.told(watcher)
    assert [each.status for each in shown.events] == [Status.PROCESSED, Status.PROCESSED, Status.PENDING]
    tick, _ = pending.take()
    assert tick is not None and [each.backfill_id for each in tick.events] == [held.id]
    catalog.revert_backfill("test", made.id, open_.id)
    parts.send(made.id, Sent(now_ms(), backfill=open_.id))
    assert [each.status for each in world.told(watcher).events] == [Status.REVERTED]
    catalog.close()


def test_whoever_left_is_told_nothing_and_makes_room(world: World) -> None:
    workspace = new_workspace()
    some = [world.watch(workspace)[0] for _ in range(MOST_WATCHERS)]
    with pytest.raises(UnavailableError):
        world.watch(new_workspace())
    some[0].leave()
    assert world.feed.watchers == MOST_WATCHERS - 1
    world.watch(new_workspace())
    world.step()
    assert some[0].take() == (None, []) and some[1].take()[0] is not None
    for each in some:
        each.leave()
    assert world.feed.watchers == 1


def test_idle_workspaces_are_forgotten_and_never_too_many_known(world: World) -> None:
    mine = new_workspace()
    watcher, _ = world.watch(mine)
    record = as_record(batch_of(mine, [Sent(now_ms())]))
    for number in range(MOST_WORKSPACES + 100):
        world.feed.told([replace(record, workspace=f"ws_{number:08}")])
    world.feed.told([record])
    world.step(1000)
    assert len(world.feed._pulses) == MOST_WORKSPACES + 1
    assert totals(watcher.take()[1])[REALTIME] == (0, 1, 0)
    world.step(1000 * KEPT)
    world.step(2000)
    assert list(world.feed._pulses) == [mine]
    assert len(world.watch(mine)[1]) == KEPT


def test_what_is_forgotten_is_not_told_as_nothing(world: World) -> None:
    """Seconds in which it is not known what happened are left out."""
    record = as_record(batch_of(new_workspace(), [Sent(now_ms())]))
    world.step(5000)
    for number in range(MOST_WORKSPACES + 100):
        world.feed.told([replace(record, workspace=f"ws_{number:08}")])
    world.step(5000)
    world.step(5000)
    points = world.watch("ws_00000000")[1]
    assert totals(points)[REALTIME][1] == (1 if len(points) == 15 else 0)
    assert len(world.watch(new_workspace())[1]) == 9, "no more than is known"


def lagging(count: int) -> dict[str, list[Backlog]]:
    return {f"ws_{each:08}": [Backlog(lane, 3, 300, now_ms()) for lane in Lane] for each in range(count)}


def test_backlogs_of_many_workspaces_cost_no_more_than_those_of_some(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(since: int, now: int) -> Pulse:
        made.append(now)
        return Pulse(since, now)

    mine = new_workspace()
    watcher, _ = world.watch(mine)
    waiting = lagging(5000) | {mine: [Backlog(REALTIME, 7, 700, now_ms())]}
    monkeypatch.setattr(world.feed._tail, "waiting", lambda: waiting)
    monkeypatch.setattr(module, "Pulse", counted)
    for _ in range(5):
        world.step(1000)
    assert len(made) <= MOST_WORKSPACES
    assert [each.lanes[REALTIME].backlog for each in watcher.take()[1]] == [7] * 5
    for name in ("ws_00000000", f"ws_{MOST_WORKSPACES - 1:08}", "ws_00003000", "ws_00004999"):
        points = world.watch(name)[1]
        assert all(each.lanes[REALTIME].backlog == 3 for each in points), f"what is not known of {name} is not 0"


def test_counts_of_many_workspaces_are_bounded_as_they_are_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    record = as_record(batch_of(new_workspace(), [Sent(now_ms())]))
    most = 0

    def counted(since: int, now: int) -> Pulse:
        nonlocal most
        most = max(most, len(world.feed._pulses) + 1)
        return Pulse(since, now)

    monkeypatch.setattr(module, "Pulse", counted)
    world.feed.told([replace(record, workspace=f"ws_{number:08}") for number in range(5000)])
    world.step(1000)
    assert most == MOST_WORKSPACES


def test_who_is_idle_makes_room_for_who_is_not(world: World) -> None:
    record = as_record(batch_of(new_workspace(), [Sent(now_ms())]))
    late = [replace(record, workspace=new_workspace()) for _ in range(3)]
    for number in range(MOST_WORKSPACES):
        world.feed.told([replace(record, workspace=f"ws_{number:08}")])
    for _ in range(100):
        world.feed.told([replace(record, workspace=f"ws_{number:08}") for number in range(MOST_WORKSPACES - 3)])
        world.feed.told(late)
        world.step(1000)
    idle = {f"ws_{number:08}" for number in range(MOST_WORKSPACES - 3, MOST_WORKSPACES)}
    assert not idle & world.feed._pulses.keys() and {each.workspace for each in late} <= world.feed._pulses.keys()
    points = world.watch(late[0].workspace)[1]
    assert [each.lanes[REALTIME].processed for each in points] == [1] * len(points) and len(points) > 30


def test_a_second_that_is_only_half_known_is_not_told(world: World) -> None:
    """Of a workspace that found no room at first, and then somebody began to watch."""
    record, mine = as_record(batch_of(new_workspace(), [Sent(now_ms())])), new_workspace()
    for number in range(MOST_WORKSPACES):
        world.feed.told([replace(record, workspace=f"ws_{number:08}")])
    world.feed.told([replace(record, workspace=mine)])
    world.step(250)
    watcher, points = world.watch(mine)
    assert points == []
    for _ in range(2):
        world.feed.told([replace(record, workspace=mine)])
        world.step(1000)
    assert [each.lanes[REALTIME].processed for each in watcher.take()[1]] == [1]


@pytest.mark.parametrize("broken", ["waiting", "heads"])
def test_a_fault_that_lasts_is_told_once_a_minute(
    world: World, broken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = new_workspace()
    watcher, _ = world.watch(workspace)
    world.parts.send(workspace, Sent(now_ms()))
    world.parts.pipeline.step()

    def fail(*_: object) -> Any:
        raise OSError(5, "Input/output error")

    owner = world.feed._tail if broken == "waiting" else world.feed._reader
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(owner, broken, fail)
        ticks = []
        for _ in range(12):
            world.feed._safely(lambda: world.step(250))
            ticks.append(watcher.take())
        assert all(tick is not None for tick, _ in ticks), "those who watch are told all the same"
        assert sum(len(points) for _, points in ticks) == 3
        assert len(caplog.records) == 1 and "Input/output error" in caplog.text
        patch.setattr(module, "_AGAIN_SECONDS", 0)
        world.feed._safely(lambda: world.step(250))
        assert len(caplog.records) > 1
    assert world.told(watcher).matched == 0
    world.step(1000)
    everything = [point for _, points in ticks for point in points] + watcher.take()[1]
    assert totals(everything)[REALTIME] == (1, 1, 0), "nothing is lacking afterwards"


@pytest.mark.parametrize("jump", [-3_600_000, -10_000, 3_600_000])
def test_a_clock_that_is_set_begins_anew(world: World, jump: int) -> None:
    workspace = new_workspace()
    watcher, _ = world.watch(workspace)
    world.step(3000)
    world.step(jump)
    watcher.take()
    world.parts.send(workspace, Sent(now_ms()))
    assert world.told(watcher, 0).matched == 1
    world.step(1000)
    _, (point,) = watcher.take()
    assert point.at == module.clock.to_iso(world.now - 1000)
    assert point.lanes[REALTIME] == LaneCounts(1, 1, 0, 0)


def test_a_clock_that_goes_back_a_little_is_waited_for(world: World) -> None:
    workspace = new_workspace()
    watcher, _ = world.watch(workspace)
    for ms in (1000, -2000, 1000, 1000, 1000):
        world.parts.send(workspace, Sent(now_ms()))
        world.parts.drain()
        world.step(ms)
    moments = watcher.take()[1]
    assert len(moments) == 2 and totals(moments)[REALTIME] == (5, 5, 0)


def test_a_feed_that_fails_stops_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    workspace = new_workspace()
    watcher, _ = world.watch(workspace)
    broken = replace(as_record(batch_of(workspace, [Sent(now_ms())])), lines=b"this is no line\n")
    with caplog.at_level(logging.CRITICAL):
        for _ in range(10):
            world.feed.told([broken])
        world.feed._safely(world.feed.drain)
    _, ids = world.parts.send(workspace, Sent(now_ms()))
    assert ids_of(world.told(watcher).events) == [str(ids[0])]


def test_what_waits_to_be_counted_is_bounded(world: World) -> None:
    """Even while the feed's thread does nothing at all."""
    workspace = new_workspace()
    record = as_record(batch_of(workspace, [Sent(now_ms())]))
    for _ in range(50):
        world.feed.told([record] * 10)
        assert len(world.feed._told) <= 2
    world.step(1000)
    assert totals(world.watch(workspace)[1])[REALTIME] == (0, 500, 0)


@pytest.mark.parametrize("moment", ["planned", "inserted", "committed"])
def test_a_block_that_was_in_doubt_is_told_once(world: World, moment: str) -> None:
    workspace, parts = new_workspace(), world.parts
    watcher, _ = world.watch(workspace)
    ids = [str(parts.send(workspace, Sent(now_ms()))[1][0]) for _ in range(3)]
    parts.moment = crash_at(moment)
    with pytest.raises(Crash):
        parts.pipeline.step()
    parts.moment = lambda _: None
    parts.pipeline.recover()
    assert ids_of(world.told(watcher, 1000).events) == ids[::-1]
    assert totals(watcher.take()[1] + world.watch(workspace)[1])[REALTIME] == (3, 3, 0)
