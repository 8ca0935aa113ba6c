"""The state in PostgreSQL as several engines share it: partitions owned, blocks numbered, followed by who leads."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from random import Random

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import postgres as on_postgres
from headwater.errors import HeadwaterError, LockedError, NotOwnerError, StartError, UnavailableError
from headwater.events import Lane
from headwater.rules.connect import pair_of
from headwater.state import commits as commits_module
from headwater.state import postgres as state_module
from headwater.state.base import Account, Cursor, Job, Link, Place, Plan, oldest
from headwater.state.commits import PostgresCommits
from headwater.state.postgres import PostgresLedger, PostgresState
from services import Postgres

pytestmark = pytest.mark.cluster

WORKSPACE = "ws_abcdefgh"
END_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> str:
    return postgres.database()


def emptied(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS headwater CASCADE")
    return url


@pytest.fixture
def url(database: str) -> str:
    return emptied(database)


Opened = Callable[[int], PostgresState]


@pytest.fixture
def opened(url: str) -> Iterator[Opened]:
    made: list[PostgresState] = []

    def opened(partition: int) -> PostgresState:
        made.append(PostgresState(url, partition))
        return made[-1]

    yield opened
    for each in made:
        each.close()


@pytest.fixture
def ledger(url: str) -> Iterator[PostgresLedger]:
    ledger = PostgresLedger(url)
    yield ledger
    ledger.close()


def end_sessions(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(END_SESSIONS)
    time.sleep(0.1)  # so that they have heard of it


def robbed(state: PostgresState) -> PostgresState:
    """It believes to own its partition, and does not."""
    connection = state._owned.connection
    assert connection is not None
    connection.execute("SELECT pg_advisory_unlock_all()")
    return state


def link(one: str, other: str, first_ms: int = 0) -> Link:
    return Link(WORKSPACE, *pair_of(one, other), first_ms)


def block(start: int, end: int, rows: int = 5, lane: Lane = Lane.REALTIME) -> Plan:
    return Plan(lane, 0, start, end, {202611: rows})


def test_blocks_of_all_partitions_have_one_sequence_a_lane(opened: Opened, ledger: PostgresLedger) -> None:
    one, other, commits = opened(0), opened(7), PostgresCommits(ledger)
    first, second = one.plan(block(0, 10)), other.plan(block(0, 20, 7))
    third = one.plan(block(0, 10, lane=Lane.MIGRATION))
    assert (first.block, second.block, third.block) == (1, 2, 1)
    assert commits.watermark() == {Lane.REALTIME: 0, Lane.MIGRATION: 0}
    fourth = other.commit(second, [link("email:a", "phone:1", 5)], block(20, 30))
    assert fourth == Plan(Lane.REALTIME, 3, 20, 30, {202611: 5})
    assert other.cursors()[Lane.REALTIME] == Cursor(20, 2) and other.plans() == {Lane.REALTIME: fourth}
    assert one.cursors()[Lane.REALTIME] == Cursor(0, 0) and one.plans()[Lane.REALTIME] == first
    step = commits.follow(commits.watermark())
    assert (step.watermark[Lane.REALTIME], step.blocks[Lane.REALTIME], step.links) == (0, {}, [])
    assert ledger.ledger()[Lane.REALTIME] == Account(Cursor(0, 0), first, 0, {})
    one.commit(first, [link("email:a", "phone:1", 9), link("email:b", "phone:1", 3)])
    step = commits.follow({Lane.REALTIME: 0, Lane.MIGRATION: 0})
    assert step.watermark == {Lane.REALTIME: 2, Lane.MIGRATION: 0}
    assert step.blocks == {Lane.REALTIME: {1: Place(0, 0, 10), 2: Place(7, 0, 20)}, Lane.MIGRATION: {}}
    assert sorted(step.links) == [link("email:a", "phone:1", 5), link("email:b", "phone:1", 3)]
    assert ledger.ledger()[Lane.REALTIME] == Account(Cursor(2, 2), fourth, 0, {202611: 12})
    assert ledger.cursors()[Lane.REALTIME] == Cursor(2, 2) and ledger.plans() == {
        Lane.REALTIME: fourth,
        Lane.MIGRATION: third,
    }
    commits.prune({Lane.REALTIME: 99, Lane.MIGRATION: 0})
    assert commits.follow({}).blocks[Lane.REALTIME] == {}
    assert fourth is not None
    other.commit(fourth, [])
    assert commits.follow({Lane.REALTIME: 2}).blocks[Lane.REALTIME] == {3: Place(7, 20, 30)}
    assert commits.cursors()[7] == {Lane.REALTIME: Cursor(30, 3), Lane.MIGRATION: Cursor(0, 0)}


def test_what_is_committed_ahead_of_the_watermark_is_not_counted_yet(opened: Opened, ledger: PostgresLedger) -> None:
    one, other = opened(0), opened(1)
    first = one.plan(block(0, 10, 3))
    other.commit(other.plan(block(0, 10, 4)), [])
    assert ledger.ledger()[Lane.REALTIME].months == {}
    one.commit(first, [])
    assert ledger.ledger()[Lane.REALTIME].months == {202611: 7}


def test_a_partition_has_one_owner(url: str, opened: Opened, ledger: PostgresLedger) -> None:
    commits, one = PostgresCommits(ledger), opened(0)
    with pytest.raises(LockedError, match="partition 0"):
        PostgresState(url, 0)
    plan = one.plan(block(0, 10))
    assert commits.orphans() == [] and one.owns()
    one.close()
    assert commits.orphans() == [(0, plan)] and not one.owns()
    for change in (lambda: one.plan(block(0, 10)), lambda: one.commit(plan, [])):
        with pytest.raises(HeadwaterError):
            change()
    other = opened(0)
    assert commits.orphans() == [] and other.plans() == {Lane.REALTIME: plan}
    other.commit(plan, [])


def test_an_owner_whose_session_ended_goes_on_unless_another_has_it(url: str, opened: Opened) -> None:
    one = opened(0)
    plan = one.plan(block(0, 10))
    end_sessions(url)
    one.commit(plan, [])
    assert one.cursors()[Lane.REALTIME] == Cursor(10, 1)
    end_sessions(url)
    other = opened(0)
    assert not one.owns()
    for _ in range(2):
        with pytest.raises(NotOwnerError):
            one.plan(block(10, 20))
    assert other.plan(block(10, 20)).block == 2


def test_who_thinks_wrong_of_where_a_partition_stands_writes_nothing(url: str, opened: Opened) -> None:
    one = robbed(opened(0))
    other = opened(0)
    plan = other.plan(block(0, 10))
    with pytest.raises(NotOwnerError):
        one.plan(block(0, 10))
    with pytest.raises(NotOwnerError):
        one.commit(Plan(Lane.REALTIME, 1, 0, 10, {202611: 6}), [])
    with pytest.raises(NotOwnerError):
        one.commit(Plan(Lane.REALTIME, 0, 0, 10, {}), [])  # as if there was nothing of the lane
    other.commit(plan, [], block(10, 20))
    for wrong in (plan, Plan(Lane.REALTIME, 1, 10, 20, {})):
        with pytest.raises(NotOwnerError):
            one.commit(wrong, [])
    with pytest.raises(ValueError, match="begin"):
        other.commit(plan, [], block(11, 20))
    assert other.cursors()[Lane.REALTIME] == Cursor(10, 1)
    other.commit(other.plans()[Lane.REALTIME], [])
    over = Plan(Lane.REALTIME, 2, 20, 25, {})  # nothing of the lane lay there
    other.commit(over, [])
    with pytest.raises(NotOwnerError):
        one.commit(over, [])
    assert other.cursors()[Lane.REALTIME] == Cursor(25, 2)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(("look", "plan", "commit", "ahead", "over"))), max_size=40))
@settings(max_examples=40)
def test_two_who_both_believe_to_own_a_partition_never_store_the_same_twice(
    database: str, did: list[tuple[bool, str]]
) -> None:
    """Each goes by what it saw last, as an engine does; whatever was committed lies end to end."""
    url = emptied(database)
    one = robbed(PostgresState(url))
    engines = {True: _Engine(one), False: _Engine(PostgresState(url))}
    committed: list[Plan] = []
    for who, what in did:
        with suppress(NotOwnerError):
            committed += engines[who].do(what)
    _check(committed, one.cursors()[Lane.REALTIME])
    for engine in engines.values():
        engine.state.close()


@pytest.mark.parametrize("seed", range(3))
def test_two_at_once_neither(url: str, seed: int) -> None:
    one, other = robbed(PostgresState(url)), PostgresState(url)
    committed: list[Plan] = []

    def work(state: PostgresState, random: Random) -> None:
        engine = _Engine(state)
        for _ in range(60):
            try:
                committed.extend(engine.do(random.choice(("plan", "commit", "ahead", "look"))))
            except NotOwnerError:
                engine.do("look")

    with ThreadPoolExecutor() as pool:
        list(pool.map(work, (one, other), (Random(seed), Random(seed + 1))))
    assert committed
    _check(committed, other.cursors()[Lane.REALTIME])
    one.close()
    other.close()


class _Engine:
    """Goes by what it knows: as `pipeline.Pipeline`."""

    def __init__(self, state: PostgresState) -> None:
        self.state = state
        self.cursor = Cursor(0, 0)
        self.plan: Plan | None = None
        self.do("look")

    def do(self, what: str) -> list[Plan]:
        """What was committed by it."""
        start = self.cursor.position
        match what:
            case "look":
                self.cursor = self.state.cursors()[Lane.REALTIME]
                self.plan = self.state.plans().get(Lane.REALTIME)
            case "plan" if self.plan is None:
                self.plan = self.state.plan(block(start, start + 10, 1))
            case "commit" | "ahead" if self.plan is not None:
                done = self.plan
                upcoming = block(done.end, done.end + 10, 1) if what == "ahead" else None
                self.plan = self.state.commit(done, [], upcoming)
                self.cursor = Cursor(done.end, done.block)
                return [done]
            case "over" if self.plan is None:
                self.state.commit(Plan(Lane.REALTIME, self.cursor.block, start, start + 3, {}), [])
                done = Plan(Lane.REALTIME, self.cursor.block, start, start + 3, {})
                self.cursor = Cursor(start + 3, self.cursor.block)
                return [done]
        return []


def _check(committed: list[Plan], cursor: Cursor) -> None:
    ordered = sorted(committed, key=lambda plan: plan.start)
    ends = [0, *(plan.end for plan in ordered)]
    assert [plan.start for plan in ordered] == ends[:-1] and cursor.position == ends[-1]
    numbers = [plan.block for plan in ordered if plan.months]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("most", [3, 1_000])
def test_many_engines_at_once_and_one_who_follows(
    url: str, ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Who follows sees every block once, in order, and no link is missing."""
    monkeypatch.setattr(commits_module, "MOST_BLOCKS", most)
    commits, steps = PostgresCommits(ledger), 40
    ended, followed = threading.Event(), dict[Lane, list[int]]()
    named: list[list[Link]] = [[] for _ in range(4)]
    seen: list[Link] = []

    def engine(partition: int) -> None:
        random, state = Random(partition), PostgresState(url, partition)
        for n in range(steps):
            lane = random.choice(list(Lane))
            links = [link(f"email:{random.randrange(20)}", f"phone:{random.randrange(9)}", random.randrange(99))]
            start = state.cursors()[lane].position
            state.commit(state.plan(block(start, start + 1 + n, 1, lane)), links)
            named[partition] += links
        state.close()

    def follow() -> None:
        known = dict.fromkeys(Lane, 0)
        while True:
            last = ended.is_set()
            step = commits.follow(known)
            last = last and step.watermark == commits.watermark()
            for lane, blocks in step.blocks.items():
                assert sorted(blocks) == list(range(known[lane] + 1, step.watermark[lane] + 1))
                followed.setdefault(lane, []).extend(sorted(blocks))
            seen.extend(step.links)
            known = step.watermark
            commits.prune(known)
            if last:
                return

    with ThreadPoolExecutor() as pool:
        following = pool.submit(follow)
        try:
            list(pool.map(engine, range(4)))
        finally:
            ended.set()
        following.result()
    assert sum(len(numbers) for numbers in followed.values()) == 4 * steps
    wanted = oldest([each for links in named for each in links])
    assert list(ledger.links()) == wanted == oldest(seen)
    assert ledger.ledger()[Lane.REALTIME].months == {202611: len(followed[Lane.REALTIME])}


def test_a_watch_sees_what_any_engine_commits_and_knowledge_by_heart_ends(
    opened: Opened, ledger: PostgresLedger
) -> None:
    engine, position = opened(3), 0

    def commit(*links: Link) -> None:
        nonlocal position
        engine.commit(engine.plan(block(position, position + 1)), links)
        position += 1

    a, b = link("email:a", "phone:1", 50), link("email:b", "phone:1", 50)
    commit(a, b)
    with ledger.watch() as watch:
        commit(link("email:b", "phone:1", 70))
        assert watch.of(WORKSPACE) == {(b.a, b.b): 70} and watch.of("ws_other") == {}
        ledger.relink(WORKSPACE, {(a.a, a.b): None, (b.a, b.b): None}, watch)
    assert [each.first_ms for each in ledger.links()] == [70]
    commit(a)  # the engine knew it, and it is gone
    assert list(ledger.links()) == [a, link("email:b", "phone:1", 70)]


def test_a_watch_that_was_lost_relinks_nothing(opened: Opened, ledger: PostgresLedger, url: str) -> None:
    engine, a = opened(0), link("email:a", "phone:1", 50)
    engine.commit(engine.plan(block(0, 1)), [a])
    with ledger.watch() as watch:
        end_sessions(url)
        with suppress(UnavailableError), PostgresLedger(url).watch():  # clears away what nobody holds
            pass
        with pytest.raises(UnavailableError):
            ledger.relink(WORKSPACE, {(a.a, a.b): None}, watch)
    assert list(ledger.links()) == [a]


ODD = ["crm:" + "\U0001f600" * 1024, "crm:" + "\U0001f600" * 1023 + "x", "crm:\x00", "crm:a\x00b", "é:\ufffe", "a:'"]


def test_identities_may_be_long_and_hold_anything(opened: Opened, ledger: PostgresLedger) -> None:
    state = opened(0)
    links = [link(one, other) for n, one in enumerate(ODD) for other in ODD[n + 1 :]]
    state.commit(state.plan(block(0, 1)), links)
    assert sorted(state.links()) == sorted(links) == sorted(ledger.links(WORKSPACE)) and state.unknown(links) == []
    for identity in ODD:
        assert sorted(state.links_of(WORKSPACE, identity, 99)) == sorted(
            each for each in links if identity in (each.a, each.b)
        )
    assert sorted(PostgresCommits(ledger).follow({}).links) == sorted(links)
    with ledger.watch() as watch:
        ledger.relink(WORKSPACE, {(each.a, each.b): None for each in links[1:]}, watch)
    assert list(state.links()) == links[:1]
    job = Job("ers_1", "erasure", WORKSPACE, {"identities": ODD}, "x", 1, None, "it failed: \x00")
    state.put_job(job)
    found = state.job("ers_1")
    assert found is not None and found.about == job.about and found.failure == "it failed: \ufffd"


def test_without_a_server_a_start_fails_and_a_question_is_told(postgres: Postgres) -> None:
    url = postgres.database()
    state = PostgresState(url)
    state.plan(block(0, 10))
    postgres.kill()
    with pytest.raises(StartError, match="cannot be used"):
        PostgresState(url, 1)
    for ask in (state.cursors, lambda: state.jobs(), lambda: state.commit(block(0, 10), [])):
        with pytest.raises(UnavailableError):
            ask()
    postgres.start()
    assert state.plans() == {Lane.REALTIME: Plan(Lane.REALTIME, 1, 0, 10, {202611: 5})}
    state.commit(state.plans()[Lane.REALTIME], [])
    assert state.cursors()[Lane.REALTIME] == Cursor(10, 1)
    state.close()


def test_a_server_that_hangs_is_not_waited_for_for_ever(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres.database()
    state, other = PostgresState(url), PostgresLedger(url)
    plan = state.plan(block(0, 10))
    for module in (on_postgres, state_module):
        monkeypatch.setattr(module, "MOST_SECONDS", 0.5)
    other.cursors()  # so that it has a connection
    postgres.pause()
    for ask in (lambda: state.commit(plan, []), other.cursors):
        with pytest.raises(UnavailableError):
            ask()
    postgres.resume()
    monkeypatch.undo()
    for _ in range(100):  # its session ends once the server sees that it did
        try:
            if state.plans():
                state.commit(plan, [])
            break
        except NotOwnerError:
            time.sleep(0.05)
    assert state.cursors()[Lane.REALTIME] == Cursor(10, 1) and other.cursors()[Lane.REALTIME] == Cursor(1, 1)
    state.close()
    other.close()


def test_a_database_of_a_newer_headwater_is_refused(url: str, opened: Opened) -> None:
    opened(0).close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE headwater.versions SET version = 99 WHERE part = 'state'")
    with pytest.raises(StartError, match="newer"):
        PostgresLedger(url)


def test_who_wipes_waits_for_a_question_that_is_older(url: str, opened: Opened) -> None:
    state = opened(0)
    with psycopg.connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM headwater.state_links")
        state.put_job(Job("ers_1", "erasure", WORKSPACE, {}, "x", 1))
        assert not state.wipe()
    assert state.wipe()


def test_processes_that_start_at_once_make_one_schema(url: str) -> None:
    with ThreadPoolExecutor() as pool:
        for each in pool.map(partial(PostgresState, url), range(6)):
            each.close()
