"""What every adapter that keeps cohorts promises. What is about files is the embedded one's alone."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from databases import Databases
from headwater.errors import ConflictError, StartError, UnavailableError
from headwater.state import cohorts_postgres, cohorts_sqlite
from headwater.state.cohorts import FIRST, Change, Cohort, Course, Member, Memberships, Rename, Step
from headwater.state.cohorts_postgres import PostgresMemberships
from headwater.state.cohorts_sqlite import SqliteMemberships
from services import Postgres

Adapter = Callable[[Path], Memberships]
WORKSPACE = "ws_abcdefgh"
ADA, BOB, EVE = "email:ada@x.example", "email:bob@x.example", "email:eve@x.example"


def on_postgres(server: Postgres) -> Adapter:
    databases = Databases(server)
    return lambda path: PostgresMemberships(databases.url(path))


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.cluster)])
def opened(request: pytest.FixtureRequest) -> Adapter:
    return SqliteMemberships if request.param == "sqlite" else on_postgres(request.getfixturevalue("postgres"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cohorts.db"


@pytest.fixture
def kept(opened: Adapter, path: Path) -> Iterator[Memberships]:
    kept = opened(path)
    yield kept
    kept.close()


def in_pieces(patch: pytest.MonkeyPatch, piece: int) -> None:
    for adapter in (cohorts_sqlite, cohorts_postgres):
        patch.setattr(adapter, "PIECE", piece)


def rows(kept: Memberships, table: str) -> int:
    """How many a table has, whoever they are of."""
    assert isinstance(kept, SqliteMemberships | PostgresMemberships)
    prefix = "cohort_" if isinstance(kept, PostgresMemberships) else ""
    ((count,),) = kept._ask(f"SELECT count(*) FROM {prefix}{table}")
    return int(count)


def cohort(name: str, workspace: str = WORKSPACE) -> Cohort:
    return Cohort(f"coh_{name}", workspace, name, {"where": {"not": {"all": [1, None, "é"]}}}, 17)


def entered(name: str, identity: str, at_ms: int, event_id: str | None = None) -> Change:
    return Change(f"coh_{name}", identity, at_ms, True, "event" if event_id else "clock", event_id)


def left(name: str, identity: str, at_ms: int) -> Change:
    return Change(f"coh_{name}", identity, at_ms, False, "clock")


def members(kept: Memberships, name: str) -> dict[str, int]:
    return {member.identity: member.since_ms for member in kept.members(f"coh_{name}")}


def history(kept: Memberships, name: str, identities: list[str] | None = None) -> list[Change]:
    return [change for _, change in kept.changes(f"coh_{name}", None, 1000, identities)]


def test_cohorts_are_listed_oldest_first_and_outlive_the_process(
    opened: Adapter, path: Path, kept: Memberships
) -> None:
    made = [cohort("z"), cohort("a"), cohort("m", "ws_other")]
    for each in made:
        kept.add(each)
    assert list(kept.cohorts()) == made
    kept.close()
    again = opened(path)
    assert list(again.cohorts()) == made
    again.close()


def test_a_workspace_sees_its_own_alone(kept: Memberships) -> None:
    made = [cohort("z"), cohort("a"), cohort("m", "ws_other")]
    for each in made:
        kept.add(each)
    assert [kept.cohort(each.workspace, each.id) for each in made] == made
    assert kept.cohort("ws_other", "coh_z") is kept.cohort(WORKSPACE, "coh_m") is kept.cohort(WORKSPACE, "") is None
    assert [kept.count(workspace) for workspace in (WORKSPACE, "ws_other", "ws_none")] == [2, 1, 0]
    assert kept.names(WORKSPACE) == []
    for each in made:
        kept.fill(each.id, [], 5)
    assert list(kept.names(WORKSPACE)) == [("coh_z", "z"), ("coh_a", "a")] and kept.names("ws_none") == []
    kept.retitle("coh_z", "b")
    kept.remove("coh_a")
    assert (list(kept.names(WORKSPACE)), kept.count(WORKSPACE)) == ([("coh_z", "b")], 1)
    assert kept.cohort(WORKSPACE, "coh_a") is None


def test_cohorts_are_paged_by_when_they_were_made(kept: Memberships) -> None:
    made = [Cohort(f"coh_{n % 7}{n}", WORKSPACE, f"{n}", {"n": n}, n // 4) for n in range(25)]
    for each in [*made[::-1], cohort("m", "ws_other")]:
        kept.add(each)
    found: list[Cohort] = []
    while page := kept.listed(WORKSPACE, found[-1].place if found else FIRST, 7):
        assert len(page) <= 7
        found += page
    assert found == sorted(made, key=lambda each: (each.created_ms, each.id))
    assert kept.listed("ws_none", FIRST, 7) == []


def test_a_name_is_there_once_in_a_workspace(kept: Memberships) -> None:
    kept.add(cohort("a"))
    with pytest.raises(ConflictError, match="'a'"):
        kept.add(Cohort("coh_other", WORKSPACE, "a", {}, 1))
    kept.add(Cohort("coh_elsewhere", "ws_other", "a", {}, 1))
    kept.add(cohort("b"))
    with pytest.raises(ConflictError, match="'a'"):
        kept.retitle("coh_b", "a")
    kept.retitle("coh_b", "c")
    kept.retitle("coh_none", "a")
    assert [each.name for each in kept.cohorts()] == ["a", "a", "c"]
    kept.remove("coh_a")
    kept.retitle("coh_b", "a")
    assert [(each.id, each.name) for each in kept.cohorts()] == [("coh_elsewhere", "a"), ("coh_b", "a")]


@pytest.mark.parametrize("piece", [2, 10_000])
def test_filling_replaces_what_an_earlier_try_left(
    kept: Memberships, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    in_pieces(monkeypatch, piece)

    def broken() -> Iterable[str]:
        yield from (f"account:{n}" for n in range(7))
        raise RuntimeError

    kept.add(cohort("a"))
    kept.add(cohort("b"))
    kept.fill("coh_b", [BOB], 5)
    with pytest.raises(RuntimeError):
        kept.fill("coh_a", broken(), 10)
    assert kept.cohorts()[0].filled_ms is None
    kept.apply([entered("a", f"account:{n}", 11) for n in range(7)])
    kept.fill("coh_a", iter([ADA, EVE, BOB, "account:9", "account:3"]), 20)
    assert kept.cohorts()[0].filled_ms == 20
    assert members(kept, "a") == dict.fromkeys((ADA, BOB, EVE, "account:9", "account:3"), 20)
    assert members(kept, "b") == {BOB: 5}
    kept.fill("coh_a", [], 30)
    assert members(kept, "a") == {} and kept.cohorts()[0].filled_ms == 30


def test_changes_move_the_members(kept: Memberships) -> None:
    kept.add(cohort("a"))
    kept.fill("coh_a", [ADA], 5)
    kept.apply([entered("a", BOB, 10, "01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01"), left("a", ADA, 11)])
    kept.apply([entered("a", ADA, 12)])
    assert members(kept, "a") == {BOB: 10, ADA: 12}
    assert [kept.since("coh_a", each) for each in (BOB, ADA, EVE)] == [10, 12, None]
    assert kept.since("coh_none", BOB) is None
    newest_first = [
        entered("a", ADA, 12),
        left("a", ADA, 11),
        entered("a", BOB, 10, "01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01"),
    ]
    assert history(kept, "a") == newest_first
    assert history(kept, "a", [ADA, EVE]) == [newest_first[0], newest_first[1]]
    assert history(kept, "a", [EVE]) == history(kept, "a", []) == []


def test_what_changes_nothing_is_not_written_down(kept: Memberships) -> None:
    """So that changes which a crash left in doubt may be applied once more."""
    kept.add(cohort("a"))
    for _ in range(2):
        kept.apply([entered("a", ADA, 1), entered("a", ADA, 2), left("a", BOB, 3), left("a", EVE, 4)])
    assert (members(kept, "a"), history(kept, "a")) == ({ADA: 1}, [entered("a", ADA, 1)])


def test_changes_are_applied_all_or_none(kept: Memberships) -> None:
    kept.add(cohort("a"))
    kept.apply([entered("a", ADA, 1)])
    with pytest.raises(TypeError):
        kept.apply([left("a", ADA, 2), entered("a", BOB, object())])  # type: ignore[arg-type]
    assert (members(kept, "a"), history(kept, "a")) == ({ADA: 1}, [entered("a", ADA, 1)])
    kept.apply([])
    kept.apply([left("a", ADA, 3)])
    assert members(kept, "a") == {}


def test_a_course_counts_what_happened_by_steps(kept: Memberships) -> None:
    kept.add(cohort("a"))
    kept.add(cohort("b"))
    kept.fill("coh_a", [ADA], 5)
    assert kept.course("coh_a", 0, 10) == Course(1, {}) and kept.course("coh_none", 0, 10) == Course(0, {})
    kept.apply([entered("a", BOB, 10), entered("b", BOB, 10), left("a", ADA, 19), entered("a", EVE, 20)])
    kept.apply([left("a", EVE, 39), left("a", EVE, 40)])  # the second changes nothing
    assert kept.course("coh_a", 0, 10) == Course(1, {1: Step(1, 1, 0), 2: Step(1, 0, 0), 3: Step(0, 1, 0)})
    assert kept.course("coh_a", 20, 10) == Course(1, {0: Step(1, 0, 0), 1: Step(0, 1, 0)})
    assert kept.course("coh_a", 41, 10) == Course(1, {})


def test_a_course_knows_of_members_that_became_one(kept: Memberships) -> None:
    kept.add(cohort("a"))
    kept.apply([entered("a", ADA, 1), entered("a", BOB, 2)])
    kept.apply([], [Rename("coh_a", BOB, EVE, 3)])  # alone: the membership goes on
    assert kept.course("coh_a", 0, 10) == Course(2, {0: Step(2, 0, 0)})
    for _ in range(2):
        kept.apply([], [Rename("coh_a", EVE, ADA, 11), Rename("coh_a", "account:1", ADA, 11)])
    assert kept.course("coh_a", 0, 10) == Course(1, {0: Step(2, 0, 0), 1: Step(0, 0, 1)})
    kept.erase(WORKSPACE, [ADA, BOB, EVE])
    assert kept.course("coh_a", 0, 10) == Course(0, {})
    kept.apply([entered("a", ADA, 1), entered("a", BOB, 2)], [])
    for _ in range(2):  # taken apart and joined within one millisecond
        kept.apply([], [Rename("coh_a", BOB, ADA, 11)])
        kept.apply([entered("a", BOB, 11)])
    assert kept.course("coh_a", 0, 10) == Course(2, {0: Step(2, 0, 0), 1: Step(2, 0, 2)})
    kept.apply([], [Rename("coh_a", BOB, ADA, 12)])
    kept.remove("coh_a")
    kept.add(cohort("a"))
    assert kept.course("coh_a", 0, 10) == Course(0, {})


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.sampled_from(("in", "out", "one", "gone"))),
        max_size=30,
    )
)
@settings(deadline=None)  # every step is a commit
def test_a_course_leads_to_the_members(
    opened: Adapter, tmp_path_factory: pytest.TempPathFactory, did: list[tuple[str, str, str]]
) -> None:
    """Counted back from now, there is nobody before the first; and never fewer than that on the way."""
    kept = opened(tmp_path_factory.mktemp("course") / "cohorts.db")
    kept.add(cohort("a"))
    for at_ms, (one, other, what) in enumerate(did):
        match what:
            case "in":
                kept.apply([entered("a", one, at_ms)])
            case "out":
                kept.apply([left("a", one, at_ms)])
            case "one":
                kept.apply([], [Rename("coh_a", one, other, at_ms)])
            case "gone":
                kept.erase(WORKSPACE, "abcd")
    course = kept.course("coh_a", 0, 3)
    assert course.members == len(members(kept, "a"))
    sizes, size = list[int](), course.members
    for _, step in sorted(course.steps.items(), reverse=True):
        sizes.append(size)
        size -= step.entered - step.left - step.merged
    assert size == 0 and all(each >= 0 for each in sizes)
    assert sum(step.entered for step in course.steps.values()) == sum(each.entered for each in history(kept, "a"))
    kept.close()


def test_history_is_walked_by_number(kept: Memberships) -> None:
    for name in ("a", "b"):
        kept.add(cohort(name))
    for n in range(25):
        kept.apply([entered(name, f"account:{n}", n) for name in ("a", "b")])
    found: list[Change] = []
    before = None
    while page := kept.changes("coh_a", before, 7):
        found += [change for _, change in page]
        numbers = [number for number, _ in page]
        assert numbers == sorted(numbers, reverse=True)
        before = numbers[-1]
    assert found == [entered("a", f"account:{n}", n) for n in reversed(range(25))]


def test_members_are_paged_by_identity(kept: Memberships) -> None:
    kept.add(cohort("a"))
    named = [f"email:{letter}@x.example" for letter in "aBé\U0001f600z"]
    kept.fill("coh_a", named, 3)
    found: list[Member] = []
    while page := kept.page("coh_a", found[-1].identity if found else "", 2):
        found += page
    assert found == [Member(identity, 3) for identity in sorted(named)]


def test_a_profile_may_stand_under_another_identity(kept: Memberships) -> None:
    for name in ("a", "b", "c", "d"):
        kept.add(cohort(name))
    kept.fill("coh_a", [ADA], 1)
    kept.fill("coh_b", [ADA, BOB], 1)
    kept.apply([left("b", BOB, 2), entered("b", BOB, 3)])
    kept.fill("coh_c", [BOB], 4)
    kept.fill("coh_d", [ADA], 5)
    before = {name: history(kept, name) for name in ("a", "b", "c", "d")}
    kept.apply([], [Rename(f"coh_{name}", ADA, BOB) for name in ("a", "b", "c", "none")])
    assert [members(kept, name) for name in ("a", "b", "c", "d")] == [{BOB: 1}, {BOB: 3}, {BOB: 4}, {ADA: 5}]
    assert {name: history(kept, name) for name in ("a", "b", "c", "d")} == before
    kept.apply([], [Rename("coh_d", ADA, ADA)])
    assert members(kept, "d") == {ADA: 5}


@pytest.mark.parametrize("piece", [2, 10_000])
def test_a_removed_cohort_is_gone_with_all_it_had(
    kept: Memberships, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    in_pieces(monkeypatch, piece)
    for name in ("a", "b"):
        kept.add(cohort(name))
        kept.apply([entered(name, f"account:{n}", n) for n in range(9)])
    kept.remove("coh_a")
    kept.remove("coh_a")
    kept.apply([entered("a", ADA, 1), entered("b", ADA, 1)])
    kept.fill("coh_a", [ADA], 1)
    kept.apply([], [Rename("coh_a", ADA, BOB)])
    kept.add(cohort("a"))
    assert (members(kept, "a"), history(kept, "a")) == ({}, [])
    assert len(members(kept, "b")) == len(history(kept, "b")) == 10
    assert [each.id for each in kept.cohorts()] == ["coh_b", "coh_a"]


def test_removing_ends_a_filling(kept: Memberships, monkeypatch: pytest.MonkeyPatch) -> None:
    in_pieces(monkeypatch, 2)
    kept.add(cohort("a"))

    def removed_on_the_way() -> Iterable[str]:
        yield from (ADA, BOB, EVE)
        kept.remove("coh_a")
        yield "account:1"

    kept.fill("coh_a", removed_on_the_way(), 1)
    assert rows(kept, "members") == 0


def test_a_removal_that_was_cut_short_is_finished_at_the_next_start(
    kept: Memberships, opened: Adapter, path: Path
) -> None:
    kept.add(cohort("a"))
    kept.add(cohort("b"))
    kept.apply([entered("a", ADA, 1), entered("b", ADA, 1)])
    kept._clear_away = lambda number: None  # type: ignore[attr-defined]
    kept.remove("coh_a")
    kept.close()
    kept = opened(path)
    assert rows(kept, "members") == rows(kept, "changes") == 1
    assert rows(kept, "removed") == 0 and members(kept, "b") == {ADA: 1}
    kept.close()


def test_a_cohort_made_while_another_is_cleared_away_keeps_its_own(kept: Memberships) -> None:
    assert isinstance(kept, SqliteMemberships | PostgresMemberships)
    kept.add(cohort("a"))
    kept.apply([entered("a", ADA, 1)])
    clear_away = kept._clear_away

    def interrupted(number: int) -> None:
        kept.add(cohort("b"))
        kept.apply([entered("b", BOB, 2)])
        assert (members(kept, "b"), history(kept, "b")) == ({BOB: 2}, [entered("b", BOB, 2)])
        clear_away(number)

    kept._clear_away = interrupted  # type: ignore[method-assign]
    kept.remove("coh_a")
    assert (members(kept, "b"), history(kept, "b")) == ({BOB: 2}, [entered("b", BOB, 2)])


@given(st.lists(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=6), max_size=12))
def test_members_are_what_the_history_adds_up_to(
    opened: Adapter, tmp_path_factory: pytest.TempPathFactory, steps: list[list[tuple[bool, int]]]
) -> None:
    kept = opened(tmp_path_factory.mktemp("fold") / "cohorts.db")
    kept.add(cohort("a"))
    wanted: dict[str, int] = {}
    for at_ms, step in enumerate(steps):
        changes = [Change("coh_a", f"account:{n}", at_ms, enters, "clock") for enters, n in step]
        kept.apply(changes)
        for change in changes:
            if change.entered:
                wanted.setdefault(change.identity, at_ms)
            else:
                wanted.pop(change.identity, None)
    folded: dict[str, int] = {}
    for change in reversed(history(kept, "a")):
        if change.entered:
            assert change.identity not in folded
            folded[change.identity] = change.at_ms
        else:
            del folded[change.identity]
    assert members(kept, "a") == folded == wanted
    kept.close()


WRITER = """
    import itertools, sys
    from pathlib import Path
    from headwater.state.cohorts import Change, Cohort
    from headwater.state.cohorts_sqlite import SqliteMemberships

    kept = SqliteMemberships(Path(sys.argv[1]))
    if not kept.cohorts():
        kept.add(Cohort("coh_a", "ws", "a", {}, 1))
    start = 1 + max((change.at_ms for _, change in kept.changes("coh_a", None, 1)), default=-1)
    for at_ms in itertools.count(start):
        pair = [f"account:{at_ms}-{side}" for side in "lr"]
        kept.apply([Change("coh_a", identity, at_ms, True, "clock") for identity in pair])
        print(at_ms, flush=True)
"""


def test_what_was_applied_outlives_kill_9_and_pairs_stay_whole(path: Path) -> None:
    for _ in range(4):
        command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(15):
                said = int(writer.stdout.readline())
            os.kill(writer.pid, signal.SIGKILL)
            said = max([said, *map(int, writer.stdout.read().split())])
        kept = SqliteMemberships(path)
        found = members(kept, "a")
        last = max(found.values())
        assert last in (said, said + 1)
        assert found == {f"account:{n}-{side}": n for n in range(last + 1) for side in "lr"}
        assert len(history(kept, "a")) == min(1000, len(found))
        kept.close()


def test_questions_do_not_wait_for_a_filling(kept: Memberships) -> None:
    kept.add(cohort("a"))
    kept.apply([entered("a", ADA, 1)])
    kept.add(cohort("b"))
    begun, asked = threading.Event(), threading.Event()

    def slow() -> Iterable[str]:
        begun.set()
        assert asked.wait(30)
        yield BOB

    filling = threading.Thread(target=kept.fill, args=("coh_b", slow(), 1))
    filling.start()
    assert begun.wait(30)
    kept.apply([entered("a", EVE, 2)])
    assert members(kept, "a") == {ADA: 1, EVE: 2}
    asked.set()
    filling.join()
    assert members(kept, "b") == {BOB: 1}


LONG = {"long": "x" * 100_000}


def test_a_full_disk_is_told_and_nothing_is_done(path: Path) -> None:
    kept = SqliteMemberships(path)
    kept.add(cohort("a"))
    kept._write.execute("PRAGMA max_page_count = 1")  # that is: what it has now
    with pytest.raises(UnavailableError, match="full") as told:
        kept.add(Cohort("coh_b", WORKSPACE, "b", LONG, 1))
    assert isinstance(told.value.__cause__, apsw.FullError)
    with pytest.raises(UnavailableError):
        kept.retitle("coh_a", "a" * 100_000)
    with pytest.raises(ConflictError, match="'a'"):
        kept.add(Cohort("coh_b", WORKSPACE, "a", {}, 1))
    assert kept.cohorts() == [cohort("a")]
    kept._write.execute("PRAGMA max_page_count = 4294967294")
    kept.add(Cohort("coh_b", WORKSPACE, "b", LONG, 1))
    kept.apply([entered("b", ADA, 1)])
    assert members(kept, "b") == {ADA: 1}
    kept.close()


def test_a_cohort_that_could_not_be_removed_lives_on(path: Path) -> None:
    kept = SqliteMemberships(path)
    kept.add(cohort("a"))
    kept._write.set_busy_timeout(0)
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    for change in (lambda: kept.remove("coh_a"), lambda: kept.retitle("coh_a", "b"), lambda: kept.add(cohort("b"))):
        with pytest.raises(UnavailableError, match="locked"):
            change()
    other.execute("ROLLBACK")
    other.close()
    kept.apply([entered("a", ADA, 1)])
    assert (kept.cohorts(), members(kept, "a")) == ([cohort("a")], {ADA: 1})
    kept.remove("coh_a")
    assert (kept.cohorts(), members(kept, "a"), kept._ask("SELECT * FROM members")) == ([], {}, [])
    kept.close()


def test_a_removal_counts_even_when_the_members_cannot_be_deleted_now(path: Path) -> None:
    kept = SqliteMemberships(path)
    kept.add(cohort("a"))
    kept.apply([entered("a", ADA, 1)])
    clear_away, other = kept._clear_away, apsw.Connection(str(path))

    def while_locked(number: int) -> None:
        kept._write.set_busy_timeout(0)
        other.execute("BEGIN IMMEDIATE")
        clear_away(number)

    kept._clear_away = while_locked  # type: ignore[method-assign]
    kept.remove("coh_a")
    other.close()
    assert (kept.cohorts(), members(kept, "a")) == ([], {}) and kept._ask("SELECT count(*) FROM members") == [(1,)]
    kept.close()
    kept = SqliteMemberships(path)
    assert kept._ask("SELECT count(*) FROM members") == kept._ask("SELECT count(*) FROM removed") == [(0,)]
    kept.close()


def test_questions_to_a_file_that_cannot_be_read_are_told(path: Path) -> None:
    kept = SqliteMemberships(path)
    kept.add(cohort("a"))
    kept.close()
    asked: list[Callable[[], object]] = [
        lambda: kept.cohort(WORKSPACE, "coh_a"),
        lambda: kept.listed(WORKSPACE, FIRST, 1),
        lambda: kept.names(WORKSPACE),
        lambda: kept.count(WORKSPACE),
        lambda: kept.since("coh_a", ADA),
        lambda: kept.page("coh_a", "", 1),
        lambda: kept.changes("coh_a", None, 1),
        lambda: kept.changes("coh_a", None, 1, [ADA]),
    ]
    for ask in asked:
        with pytest.raises(UnavailableError):
            ask()


def test_a_file_of_an_older_headwater_is_read_on(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(cohorts_sqlite._SCHEMA[0] + "PRAGMA user_version = 1")
    connection.execute("INSERT INTO cohorts VALUES (1, 'coh_a', ?, 'a', '{\"n\":1}', 17, 18)", (WORKSPACE,))
    connection.close()
    kept = SqliteMemberships(path)
    assert kept.listed(WORKSPACE, FIRST, 9) == [Cohort("coh_a", WORKSPACE, "a", {"n": 1}, 17, 18)]
    assert list(kept.names(WORKSPACE)) == [("coh_a", "a")]
    kept.close()


def test_a_file_of_a_newer_headwater_is_refused(path: Path) -> None:
    SqliteMemberships(path).close()
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()
    with pytest.raises(StartError, match="newer"):
        SqliteMemberships(path)


def test_every_commit_is_synced(path: Path) -> None:
    kept = SqliteMemberships(path)
    assert kept._write.pragma("synchronous") == 2 and kept._write.pragma("journal_mode") == "wal"
    kept.close()


def test_what_an_event_led_to(kept: Memberships, opened: Adapter, path: Path) -> None:
    kept.add(cohort("a"))
    kept.add(cohort("b"))
    kept.add(cohort("other", "ws_somebody"))
    for name in ("a", "b", "other"):
        kept.fill(f"coh_{name}", [], 1)
    led_to = [entered("a", ADA, 2, "e1"), entered("b", ADA, 3, "e1")]
    kept.apply([led_to[0], entered("a", BOB, 2, "e2"), led_to[1], entered("other", EVE, 3, "e1"), left("a", ADA, 9)])
    assert kept.caused(WORKSPACE, "e1") == [("a", led_to[0]), ("b", led_to[1])]
    assert kept.caused(WORKSPACE, "e3") == [] == kept.caused("ws_nobody", "e1")
    kept.retitle("coh_b", "renamed")
    kept.remove("coh_a")
    assert kept.caused(WORKSPACE, "e1") == [("renamed", led_to[1])]


def test_who_is_erased_was_never_there(kept: Memberships, path: Path) -> None:
    for name, workspace in (("a", WORKSPACE), ("b", WORKSPACE), ("c", "ws_other000")):
        kept.add(cohort(name, workspace))
        kept.apply([entered(name, ADA, 1), entered(name, BOB, 2), left(name, BOB, 3), entered(name, EVE, 4)])
    kept.erase(WORKSPACE, [ADA, BOB])
    for name in "ab":
        assert members(kept, name) == {EVE: 4} and history(kept, name) == [entered(name, EVE, 4)]
    assert members(kept, "c") == {ADA: 1, EVE: 4} and len(history(kept, "c")) == 4
    kept.erase("ws_other000", [ADA, BOB, EVE])
    assert rows(kept, "members") == rows(kept, "changes") == 2
    assert kept.wipe()
    if isinstance(kept, SqliteMemberships):  # where the bytes are a server's, they go when it reuses their place
        assert not any(ADA.encode() in each.read_bytes() for each in path.parent.iterdir())


def test_all_changes_are_read_by_their_numbers(kept: Memberships) -> None:
    for id_, workspace in (("coh_00000001", WORKSPACE), ("coh_00000002", "ws_zyxwvuts")):
        kept.add(Cohort(id_, workspace, f"all {id_}", {}, 1))
    assert kept.newest() == 0 and kept.news(0, 9) == []
    entered, left = Change("coh_00000001", ADA, 5, True, "event", "e1"), Change("coh_00000001", ADA, 6, False, "clock")
    other = Change("coh_00000002", BOB, 6, True, "profile")
    kept.apply([entered, left])
    kept.apply([other])
    first, second, third = kept.news(0, 9)
    assert [each.change for each in (first, second, third)] == [entered, left, other]
    assert (third.workspace, third.name) == ("ws_zyxwvuts", "all coh_00000002")
    assert kept.news(first.number, 1) == [second] and kept.newest() == third.number
    kept.erase("ws_zyxwvuts", [BOB])
    assert kept.news(second.number, 9) == [] and kept.newest() == third.number
