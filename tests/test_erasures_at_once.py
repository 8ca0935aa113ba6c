"""Deletions beside each other, beside strangers, and of more than fits: what the state counted stays right."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from cli.test_doctor import look
from erasing import ERASED, Engine
from headwater import erasure
from headwater.catalog.base import NewSignal
from headwater.catalog.credentials import load_secret
from headwater.catalog.sqlite import SqliteCatalog
from headwater.clock import DAY_MS, now_ms
from headwater.config import Settings
from headwater.events import Batch
from headwater.rules.connect import MOST_LINKS
from headwater.state.base import Job
from headwater.tombstones import Tombstone, hash_of, read
from headwater.wiring.offline import apply_tombstones
from parts import Sent, batch_of
from test_erasure import CAROL, DAVE, ORDERED, Made, _signed, copy, define, made  # noqa: F401

ANN, BOB = "email:ann@example.com", "email:bob@example.com"
HUB = "email:info@example.com"
REFUSED = "schema_violation"


def batch(made: Made, events: Sequence[Sent], ms: int) -> Batch:  # noqa: F811
    return _signed(batch_of(made.workspace, events, ms), made)


def batches(made: Made, events: Sequence[Sent], ms: int) -> list[Batch]:  # noqa: F811
    return [batch(made, events[at : at + 50], ms) for at in range(0, len(events), 50)]


def rows_of(engine: Engine, identity: str) -> int:
    return int(engine.rows(f"SELECT count() AS n FROM events WHERE has(identities, '{identity}')")[0]["n"])


def two_people(old: int) -> list[Sent]:
    """They are not connected, and share a block with nobody else."""
    return [
        Sent(old, (ANN,), signal="brief"),
        Sent(old, (ANN, BOB), signal="brief", reason=REFUSED),
        Sent(old + 10 * DAY_MS, (ANN, BOB), reason=REFUSED),
        Sent(old, (BOB,)),
    ]


def put(engine: Engine, made: Made, identity: str, at_ms: int) -> None:  # noqa: F811
    """An erasure that is about to look for events."""
    job = erasure.begun(made.workspace, [identity], at_ms)
    about = job.about | {"position": engine.reader.durable()}
    engine.state.put_job(structs.replace(job, about=about, step="find"))


@pytest.mark.parametrize("who", [(ANN, BOB), (ANN,), ()])
def test_deletions_at_once_count_the_same_rows_back_once(made: Made, tmp_path: Path, who: tuple[str, ...]) -> None:  # noqa: F811
    """Erasures, erasure and retention, and retention of two workspaces."""
    path, now = copy(made, tmp_path / "data"), now_ms()
    settings = Settings(data_dir=path)
    catalog = SqliteCatalog(settings.catalog_path, load_secret(settings))
    second, _ = catalog.create_workspace("test", "second")
    catalog.create_signal("test", second.id, NewSignal(name="brief", type="event", retention_days=1))
    other = made._replace(
        workspace=second.id, signals={slug: each.id for slug, each in catalog.signals_of(second.id).items()}
    )
    catalog.close()
    old = [Sent(now - 10 * DAY_MS, (ANN,), signal="brief")]
    with Engine(path) as engine:
        engine.append([batch(made, [Sent(now, (CAROL,))], now - 9000)])
        engine.drain()
        ours = batch(made, [*old, *(two_people(now - 10 * DAY_MS) if who else [])], now - 5000)
        theirs = batch(other, old, now - 5000)
        engine.pipeline.between(lambda: engine.append([ours, theirs]))  # to be one block
        engine.drain()
        for each in who:
            put(engine, made, each, now)
        engine.work()
        left = 0 if BOB in who or not who else 1
        assert (rows_of(engine, ANN), rows_of(engine, BOB), rows_of(engine, CAROL)) == (0, left, 1)
        assert not engine.rows("SELECT id FROM doomed")
    said = look(path)
    assert said.of("fault") == set(), said.text


def test_a_restore_erases_people_of_different_times(made: Made, tmp_path: Path) -> None:  # noqa: F811
    path, now = copy(made, tmp_path / "data"), now_ms()
    with Engine(path) as engine:
        engine.append([batch(made, two_people(now - DAY_MS), now - 5000)])
        engine.drain()
    secret = (path / "key-secret").read_bytes()
    stones = [
        Tombstone(now + n, made.workspace, hash_of(secret, made.workspace, one)) for n, one in enumerate((ANN, BOB))
    ]
    assert apply_tombstones(Settings(data_dir=path), stones) == 2
    assert look(path).of("fault") == set()


def test_a_restore_goes_on_with_what_was_being_deleted(made: Made, tmp_path: Path) -> None:  # noqa: F811
    """Retention that was under way in the earlier time keeps no erasure waiting."""
    path, now = copy(made, tmp_path / "data"), now_ms()
    with Engine(path) as engine:
        engine.append([batch(made, two_people(now - 10 * DAY_MS), now - 5000)])
        engine.drain()
        engine.work("delete")
        assert "gone" in engine.open_jobs()[0].about
    stone = Tombstone(now, made.workspace, hash_of((path / "key-secret").read_bytes(), made.workspace, BOB))
    assert apply_tombstones(Settings(data_dir=path), [stone]) == 1
    assert look(path).of("fault") == set()


def test_whoever_is_connected_later_is_a_stranger(made: Made, tmp_path: Path) -> None:  # noqa: F811
    """What was on its way counts as long as it was received in time, and nothing else does."""
    path, now = copy(made, tmp_path / "data"), now_ms()
    device, phone = "device:d1", "phone:+49301"
    with Engine(path) as engine:
        history = [Sent(now, (ANN, device)), Sent(now, (BOB,)), Sent(now, (BOB,)), Sent(now, (phone,))]
        engine.append([batch(made, history, now - 1000)])
        engine.drain()
        asked = engine.erasures.erase(made.workspace, ANN)
        job = engine.state.job(asked["id"])
        assert job is not None and job.about["identities"] == [device, ANN]
        at_ms = job.about["at_ms"]
        engine.append(
            [batch(made, [Sent(now, (ANN, phone))], at_ms), batch(made, [Sent(now, (BOB, device))], at_ms + 5)]
        )
        engine.work()
        assert [rows_of(engine, each) for each in (ANN, phone, BOB, device)] == [0, 0, 3, 1]
        secret = (path / "key-secret").read_bytes()
        erased = {hash_of(secret, made.workspace, each) for each in (ANN, device, phone)}
        assert {each.hash for each in read(path / "tombstones")} == erased
    assert look(path).of("fault") == set()


def test_a_shared_value_is_not_told_event_by_event(
    made: Made,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither when somebody of its events is erased, nor when it is itself; and no job is as large as it is."""
    path, now = copy(made, tmp_path / "data"), now_ms()
    monkeypatch.setattr(erasure, "MOST_PAIRS", 50)
    crowd = [f"email:p{n}@example.com" for n in range(MOST_LINKS + 5)]
    sizes: list[int] = []

    def step(step: str, moment: str) -> None:
        sizes.extend(len(json.dumps(job.about)) for job in engine.open_jobs())

    with Engine(path, step) as engine:
        engine.append(batches(made, [Sent(now, (HUB, each)) for each in crowd], now - 1000))
        engine.append([batch(made, [Sent(now, (CAROL, DAVE)), Sent(now, (DAVE,))], now - 900)])
        engine.drain()
        define(engine, made.workspace, ORDERED)
        assert engine.people.shared(made.workspace, [HUB, CAROL]) == {HUB}
        engine.people.unmerge(made.workspace, CAROL, now_ms())
        engine.erasures.erase(made.workspace, DAVE)
        engine.work()
        assert (engine.dropped, engine.again) == ([[CAROL]], [])
        engine.erasures.erase(made.workspace, crowd[7])
        engine.work()
        assert engine.again == [made.workspace] and not engine.dropped[-1]
        assert engine.live.verify()["differences"] == []
        engine.erasures.erase(made.workspace, HUB)
        engine.work()
        assert rows_of(engine, HUB) == 0 and list(engine.state.links_of(made.workspace, HUB, 9)) == []
        assert max(sizes) < 10_000
        assert engine.live.verify()["differences"] == []
    assert look(path).of("fault") == set()


def test_batches_are_bounded_and_find_an_end(made: Made, tmp_path: Path) -> None:  # noqa: F811
    """Each is marked apart; what is stored while retention works is left to the next day."""
    path, now = copy(made, tmp_path / "data"), now_ms()
    marked: list[dict[str, Any]] = []
    late: list[Job] = []

    def old(n: int) -> list[Sent]:
        return [Sent(now - 10 * DAY_MS, (f"email:{each}@example.com",), signal="brief") for each in range(n)]

    def strike(step: str, moment: str) -> None:
        if step == "delete" and moment == "before":
            marked.extend(engine.rows("SELECT job, count() AS n FROM doomed GROUP BY job"))
            late.extend(engine.open_jobs())
            engine.append(batches(made, old(60), now - 1000))
            engine.drain()

    with Engine(path, strike) as engine:
        engine.append([*batches(made, old(120), now - 2000), batch(made, [Sent(now, (CAROL,))], now - 2000)])
        engine.drain()
        engine.work()
        assert max(each["n"] for each in marked) <= 50 and len({each["job"] for each in marked}) == 3
        assert engine.rows("SELECT count() AS n FROM events WHERE signal = 'ordered'") == [{"n": 1}]
        assert engine.rows("SELECT count() AS n FROM events WHERE signal = 'brief'")[0]["n"] % 60 == 0
        assert not engine.rows("SELECT id FROM doomed")
    assert look(path).of("fault") == set()


def test_an_erasure_of_many_events_is_done_in_batches(made: Made, tmp_path: Path) -> None:  # noqa: F811
    path, now = copy(made, tmp_path / "data"), now_ms()
    with Engine(path) as engine:
        engine.append(batches(made, [Sent(now, (ANN,))] * (2 * ERASED + 10), now - 1000))
        engine.drain()
        asked = engine.erasures.erase(made.workspace, ANN)
        engine.work()
        assert engine.erasures.one(made.workspace, asked["id"])["events"] == 2 * ERASED + 10 == len(engine.forgotten)
    assert look(path).of("fault") == set()


def test_a_doctor_is_told_only_of_what_the_log_may_have(made: Made, tmp_path: Path) -> None:  # noqa: F811
    path, now = copy(made, tmp_path / "data"), now_ms()
    with Engine(path) as engine:
        times = [now - 9000, now - 5000, now - 1000]
        engine.append([batch(made, [Sent(now, (ANN,))], ms) for ms in times])
        engine.drain()
        about = {"workspace": made.workspace, "identities": [ANN], "until_ms": now, "most": 10}
        engine.store.doom("ers_00000000:0", "doom_person", about | {"realtime": 99, "migration": 99})
        found = [
            len(engine.store.rows("examine_doomed", {"since_ms": since, "replayed": replayed}))
            for since, replayed in ((0, []), (times[1], []), (times[1], times[:1]), (now, []))
        ]
        assert found == [3, 2, 3, 0]
