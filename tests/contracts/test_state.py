"""What every state promises. What is about files is the embedded one's alone."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Protocol

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from databases import Databases
from headwater.errors import StartError, UnavailableError
from headwater.events import Lane
from headwater.rules.connect import Severed, pair_of
from headwater.state import known, postgres_shared, sqlite
from headwater.state.base import Account, Cursor, Examined, Gone, Job, Link, Plan, RelinkedError, oldest
from headwater.state.base import State as EnginesState
from headwater.state.postgres import PostgresState
from headwater.state.sqlite import SqliteState, SqliteStateView
from services import Postgres

PLAN = Plan(Lane.REALTIME, 1, 0, 500, {202611: 70, 202612: 30})
SECOND = Plan(Lane.REALTIME, 2, 500, 900, {202612: 5})
WORKSPACE = "ws_abcdefgh"


class State(EnginesState, Examined, Protocol):
    """What the engine asks of it, and what a doctor does."""


Adapter = Callable[[Path], State]


def on_postgres(server: Postgres) -> Adapter:
    databases = Databases(server)
    return lambda path: PostgresState(databases.url(path))


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.cluster)])
def opened(request: pytest.FixtureRequest) -> Adapter:
    return SqliteState if request.param == "sqlite" else on_postgres(request.getfixturevalue("postgres"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def state(opened: Adapter, path: Path) -> Iterator[State]:
    state = opened(path)
    yield state
    state.close()


@pytest.fixture
def embedded(path: Path) -> Iterator[SqliteState]:
    """The one that is a file."""
    state = SqliteState(path)
    yield state
    state.close()


def link(one: str, other: str, workspace: str = WORKSPACE, first_ms: int = 0) -> Link:
    return Link(workspace, *pair_of(one, other), first_ms)


def store(state: EnginesState, plan: Plan, links: Iterable[Link] = (), upcoming: Plan | None = None) -> None:
    """Writes a block down and commits it, as the pipeline does."""
    assert state.plan(plan) == plan
    assert state.commit(plan, links, upcoming) == upcoming


def store_next(state: EnginesState, links: Iterable[Link]) -> None:
    """One more block, behind the last."""
    cursor = state.cursors()[Lane.REALTIME]
    store(state, Plan(Lane.REALTIME, cursor.block + 1, cursor.position, cursor.position + 1, {202611: 1}), links)


def test_a_new_state_has_both_lanes_at_the_beginning(state: State) -> None:
    assert state.cursors() == {Lane.REALTIME: Cursor(0, 0), Lane.MIGRATION: Cursor(0, 0)}
    assert state.plans() == {}
    assert (list(state.links()), state.severed()) == ([], {})


def test_a_plan_lasts_until_its_commit(opened: Adapter, path: Path, state: State) -> None:
    state.plan(PLAN)
    assert state.plans() == {Lane.REALTIME: PLAN}
    assert state.cursors()[Lane.REALTIME] == Cursor(0, 0)
    state.close()
    again = opened(path)
    assert again.plans() == {Lane.REALTIME: PLAN}
    again.commit(PLAN, [])
    assert (again.plans(), again.cursors()[Lane.REALTIME]) == ({}, Cursor(500, 1))
    again.close()
    last = opened(path)
    assert (last.plans(), last.cursors()[Lane.REALTIME]) == ({}, Cursor(500, 1))
    last.close()


def test_a_commit_writes_the_next_plan_down(state: State) -> None:
    state.plan(PLAN)
    state.commit(PLAN, [], SECOND)
    assert (state.plans(), state.cursors()[Lane.REALTIME]) == ({Lane.REALTIME: SECOND}, Cursor(500, 1))


def test_lanes_do_not_touch_each_other(state: State) -> None:
    other = Plan(Lane.MIGRATION, 1, 0, 800, {202611: 3})
    state.plan(PLAN)
    state.plan(other)
    assert state.plans() == {Lane.REALTIME: PLAN, Lane.MIGRATION: other}
    state.commit(other, [])
    assert state.plans() == {Lane.REALTIME: PLAN}
    assert state.cursors() == {Lane.REALTIME: Cursor(0, 0), Lane.MIGRATION: Cursor(800, 1)}


def test_a_plan_is_replaced_by_a_later_one(embedded: SqliteState) -> None:
    """Where several engines store, whoever would replace one does not own the partition any more."""
    embedded.plan(PLAN)
    embedded.plan(SECOND)
    assert embedded.plans() == {Lane.REALTIME: SECOND}


def test_the_ledger_counts_rows_by_month_as_they_are_committed(state: State) -> None:
    assert state.ledger() == {lane: Account(Cursor(0, 0), None, 0, {}) for lane in Lane}
    state.plan(PLAN)
    assert state.ledger()[Lane.REALTIME] == Account(Cursor(0, 0), PLAN, 0, {})
    state.commit(PLAN, [], SECOND)
    assert state.ledger()[Lane.REALTIME] == Account(Cursor(500, 1), SECOND, 0, PLAN.months)
    state.commit(SECOND, [])
    state.commit(Plan(Lane.REALTIME, 2, 900, 1000, {}), [])  # nothing of the lane lay there
    wanted = Account(Cursor(1000, 2), None, 0, {202611: 70, 202612: 35})
    assert state.ledger() == {Lane.REALTIME: wanted, Lane.MIGRATION: Account(Cursor(0, 0), None, 0, {})}


def test_a_doctors_questions(state: State) -> None:
    links = [link("email:a", "phone:1"), link("email:b", "phone:1", "ws_otherone")]
    store(state, PLAN, links)
    absent = link("email:a", "phone:2")
    assert state.unknown([*links, absent]) == [absent]
    assert state.linked() == {WORKSPACE: 1, "ws_otherone": 1}
    assert state.faults(quick=False) == state.faults(quick=True) == []


def test_a_file_that_is_only_looked_at_is_left_as_it_is(embedded: SqliteState, path: Path, tmp_path: Path) -> None:
    """Beside a process that has it open, after that one was killed, and after it ended."""
    state = embedded
    state.commit(PLAN, [link("email:a", "phone:1")])

    def look(scratch: Path | None) -> dict[Lane, Account]:
        view = SqliteStateView(path, scratch)
        try:
            assert view.faults(quick=False) == [] and view.linked() == {WORKSPACE: 1}
            return view.ledger()
        finally:
            view.close()

    def files() -> dict[str, bytes]:
        return {
            each.name: each.read_bytes() for each in path.parent.glob("state.db*") if not each.name.endswith("-shm")
        }

    wanted, before = state.ledger(), files()
    assert look(None) == wanted and files() == before
    copy = tmp_path / "killed"
    copy.mkdir()
    for name, content in before.items():
        (copy / name).write_bytes(content)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    state.close()
    before = files()
    assert before.keys() == {"state.db"}
    assert look(scratch) == wanted and files() == before and not list(path.parent.glob("state.db-*"))
    path = copy / "state.db"
    before = files()
    assert before["state.db-wal"] and look(scratch) == wanted
    assert files() == before and not (copy / "state.db-shm").exists()


def test_rows_of_an_older_headwater_are_not_taken_for_counted(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    connection = apsw.Connection(str(path))
    connection.execute(sqlite._SCHEMA[0] + "PRAGMA user_version = 1")
    connection.execute("INSERT INTO cursors VALUES ('realtime', 500, 1)")
    connection.close()
    with pytest.raises(StartError, match="version 1"):
        SqliteStateView(path, tmp_path)
    state = SqliteState(path)
    state.commit(SECOND, [])
    assert state.ledger()[Lane.REALTIME] == Account(Cursor(900, 2), None, 1, SECOND.months)
    state.close()


def test_a_failing_commit_changes_nothing(state: State) -> None:
    def broken() -> Iterable[Link]:
        yield link("email:a@x.y", "phone:+1")
        raise RuntimeError

    state.plan(PLAN)
    with pytest.raises(RuntimeError):
        state.commit(PLAN, broken())
    with pytest.raises((TypeError, ValueError)):
        state.commit(PLAN, [link("email:a@x.y", "phone:+1")], Plan(Lane.REALTIME, 2, 500, object(), {}))  # type: ignore[arg-type]
    assert (state.plans(), state.cursors()[Lane.REALTIME]) == ({Lane.REALTIME: PLAN}, Cursor(0, 0))
    assert list(state.links()) == []
    state.commit(PLAN, [link("email:a@x.y", "phone:+1")])
    assert list(state.links()) == [link("email:a@x.y", "phone:+1")]


def test_links_are_found_by_either_identity_in_their_workspace_alone(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PIECE", 2)
    monkeypatch.setattr(postgres_shared, "PIECE", 2)
    links = [link("email:a", "phone:1"), link("email:b", "phone:1"), link("email:b", "phone:2"), link("a:1", "email:b")]
    other = link("email:a", "phone:9", "ws_otherone")
    store(state, PLAN, links)
    store(state, SECOND, [other])
    assert list(state.links(WORKSPACE)) == sorted(links) and list(state.links("ws_otherone")) == [other]
    assert sorted(state.links()) == sorted([*links, other])
    assert sorted(state.links_of(WORKSPACE, "email:b", 10)) == sorted(links[1:])
    assert len(state.links_of(WORKSPACE, "email:b", 2)) == 2
    assert state.links_of(WORKSPACE, "phone:9", 10) == []
    assert state.links_of("ws_otherone", "phone:9", 10) == [other]


def test_a_link_is_as_old_as_its_oldest_event(state: State, opened: Adapter, path: Path) -> None:
    for first_ms in (50, 70, -3, 20):
        store_next(state, [link("email:a", "phone:1", first_ms=first_ms)])
    store_next(state, [link("email:b", "phone:1", first_ms=first_ms) for first_ms in (9, 8, 10)])
    wanted = [link("email:a", "phone:1", first_ms=-3), link("email:b", "phone:1", first_ms=8)]
    assert list(state.links()) == wanted
    state.close()
    again = opened(path)
    store_next(again, [link("email:a", "phone:1", first_ms=5)])
    assert list(again.links()) == wanted
    assert again.unknown([*wanted, link("email:b", "phone:1", first_ms=9)]) == []
    younger = link("email:b", "phone:1", first_ms=7)
    assert again.unknown([younger]) == [younger]
    again.close()


def test_the_oldest_of_each_pair() -> None:
    links = [link("email:a", "phone:1", first_ms=ms) for ms in (5, -3, 9)] + [link("email:a", "phone:2")]
    assert oldest(links[::-1]) == [links[1], links[3]]


def test_links_are_made_anew_and_what_comes_meanwhile_counts(state: State) -> None:
    a, b, c, d = (link(f"email:{each}", "phone:1", first_ms=50) for each in "abcd")
    other = link("email:a", "phone:1", "ws_otherone")
    store_next(state, [a, b, c, other])
    with state.watch() as watch:
        store_next(state, [link("email:c", "phone:1", first_ms=70), link("email:d", "phone:1", first_ms=90)])
        said = {(each.a, each.b): first_ms for each, first_ms in ((a, None), (b, 20), (c, None), (d, 50))}
        state.relink(WORKSPACE, said, watch)
    ages = {each.a: each.first_ms for each in state.links(WORKSPACE)}
    assert ages == {"email:b": 20, "email:c": 70, "email:d": 50}
    assert list(state.links("ws_otherone")) == [other]
    store_next(state, [a])  # it was known, and is gone: it has to be written again
    assert [each.first_ms for each in state.links_of(WORKSPACE, "email:a", 10)] == [50]


def test_a_watch_notes_only_what_is_committed_while_it_lasts(state: State) -> None:
    pair = link("email:a", "phone:1", first_ms=50)
    store_next(state, [pair])
    with state.watch() as watch:
        pass
    store_next(state, [pair])
    with state.watch() as watch:
        assert watch.of(WORKSPACE) == {}
        state.relink(WORKSPACE, {(pair.a, pair.b): None}, watch)
    assert list(state.links()) == []


def test_links_are_not_left_out_where_they_are_taken_back_or_watched_meanwhile(embedded: SqliteState) -> None:
    pair = link("email:a", "phone:1")
    store_next(embedded, [pair])
    known = embedded.changes()
    assert known is not None
    store_next(embedded, [link("email:b", "phone:1")])
    assert embedded.changes() == known, "what is added takes nothing back"
    with embedded.watch() as watch:
        assert embedded.changes() is None
        check_nothing_may_be_left_out(embedded, known)
        embedded.relink(WORKSPACE, {(pair.a, pair.b): None}, watch)
    assert embedded.changes() not in (None, known)
    check_nothing_may_be_left_out(embedded, known)
    embedded.commit(PLAN, [], None, embedded.changes())
    assert embedded.cursors()[Lane.REALTIME] == Cursor(PLAN.end, PLAN.block)


def check_nothing_may_be_left_out(state: SqliteState, changes: int) -> None:
    before = state.cursors()
    with pytest.raises(RelinkedError):
        state.commit(PLAN, [], None, changes)
    assert state.cursors() == before


def test_jobs_outlive_the_process_and_change_as_they_get_on(state: State, opened: Adapter, path: Path) -> None:
    first = Job("bf_1:revert", "settle", WORKSPACE, {"backfill": "bf_1", "excluded": True}, "links", 10)
    second = Job("ers_1", "erasure", "ws_otherone", {}, "drain", 20)
    state.put_job(first)
    state.put_job(second)
    done = Job(first.id, first.kind, WORKSPACE, {"backfill": "bf_1"}, "done", 10, 30, "it failed once")
    state.put_job(done)
    state.close()
    again = opened(path)
    assert (again.job("ers_1"), again.job("bf_1:revert"), again.job("bf_2")) == (second, done, None)
    assert again.jobs() == [second, done]
    assert (again.jobs("settle"), again.jobs(workspace="ws_otherone"), again.jobs("retention")) == (
        [done],
        [second],
        [],
    )
    again.close()


def test_severed_pairs_outlive_the_process(state: State, opened: Adapter, path: Path) -> None:
    first, second = Severed("email:a", "phone:1", 10), Severed("email:b", "phone:1", 20)
    state.sever(WORKSPACE, [first, second])
    state.sever("ws_otherone", [first])
    state.sever(WORKSPACE, [Severed("email:a", "phone:1", 30), Severed("email:b", "phone:1", 5)])
    state.close()
    again = opened(path)
    found = again.severed()
    assert {workspace: sorted(pairs) for workspace, pairs in found.items()} == {
        WORKSPACE: [Severed("email:a", "phone:1", 30), second],
        "ws_otherone": [first],
    }
    again.close()


def test_a_full_disk_severs_nothing(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "state.db")
    many = [Severed(f"email:{n:0200}", "phone:1", 10) for n in range(100)]
    state._write.execute("PRAGMA max_page_count = 1")  # that is: what it has now
    with pytest.raises(UnavailableError, match="full"):
        state.sever(WORKSPACE, many)
    assert state.severed() == {}
    state._write.execute("PRAGMA max_page_count = 4294967294")
    state.sever(WORKSPACE, many)
    assert len(state.severed()[WORKSPACE]) == 100
    state.close()
    for ask in (lambda: state.sever(WORKSPACE, many), lambda: state.links_of(WORKSPACE, "phone:1", 1)):
        with pytest.raises(UnavailableError):
            ask()


def test_links_of_an_older_headwater_are_older_than_all(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    connection = apsw.Connection(str(path))
    connection.execute(sqlite._SCHEMA[0] + sqlite._SCHEMA[1] + "PRAGMA user_version = 2")
    connection.execute("INSERT INTO links VALUES (?, 'email:a', 'phone:1')", (WORKSPACE,))
    connection.close()
    state = SqliteState(path)
    known = link("email:a", "phone:1", first_ms=-(1 << 62))
    state.commit(PLAN, [known])
    assert [found.first_ms for found in state.links()] == [-(1 << 63)]
    assert state.unknown([known]) == []
    state.close()


def test_known_links_are_no_fault(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "KNOWN_LINKS", 3)
    random, links = Random(1), [link(f"email:{n}", f"phone:{n // 2}") for n in range(40)]
    for _ in range(60):
        store_next(state, random.sample(links, 8))
    assert sorted(state.links()) == sorted(links)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=60), st.integers(1, 9))
def test_any_order_of_times_gives_the_oldest(
    opened: Adapter, tmp_path_factory: pytest.TempPathFactory, named: list[tuple[int, int]], size: int
) -> None:
    """Cut into commits, with little kept in mind of what is known."""
    state = opened(tmp_path_factory.mktemp("order") / "state.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known, "KNOWN_LINKS", 2)
        for start in range(0, len(named), size):
            links = [link("email:a", f"phone:{n}", first_ms=ms) for n, ms in named[start : start + size]]
            store_next(state, links)
    wanted = {n: min(ms for of, ms in named if of == n) for n, _ in named}
    assert {found.b: found.first_ms for found in state.links()} == {f"phone:{n}": ms for n, ms in wanted.items()}
    state.close()


def test_a_file_of_a_newer_headwater_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    SqliteState(path).close()
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()
    with pytest.raises(StartError, match="newer"):
        SqliteState(path)


def test_every_commit_is_synced(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "state.db")
    assert state._write.pragma("synchronous") == 2
    assert state._write.pragma("journal_mode") == "wal"
    state.close()


def test_what_was_deleted_is_counted_no_more_in_one_with_its_job(state: State, path: Path) -> None:
    state.plan(PLAN)
    state.commit(PLAN, ())
    job = Job("ers_00000000", "erasure", WORKSPACE, {"secret-canary": 1}, "links", 5)
    gone = [Gone(Lane.REALTIME, {202611: 69, 202612: 30}, [(1, 1), (4, 9)]), Gone(Lane.MIGRATION, {}, [])]
    state.uncount(job, gone)
    account = state.ledger()[Lane.REALTIME]
    assert (account.months, account.emptied) == ({202611: 1}, ((1, 1), (4, 9)))
    assert state.ledger()[Lane.MIGRATION].emptied == () and state.job(job.id) == job
    assert state.wipe()


def test_what_was_removed_is_in_no_file(embedded: SqliteState, path: Path) -> None:
    state = embedded
    job = Job("ers_00000000", "erasure", WORKSPACE, {"secret": "canary" * 20}, "links", 5)
    plan = Plan(Lane.REALTIME, 1, 0, 1, {})
    state.commit(plan, [link(f"email:canary{n}@x", f"phone:+4{n}") for n in range(300)])
    state.put_job(job)
    with state.watch() as watch:
        state.relink(WORKSPACE, {(each.a, each.b): None for each in state.links()}, watch)
    state.put_job(Job(job.id, job.kind, WORKSPACE, {}, "done", 5, 6))
    assert any(b"canary" in each.read_bytes() for each in path.parent.iterdir())
    assert state.wipe()
    assert not any(b"canary" in each.read_bytes() for each in path.parent.iterdir())


def test_severed_pairs_are_forgotten_up_to_a_moment(state: State) -> None:
    pairs = [Severed("email:a", "phone:1", 5), Severed("email:a", "phone:2", 6), Severed("email:b", "phone:1", 7)]
    state.sever(WORKSPACE, pairs)
    state.sever("ws_other000", pairs[:1])
    state.unsever(WORKSPACE, ["email:a"], 5)
    assert state.severed() == {WORKSPACE: pairs[1:], "ws_other000": pairs[:1]}


def test_what_an_older_headwater_removed_is_in_the_file_no_more(path: Path) -> None:
    """It did not zero what it removed."""
    old = apsw.Connection(str(path))
    old.execute("PRAGMA journal_mode = WAL").fetchall()
    old.execute(f"{''.join(sqlite._SCHEMA[:3])} PRAGMA user_version = 3").fetchall()
    rows = [(WORKSPACE, f"email:canary{n}@x", f"phone:+4{n}") for n in range(300)]
    old.executemany("INSERT INTO links (workspace, a, b) VALUES (?, ?, ?)", rows)
    old.execute("DELETE FROM links")
    old.close()
    assert b"canary" in path.read_bytes()
    state = SqliteState(path)
    assert state.wipe()
    state.close()
    assert b"canary" not in path.read_bytes()
