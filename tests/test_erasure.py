"""Erasing a person, and what is older than it may be: held against a twin that never had them, killed at every step."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import apsw
import msgspec
import pytest
from msgspec import structs

from cli.test_doctor import look
from erasing import Engine, inside
from figures import Section, tell
from headwater.catalog.base import NewSignal
from headwater.catalog.credentials import load_secret
from headwater.catalog.sqlite import SqliteCatalog
from headwater.claims.sqlite import SqliteClaims
from headwater.clock import DAY_MS, now_ms
from headwater.config import Settings
from headwater.erasure import Erasure
from headwater.errors import InvalidError, NotFoundError, StartError
from headwater.events import Batch, Claim, Lane, decode_lines
from headwater.log.files import FilesReader
from headwater.rules.grammar import parse
from headwater.rules.ids import new_id
from headwater.state.base import Job
from headwater.state.cohorts import Cohort
from headwater.tombstones import Tombstone, hash_of, read
from headwater.wiring.offline import apply_tombstones
from parts import Sent, batch_of
from tools import sampled

TOKEN, DIGITS = "qzx7731", "4915177317731"
MAIL, PHONE = f"email:{TOKEN}@example.com", f"phone:+{DIGITS}"
CAROL, DAVE = "email:carol@example.com", "email:dave@example.com"
STEPS = (
    "drain",
    "resolve",
    "find",
    "delete",
    "links",
    "people",
    "claims",
    "purge",
    "written",
    "log",
    "again",
    "forget",
    "close",
)
ORDERED = {"subject": "person", "where": {"performed": "ordered", "count": {">=": 1}}}
NEVER = {"subject": "person", "where": {"not": {"performed": "ordered"}}}
CALLED = {"subject": "person", "where": {"metric": "calls", "periods": 2, ">=": 3}}


class Made(NamedTuple):
    """A data directory, before anything is in it but the catalog."""

    path: Path
    workspace: str
    signals: dict[str, str]
    reverted: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    path = tmp_path_factory.mktemp("made") / "data"
    settings = Settings(data_dir=path)
    catalog = SqliteCatalog(settings.catalog_path, load_secret(settings))
    try:
        catalog.first_start(settings)
        (workspace,) = catalog.workspaces()
        new = {"aggregation": "sum", "period": "day", "value": "n"}
        catalog.create_signal("test", workspace.id, NewSignal(name="calls", type="metric", **new))  # type: ignore[arg-type]
        catalog.create_signal("test", workspace.id, NewSignal(name="health", type="state", value="is"))
        catalog.create_signal("test", workspace.id, NewSignal(name="brief", type="event", retention_days=1))
        load = catalog.create_backfill("test", workspace.id, "load")
        catalog.revert_backfill("test", workspace.id, load.id)
        signals = {slug: each.id for slug, each in catalog.signals_of(workspace.id).items()}
        return Made(path, workspace.id, signals, load.id)
    finally:
        catalog.close()


def story(made: Made, random: Random) -> list[Batch]:
    """The person, in every way that somebody can be in a store, among others."""
    now = now_ms()
    person = [
        Sent(now, (MAIL, PHONE), name=f"{TOKEN} Doe", data={"note": f"{TOKEN} likes tea"}, reference=f"ref-{TOKEN}"),
        Sent(now - 5, (PHONE,), signal="calls", data={"n": 2}, value="2"),
        Sent(now - 6, (MAIL,), signal="health", data={"is": TOKEN}, value=f'"{TOKEN}"'),
        Sent(now - 7, (MAIL,), reason="schema_violation", data={"bad": TOKEN}),
        Sent(now - 8, (MAIL, PHONE), lane=Lane.MIGRATION, backfill=made.reverted, data={"old": TOKEN}),
        Sent(now - 9, (CAROL, MAIL), data={"with": TOKEN}),
    ]
    batches = []
    for number in range(40):
        others = [_other(random, now, made) for _ in range(random.randrange(1, 8))]
        mixed = [*others, *(person if number % 5 == 0 else [])]
        random.shuffle(mixed)
        month_ago = now - 40 * DAY_MS if number % 4 == 0 else now - 1000
        batches.append(_signed(batch_of(made.workspace, mixed, month_ago), made))
    batches.append(_signed(batch_of(made.workspace, person, now - 1000), made))
    batches.append(_signed(batch_of(made.workspace, [Sent(now, (CAROL, DAVE), data={})], now - 1000), made))
    return batches


def _other(random: Random, now: int, made: Made) -> Sent:
    who = [f"email:p{random.randrange(30)}@example.com", f"phone:+49301234{random.randrange(30):03}"]
    kind: tuple[Any, ...] = random.choice(
        [("ordered", {"note": "tea"}, None), ("calls", {"n": 3}, "3"), ("health", {"is": "well"}, '"well"')]
    )
    lane, reason = random.choice([*Lane]), "" if random.random() < 0.8 else "schema_violation"
    about = (now - random.randrange(DAY_MS), tuple(who[: random.choice([1, 1, 1, 2])]), kind[0], lane, reason)
    return Sent(*about, data=kind[1], value=None if reason else kind[2])


def _signed(batch: Batch, made: Made) -> Batch:
    """With the ids of the catalog's signals, without those that cannot be."""
    parts = []
    for part in batch.parts:
        rows = [msgspec.json.decode(line) for line in part.lines.splitlines()]
        for row in rows:
            row[2] = made.signals[row[1]]
        lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        parts.append(structs.replace(part, lines=lines))
    return structs.replace(batch, parts=tuple(parts))


def without(batch: Batch, *identities: str) -> Batch | None:
    """The batch as if the events that name these had not been sent."""
    parts = []
    for part in batch.parts:
        lines = part.lines.splitlines(keepends=True)
        named = [{*line.identities} for line in decode_lines(part.lines)]
        kept = [line for line, who in zip(lines, named, strict=True) if not who.intersection(identities)]
        if kept:
            times = [line.occurred_ms for line in decode_lines(b"".join(kept))]
            whole = structs.replace(part, count=len(kept), lines=b"".join(kept))
            parts.append(structs.replace(whole, first_ms=min(times), last_ms=max(times)))
    return structs.replace(batch, parts=tuple(parts)) if parts else None


def facts(engine: Engine, workspace: str) -> dict[str, Any]:
    """Everything that is asked about people, as hashes."""
    rows = engine.rows("SELECT * EXCEPT block FROM events ORDER BY id, replayed_ms")
    links = sorted((link.a, link.b, link.first_ms) for link in engine.state.links())
    members = {
        cohort.name: sorted(each.identity for each in engine.memberships.members(cohort.id))
        for cohort in engine.memberships.cohorts()
    }
    circles = sorted({engine.people.connected(workspace, each) for a, b, _ in links for each in (a, b)})
    counted = {lane: account.months for lane, account in engine.state.ledger().items()}
    found = {"rows": rows, "links": links, "members": members, "circles": circles, "counted": counted}
    return {name: _hash(each) if name == "rows" else each for name, each in found.items()}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, default=str, sort_keys=True).encode()).hexdigest()


def define(engine: Engine, workspace: str, *definitions: dict[str, Any]) -> None:
    signals = engine.catalog.signals_of(workspace)
    for number, definition in enumerate(definitions):
        cohort = Cohort(new_id("coh"), workspace, f"cohort {number}", definition, now_ms())
        engine.memberships.add(cohort)
        engine.live.define(cohort, parse(definition, signals))


class Scene(NamedTuple):
    """A directory with the person, and what it must come to."""

    made: Made
    path: Path
    expected: dict[str, Any]


def copy(made: Made, to: Path) -> Path:
    shutil.copytree(made.path, to, symlinks=True)
    return to


@pytest.fixture(scope="module")
def scene(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    random = Random(7)
    batches = story(made, random)
    with Engine(copy(made, tmp_path_factory.mktemp("twin") / "data")) as twin:
        twin.append(left for batch in batches if (left := without(batch, MAIL, PHONE)))
        twin.drain()
        define(twin, made.workspace, ORDERED, NEVER, CALLED)
        expected = facts(twin, made.workspace)
    path = copy(made, tmp_path_factory.mktemp("scene") / "data")
    with Engine(path) as engine:
        fill(engine, made, batches)
    return Scene(made, path, expected)


def fill(engine: Engine, made: Made, batches: Sequence[Batch]) -> None:
    """The last batches are in no block of others."""
    for some in (batches[:30], batches[30:-2], batches[-2:-1]):
        engine.append(some)
        engine.drain()
    engine.people.unmerge(made.workspace, CAROL, now_ms())
    define(engine, made.workspace, ORDERED, NEVER, CALLED)
    engine.append(batches[-1:])
    engine.drain()


@pytest.fixture
def data(scene: Scene, tmp_path: Path) -> Path:
    shutil.copytree(scene.path, tmp_path / "data", symlinks=True)
    return tmp_path / "data"


def begin(path: Path, made: Made) -> None:
    with Engine(path) as engine:
        engine.erasures.erase(made.workspace, MAIL)


def check(engine: Engine, scene: Scene) -> None:
    assert facts(engine, scene.made.workspace) == scene.expected
    assert engine.live.verify()["differences"] == []
    assert not any(engine.rows("SELECT id FROM doomed"))
    replaced = engine.rows("SELECT name FROM system.parts WHERE table = 'events' AND NOT active")
    assert all(each["name"].count("_") == 4 for each in replaced), "by merges since, at most"
    assert MAIL not in engine.people.connected(scene.made.workspace, CAROL)


def test_nothing_of_them_is_left_and_nobody_else_is_touched(scene: Scene, data: Path) -> None:
    before = inside(data, TOKEN, DIGITS)
    assert {"state.db", "cohorts.db"} <= {Path(each).name.split("-")[0] for of in before.values() for each in of}
    with Engine(data) as engine:
        has = f"SELECT count() AS n FROM events WHERE arrayExists(each -> each LIKE '%{TOKEN}%', identities)"
        assert engine.rows(has)[0]["n"] > 40
        asked = engine.erasures.erase(scene.made.workspace, MAIL)
        assert (asked["status"], asked["identities"]) == ("erasing", 2)
        job = engine.state.job(asked["id"])
        assert job is not None
        on_its_way = batch_of(scene.made.workspace, [Sent(1, (PHONE,), data={"late": TOKEN})], job.about["at_ms"])
        engine.append([_signed(on_its_way, scene.made)])
        engine.work()
        done = engine.erasures.one(scene.made.workspace, asked["id"])
        assert (done["status"], done["step"]) == ("done", None) and done["events"] > 40 and done["done_at"]
        check(engine, scene)
        assert engine.forgotten and engine.rows(has)[0]["n"] == 0
        emptied = [span for account in engine.state.ledger().values() for span in account.emptied]
        assert emptied, "the person had a block of their own"
    assert inside(data, TOKEN, DIGITS) == {TOKEN: [], DIGITS: []}
    said = look(data)
    assert said.of("fault") == set() and said.of("warning") <= {"engine"}, said.text
    stones = read(data / "tombstones")
    secret = (data / "key-secret").read_bytes()
    assert {each.hash for each in stones} == {hash_of(secret, scene.made.workspace, each) for each in (MAIL, PHONE)}
    assert (data / "tombstones").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("step", "moment"), [("find", "after"), ("delete", "after"), ("purge", "after")])
def test_killed_where_it_matters_most(scene: Scene, data: Path, step: str, moment: str) -> None:
    killed(scene, data, step, moment)


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("step", "moment"), sampled([*product(STEPS, ("before", "after"))]))
def test_killed_at_every_step(scene: Scene, data: Path, step: str, moment: str) -> None:
    killed(scene, data, step, moment)
    tell(Section.KILLS, "an erasure before and after each of its steps", kills=1, traces_left=0)


def killed(scene: Scene, data: Path, step: str, moment: str) -> None:
    with Engine(data) as engine:
        engine.erasures.erase(scene.made.workspace, MAIL)
    command = [sys.executable, str(Path(__file__).with_name("erasing.py")), str(data), step, moment]
    assert subprocess.run(command, timeout=60, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert look(data).of("fault") == set(), "what is half done is no damage"
    with Engine(data) as engine:
        engine.work()
        check(engine, scene)
    assert inside(data, TOKEN, DIGITS) == {TOKEN: [], DIGITS: []}
    assert look(data).of("fault") == set()


def test_who_came_back_stays(scene: Scene, data: Path) -> None:
    """New events of the person, received after it was asked for, count as a stranger's."""
    with Engine(data) as engine:
        engine.erasures.erase(scene.made.workspace, MAIL)
        back = [Sent(now_ms(), (MAIL, "phone:+4930999"), data={"again": 1})]
        engine.append([_signed(batch_of(scene.made.workspace, back, now_ms() + 5), scene.made)])
        engine.work()
        assert engine.people.connected(scene.made.workspace, MAIL) == (MAIL, "phone:+4930999")
        assert engine.live.verify()["differences"] == []
        ordered = next(each.id for each in engine.memberships.cohorts() if each.definition == ORDERED)
        assert engine.live.member(ordered, MAIL) and engine.live.member(ordered, CAROL)
        (row,) = engine.rows(f"SELECT count() AS n FROM events WHERE has(identities, '{MAIL}')")
        assert row["n"] == 1


def test_an_older_backup_does_not_bring_them_back(scene: Scene, data: Path) -> None:
    """The list of the erased is applied to a copy of an earlier time, offline; what the log alone has is found too."""
    settings, secret = Settings(data_dir=data), (data / "key-secret").read_bytes()
    with Engine(data, keep_seconds=600) as engine:
        unstored = batch_of(scene.made.workspace, [Sent(1, ("email:only@logged.example",), data={})], now_ms() - 2000)
        engine._stop.set()  # nothing is stored any more
        engine._threads[0].join()
        engine.append([_signed(unstored, scene.made)])
    assert apply_tombstones(settings, []) == 0
    at_ms = now_ms()
    stones = [
        Tombstone(at_ms, scene.made.workspace, hash_of(secret, scene.made.workspace, each))
        for each in (MAIL, PHONE, "email:only@logged.example", "email:nobody@example.com")
    ]
    assert apply_tombstones(settings, [*stones, Tombstone(at_ms, "ws_00000000", "0" * 64)]) == 3
    assert inside(data, TOKEN, DIGITS) == {TOKEN: [], DIGITS: []}
    assert look(data).of("fault") == set()
    assert apply_tombstones(settings, stones) == 0
    with Engine(data) as engine:
        assert facts(engine, scene.made.workspace) == scene.expected


def test_claims_that_cannot_be_kept_stay_in_the_log(scene: Scene, data: Path) -> None:
    """Offline as well: nothing is stored, so nothing trimmed, before claims.db has them."""
    settings = Settings(data_dir=data)
    batch = _signed(batch_of(scene.made.workspace, [Sent(1, ("email:a@b.example",), data={})], now_ms()), scene.made)
    claim = Claim(b"k" * 16, batch.id + b"answer")
    with Engine(data) as engine:
        engine._stop.set()  # nothing is stored any more
        engine._threads[0].join()
        engine.append([structs.replace(batch, claims=(claim,))])
    SqliteClaims(settings.claims_path).close()
    stones = [Tombstone(now_ms(), scene.made.workspace, "0" * 64)]
    with closing(apsw.Connection(str(settings.claims_path))) as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON claims BEGIN SELECT raise(ABORT, 'on purpose'); END")
        with pytest.raises(StartError, match="claims"):
            apply_tombstones(settings, stones)
        connection.execute("DROP TRIGGER full")
    with closing(FilesReader(settings.log_dir)) as reader:
        assert [each.claims for each in reader.claims(0)] == [(claim,)]
    assert apply_tombstones(settings, stones) == 0
    with closing(SqliteClaims(settings.claims_path)) as shelf:
        assert shelf.find([claim.key]) == {claim.key: claim.value}


def test_what_is_asked_wrongly_is_told(scene: Scene, data: Path) -> None:
    with Engine(data) as engine:
        with pytest.raises(InvalidError, match="identity"):
            engine.erasures.erase(scene.made.workspace, "nobody")
        asked = [engine.erasures.erase(scene.made.workspace, each)["id"] for each in (MAIL, "email:new@example.com")]
        with pytest.raises(NotFoundError):
            engine.erasures.one("ws_00000000", asked[0])
        page = engine.erasures.page(scene.made.workspace, 1, None)
        rest = engine.erasures.page(scene.made.workspace, 1, page["next"])
        assert {each["id"] for of in (page, rest) for each in of["data"]} == set(asked) and rest["next"] is None
        with pytest.raises(InvalidError, match="cursor"):
            engine.erasures.page(scene.made.workspace, 1, "bm9uZQ")


def test_retention_is_exact_at_the_boundary(made: Made, tmp_path: Path) -> None:
    """Of a signal that keeps one day: what occurred before yesterday began goes, and nothing else."""
    path, now = copy(made, tmp_path / "data"), now_ms()
    midnight = now // DAY_MS * DAY_MS - DAY_MS
    keep = [
        Sent(at, (f"email:{slug}@example.com", f"phone:+4930{at % 10_000}"), signal=slug, reason=reason, lane=lane)
        for at in (midnight - DAY_MS, midnight - 1, midnight, midnight + 1, now)
        for slug in ("brief", "ordered")
        for reason in ("", "schema_violation")
        for lane in Lane
    ]
    old = [
        Sent(midnight - 1 - n, (f"email:old{n}@example.com", "email:hub@example.com"), signal="brief")
        for n in range(70)
    ]
    with Engine(path) as engine:
        engine.append([_signed(batch_of(made.workspace, some, now - 1000), made) for some in (keep, old)])
        engine.drain()
        define(engine, made.workspace, {"subject": "person", "where": {"performed": "brief"}})
        engine.work()  # as it is looked for what is wanted first
        rows = engine.rows("SELECT signal, occurred_ms, count() AS n FROM events GROUP BY ALL ORDER BY ALL")
        left = {(row["signal"], row["occurred_ms"]): row["n"] for row in rows}
        assert left == {
            **{("brief", at): 4 for at in (midnight, midnight + 1, now)},
            **{("ordered", at): 4 for at in (midnight - DAY_MS, midnight - 1, midnight, midnight + 1, now)},
        }
        assert engine.people.connected(made.workspace, "email:old3@example.com") == ("email:old3@example.com",)
        assert engine.live.verify()["differences"] == []
        (cohort,) = engine.memberships.cohorts()
        assert not any("old" in each.identity for each in engine.memberships.members(cohort.id))
        assert not engine.rows("SELECT id FROM doomed") and list(engine.retention.wanted()) == []
    assert look(path).of("fault") == set()


def test_what_was_delivered_is_erased_a_piece_at_a_time() -> None:
    """Between two of them other jobs have their turn; the job knows how far it is."""
    asked: list[Any] = []

    def written(workspace: str, identities: Sequence[str], until_ms: int, reached: Any) -> Any:
        asked.append((workspace, [*identities], until_ms, reached))
        return {"lake": {"after": f"file {len(asked)}"} if len(asked) < 3 else None}

    erasure = Erasure(*[None] * 7, written=written)  # type: ignore[arg-type]
    job = Job("ers_1", "erasure", "ws_1", {"at_ms": 7, "identities": [MAIL]}, "written", 0)
    steps = []
    while job.step == "written":
        job = msgspec.json.decode(msgspec.json.encode(erasure.step(job)), type=Job)
        steps.append(job.step)
    assert steps == ["written", "written", "log"]
    assert asked == [("ws_1", [MAIL], 7, {"lake": {"after": f"file {n}"}} if n else {}) for n in range(3)]
