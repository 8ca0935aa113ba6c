"""Destinations over a real store: each event once, whatever fails in between."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blocks import WORKSPACE, as_record, batch_of_rows, block_of
from harness import until
from headwater.clock import HOUR_MS
from headwater.destinations import sweep
from headwater.destinations.all import Destinations
from headwater.destinations.base import Context, Delivery, DeliveryError, Destination, Event
from headwater.destinations.declared import Declared, Made
from headwater.destinations.parquet import Parquet
from headwater.destinations.runner import Followed, Runner
from headwater.destinations.writing import Writing
from headwater.errors import HeadwaterError, NotOwnerError
from headwater.events import Lane, event_ids
from headwater.state.positions_sqlite import SqlitePositions
from headwater.store.base import Block
from headwater.store.clickhouse import ChdbStore
from headwater.store.rows import rows_of

NOON = 1_795_003_200_000 - 1_795_003_200_000 % HOUR_MS
LAKE = Declared("lake", "parquet")


class Scene:
    """A store that is filled block by block, and what follows it."""

    def __init__(self, folder: Path) -> None:
        self.store = ChdbStore(folder / "store")
        self.positions = SqlitePositions(folder / "destinations.db")
        self.lake = folder / "lake"
        self.blocks = dict.fromkeys(Lane, 0)
        self.oldest: dict[Lane, int | None] = dict.fromkeys(Lane)
        self.now = NOON
        self.ids: list[str] = []

    def put(self, ms: int, events: int = 3, lane: Lane = Lane.REALTIME, identity: str = "email:a@x.y") -> list[str]:
        """One more block, with what came in at a moment."""
        batch = batch_of_rows([[identity]] * events, ms, lane)
        self.blocks[lane] += 1
        self.store.insert(block_of([batch], self.blocks[lane]))
        ids = event_ids(batch.id, events)
        self.ids += ids
        return ids

    def runner(self, destination: Destination | None = None, declared: Declared = LAKE) -> Runner:
        return Runner(declared, destination or self.parquet(), self.positions, self.followed(), lambda: self.now)

    def followed(self) -> Followed:
        return Followed(self.store, lambda: dict(self.blocks), lambda: dict(self.oldest))

    def parquet(self, **settings: int) -> Parquet:
        return Parquet({"path": "lake", **settings}, Context("lake", "", self.lake.parent))

    def files(self) -> dict[str, list[str]]:
        """The ids in each file, by its path below the workspace."""
        root = self.lake / f"workspace={WORKSPACE}"
        found = sorted(root.rglob("*.parquet"))
        return {str(path.relative_to(root)): pq.ParquetFile(path).read().column("id").to_pylist() for path in found}

    def delivered(self) -> list[str]:
        return [each for ids in self.files().values() for each in ids]


class Kept:
    """A destination that keeps what it was given, and fails when told to."""

    window_seconds: int | None = None

    def __init__(self, fails: Callable[[], bool] = lambda: False) -> None:
        self.events: dict[str, list[Event]] = {}
        self.keys: list[str] = []
        self._fails = fails

    def deliver(self, delivery: Delivery) -> None:
        self.keys.append(delivery.key)
        if self._fails():
            raise DeliveryError("not now")
        self.events[delivery.key] = [event for piece in delivery.events() for event in piece]
        if self._fails():
            raise DeliveryError("not even then")

    def close(self) -> None:
        pass

    @property
    def ids(self) -> list[str]:
        return [event.id for events in self.events.values() for event in events]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.store.close()
    scene.positions.close()


def drained(runner: Runner) -> None:
    while runner.step():
        pass


def erase(runner: Runner, until_ms: int, *keys: str) -> int:
    """All pieces. How many there were."""
    reached: Mapping[str, Any] | None = {}
    pieces = 0
    while (reached := runner.erase(WORKSPACE, keys, until_ms, reached)) is not None:
        reached = json.loads(json.dumps(reached))
        pieces += 1
    return pieces


def test_an_hour_is_a_file_once_it_is_over(scene: Scene) -> None:
    first = scene.put(NOON - 10) + scene.put(NOON - 5)
    second = scene.put(NOON + 5)
    runner = scene.runner()
    drained(runner)
    assert scene.files() == {}
    scene.now = NOON + HOUR_MS // 2
    drained(runner)
    [(path, ids)] = scene.files().items()
    assert (path, ids) == ("date=2026-11-18/hour=11/realtime-20261118T110000Z-000000000001-000000000002.parquet", first)
    scene.now = NOON + 2 * HOUR_MS
    drained(runner)
    assert sorted(scene.files().values()) == sorted([first, second])
    assert runner.status().lanes[Lane.REALTIME].behind == 0


def test_an_hour_waits_for_what_is_not_stored_yet(scene: Scene) -> None:
    scene.put(NOON - 10)
    scene.now, scene.oldest[Lane.REALTIME] = NOON + HOUR_MS // 2, NOON - 3
    runner = scene.runner()
    drained(runner)
    assert scene.files() == {} and runner.status().lanes[Lane.REALTIME].behind == 1
    scene.put(NOON - 3)
    scene.oldest[Lane.REALTIME] = None
    drained(runner)
    assert [sorted(ids) for ids in scene.files().values()] == [sorted(scene.ids)]


def test_what_comes_late_has_a_file_of_its_own(scene: Scene) -> None:
    scene.put(NOON - 10)
    scene.now = NOON + 2 * HOUR_MS
    runner = scene.runner()
    drained(runner)
    late = scene.put(NOON - 1)
    drained(runner)
    assert scene.files()["date=2026-11-18/hour=11/realtime-20261118T110000Z-000000000002-000000000002.parquet"] == late
    assert sorted(scene.delivered()) == sorted(scene.ids)


def test_columns_are_typed(scene: Scene) -> None:
    identities = ["email:a@x.y", "account:a:b"]
    row = {"occurred_ms": NOON - 60_001, "reason": "schema_violation", "detail": "d", "reference": "r", "name": "N"}
    batch = batch_of_rows([identities], NOON - 10, data={"n": [1, {"a": None}]}, schema_version=3, **row)
    scene.store.insert(block_of([batch], 1))
    scene.blocks[Lane.REALTIME] = 1
    scene.now = NOON + HOUR_MS
    drained(scene.runner())
    [path] = scene.lake.rglob("*.parquet")
    table = pq.ParquetFile(path).read()
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"
    assert str(table.schema.field("occurred_at").type) == "timestamp[ms, tz=UTC]"
    [found] = table.to_pylist()
    assert found["identities"] == [{"type": "email", "id": "a@x.y"}, {"type": "account", "id": "a:b"}]
    assert (found["data"], found["schema_version"], found["status"]) == ('{"n":[1,{"a":null}]}', 3, "rejected")
    assert (found["reason"], found["detail"], found["reference"], found["name"]) == ("schema_violation", "d", "r", "N")
    assert (found["backfill_id"], found["replayed_at"], found["lane"]) == (None, None, "realtime")
    assert (found["occurred_at"].timestamp() * 1000, found["received_at"].timestamp() * 1000) == (
        NOON - 60_001,
        NOON - 10,
    )


def replayed(scene: Scene, received_ms: int, replayed_ms: int) -> list[str]:
    """Two blocks, the first ones: an event as it was rejected, and as it passed."""
    rejected = batch_of_rows([["email:a@x.y"]], received_ms, reason="schema_violation")
    scene.store.insert(block_of([rejected], 1))
    passed = batch_of_rows([["email:a@x.y"]], received_ms)
    line = rows_of(as_record(passed), 2).replace(b",null]\n", b",null,%d]\n" % replayed_ms)
    line = line.replace(event_ids(passed.id, 1)[0].encode(), event_ids(rejected.id, 1)[0].encode())
    scene.store.insert(Block(Lane.REALTIME, 2, [line], 1))
    scene.blocks[Lane.REALTIME] = 2
    return event_ids(rejected.id, 1)


def test_a_replayed_event_is_in_the_hour_of_its_replay(scene: Scene) -> None:
    ids = replayed(scene, NOON - 10, NOON + 1)
    scene.now = NOON + 2 * HOUR_MS
    drained(scene.runner())
    assert list(scene.files().values()) == [ids] * 2
    assert [path.split("/")[1] for path in scene.files()] == ["hour=11", "hour=12"]


def test_what_was_replayed_after_an_erasure_was_asked_for_is_erased(scene: Scene) -> None:
    half = HOUR_MS // 2
    replayed(scene, NOON - 3 * half, NOON + half)
    since = scene.put(NOON + half)
    scene.now = NOON + 5 * HOUR_MS
    runner = scene.runner()
    drained(runner)
    assert [path.split("/")[1] for path in scene.files()] == ["hour=10", "hour=12"]
    erase(runner, NOON - HOUR_MS, "email:a@x.y")
    assert scene.delivered() == since


def test_blocks_are_delivered_as_they_come_and_of_one_workspace(scene: Scene) -> None:
    kept, other = Kept(), Kept()
    runner = scene.runner(kept, Declared("kept", "own", WORKSPACE))
    others = scene.runner(other, Declared("other", "own", "ws_another1"))
    for number in range(5):
        scene.put(NOON + number)
        scene.put(NOON + number, lane=Lane.MIGRATION)
        drained(runner)
        drained(others)
    assert sorted(kept.ids) == sorted(scene.ids) and kept.keys[0] == "realtime-000000000001-000000000001"
    assert other.keys == []


def test_one_that_begins_now_gets_what_comes_from_now_on(scene: Scene) -> None:
    scene.put(NOON)
    kept = Kept()
    drained(scene.runner(kept, Declared("kept", "own", begin="now")))
    fresh = scene.put(NOON)
    again = scene.runner(kept, Declared("kept", "own", begin="now"))
    drained(again)
    assert kept.ids == fresh


@pytest.mark.parametrize("window_seconds", [None, 60])
@pytest.mark.parametrize("seed", range(3))
def test_each_event_once_whatever_fails(scene: Scene, window_seconds: int | None, seed: int) -> None:
    """Failures before and after a delivery, starts anew, and blocks that come meanwhile."""
    random = Random(seed)
    kept = Kept(lambda: random.random() < 0.3)
    kept.window_seconds = window_seconds
    runner = scene.runner(kept)
    for _ in range(40):
        if random.random() < 0.5:
            scene.put(scene.now - random.randrange(90_000), random.randrange(1, 4), random.choice([*Lane]))
        if random.random() < 0.2:
            runner = scene.runner(kept)
        scene.now += random.randrange(60_000)
        with suppress(DeliveryError):
            runner.step()
    scene.now += HOUR_MS
    for _ in range(200):
        with suppress(DeliveryError):
            if not runner.step():
                break
    assert sorted(kept.ids) == sorted(scene.ids)
    last: dict[str, int] = dict.fromkeys(["realtime", "migration"], 0)
    if window_seconds is None:
        for key in kept.keys:
            lane, first, _ = key.split("-")
            assert int(first) >= last[lane]
            last[lane] = int(first)


def test_a_store_that_is_older_than_what_was_delivered_is_told(scene: Scene) -> None:
    scene.put(NOON)
    drained(scene.runner(Kept()))
    scene.blocks[Lane.REALTIME] = 0
    with pytest.raises(HeadwaterError, match="older backup"):
        scene.runner(Kept()).step()


def test_erased_people_leave_the_files(scene: Scene) -> None:
    hers = scene.put(NOON - 10, identity="email:ada@x.y") + scene.put(NOON - 10, identity="phone:+19494572000")
    others = scene.put(NOON - 9)
    alone = scene.put(NOON - HOUR_MS, identity="email:ada@x.y")
    since = scene.put(NOON + HOUR_MS, identity="email:ada@x.y")
    scene.now = NOON + 5 * HOUR_MS
    runner = scene.runner()
    drained(runner)
    assert sorted(scene.delivered()) == sorted([*hers, *others, *alone, *since])
    [folder] = scene.lake.rglob("hour=11")
    (folder / ".realtime-left-by-a-crash.parquet.tmp").write_bytes(b"ada@x.y")
    erase(runner, NOON + 60_000, "email:ada@x.y", "phone:+19494572000")
    assert sorted(scene.delivered()) == sorted([*others, *since])
    assert not [path for path in scene.lake.rglob("*") if path.suffix == ".tmp"]
    assert b"ada@x.y" in b"".join(path.read_bytes() for path in scene.lake.rglob("hour=13/*.parquet"))
    assert b"ada@x.y" not in b"".join(path.read_bytes() for path in scene.lake.rglob("hour=11/*.parquet"))


def lakes(scene: Scene, *names: str) -> Destinations:
    made = [
        Made(Declared(name, "parquet"), Parquet({"path": name}, Context(name, "", scene.lake.parent))) for name in names
    ]
    return Destinations(made, scene.positions, scene.followed())


def filled(scene: Scene, hours: int) -> list[str]:
    """Files of so many hours, each with an event of Ada's and one of somebody else. The ids of the latter."""
    left = []
    for hour in range(hours):
        scene.put(NOON + hour * HOUR_MS, 1, identity="email:ada@x.y")
        left += scene.put(NOON + hour * HOUR_MS, 1)
    scene.now = NOON + (hours + 1) * HOUR_MS
    drained(scene.runner())
    return left


def test_an_erasure_goes_from_file_to_file_and_on_after_a_start(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    left = filled(scene, 4)
    monkeypatch.setattr(sweep, "PIECE_SECONDS", 0)
    reached: Mapping[str, Any] = {}
    counts = []
    while not counts or any(at is not None for at in reached.values()):
        again = lakes(scene, "lake", "empty")  # as after a start: all that is known is what was written down
        reached = json.loads(json.dumps(again.erase(WORKSPACE, ["email:ada@x.y"], scene.now, reached)))
        counts.append(len(scene.delivered()))
    assert counts[:4] == [7, 6, 5, 4] and scene.delivered() == left
    assert reached == {"lake": None, "empty": None}


def test_an_erasure_goes_past_what_it_cannot_read_and_tells_it(scene: Scene) -> None:
    """A file that was cut short, one of somebody else's, and a folder that is no hour."""
    left = filled(scene, 3)
    bad, whole = sorted(scene.lake.rglob("*.parquet"))[0], sorted(scene.lake.rglob("*.parquet"))[0].read_bytes()
    bad.write_bytes(whole[:-20])
    foreign = scene.lake / f"workspace={WORKSPACE}" / "date=unknown" / "hour=__HIVE_DEFAULT_PARTITION__"
    foreign.mkdir(parents=True)
    pq.write_table(pa.table({"n": [1]}), foreign / "1.parquet")
    runner = scene.runner()
    with pytest.raises(DeliveryError, match=r"2 files of .* among them: it is no whole Parquet file"):
        erase(runner, scene.now, "email:ada@x.y")
    bad.write_bytes(whole)
    with pytest.raises(DeliveryError, match=r"1 files of .* it has no column identities"):
        erase(runner, scene.now, "email:ada@x.y")
    (foreign / "1.parquet").unlink()
    assert scene.delivered() == left
    erase(runner, scene.now, "email:ada@x.y")


def test_one_that_fails_does_not_keep_another_from_erasing(scene: Scene) -> None:
    left = filled(scene, 1)
    broken = scene.lake.with_name("broken") / f"workspace={WORKSPACE}" / "date=2026-11-18" / "hour=12"
    broken.mkdir(parents=True)
    (broken / "a.parquet").write_bytes(b"PAR1")
    both, reached = lakes(scene, "broken", "lake"), dict[str, Any]()
    while reached.get("lake", {}) is not None:
        reached = {**both.erase(WORKSPACE, ["email:ada@x.y"], scene.now, reached)}
    assert scene.delivered() == left and reached["broken"]["failed"]
    with pytest.raises(
        DeliveryError, match=r"^destination broken: 1 files of workspace=ws_abcdefgh cannot be looked through"
    ):
        both.erase(WORKSPACE, ["email:ada@x.y"], scene.now, reached)


def test_pieces_are_bounded_in_bytes(scene: Scene) -> None:
    """Blocks of large events, one of them larger than a piece by itself, and most of that in its first events."""
    large, most = 256 * 1024, 32 * 1024 * 1024
    for counts in ([80], [80], [90, 90, *[100] * 50], [5]):
        batches = [
            batch_of_rows(
                [["email:a@x.y"]] * count, NOON - 10 * 60_000, data={"n": "x" * (large if count < 100 else 1)}
            )
            for count in counts
        ]
        scene.blocks[Lane.REALTIME] += 1
        scene.store.insert(block_of(batches, scene.blocks[Lane.REALTIME]))
        scene.ids += [each for batch, count in zip(batches, counts, strict=True) for each in event_ids(batch.id, count)]
    seen: list[tuple[int, list[str]]] = []

    class Weighing(Kept):
        def deliver(self, delivery: Delivery) -> None:
            for piece in delivery.events():
                seen.append((sum(len(event.data) for event in piece), [event.id for event in piece]))

    for window_seconds in (None, 3600):
        seen.clear()
        weighing = Weighing()
        weighing.window_seconds = window_seconds
        scene.now = NOON + HOUR_MS
        drained(scene.runner(weighing, Declared(f"w{window_seconds}", "own")))
        assert max(size for size, _ in seen) <= most + 2 * large
        assert sorted(each for _, ids in seen for each in ids) == sorted(scene.ids)


def test_what_a_plug_ins_error_quotes_is_not_told(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    class Quoting(Kept):
        def deliver(self, delivery: Delivery) -> None:
            raise ValueError(f"cannot take {next(delivery.events())[0].identities}")

    scene.put(NOON, identity="email:ada@x.y")
    runner, stop = scene.runner(Quoting()), threading.Event()
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    until(lambda: runner.status().failing)
    stop.set()
    thread.join()
    assert runner.status().failing.startswith("ValueError at test_runner.py:") and "ada" not in caplog.text
    assert runner.status().failures >= 1 and runner.status().lanes[Lane.REALTIME].behind == 1


def test_one_that_cannot_erase_is_not_asked(scene: Scene) -> None:
    assert scene.runner(Kept()).erase(WORKSPACE, ["email:ada@x.y"], NOON, {}) is None
    assert not scene.runner(Kept()).status().erases and scene.runner().status().erases


class Slipping(Parquet):
    """Fails at random, before it writes and after: as a crash between the file and what is written down of it."""

    def __init__(self, lake: Path, random: Random) -> None:
        super().__init__({"path": str(lake), "window_seconds": 60}, Context("lake", "", lake.parent))
        self._random = random

    def deliver(self, delivery: Delivery) -> None:
        if self._random.random() < 0.3:
            raise DeliveryError("not now")
        super().deliver(delivery)
        if self._random.random() < 0.5:
            raise DeliveryError("not even then")


@pytest.mark.parametrize("seed", range(2))
def test_files_have_each_event_once_whatever_fails(scene: Scene, seed: int) -> None:
    random = Random(seed)
    runner = scene.runner(Slipping(scene.lake, random))
    for _ in range(25):
        scene.put(scene.now - random.randrange(200_000), random.randrange(1, 4), random.choice([*Lane]))
        scene.now += random.randrange(60_000)
        if random.random() < 0.3:
            runner = scene.runner(Slipping(scene.lake, random))
        with suppress(DeliveryError):
            runner.step()
    scene.now += HOUR_MS
    drained(scene.runner(scene.parquet(window_seconds=60)))
    assert sorted(scene.delivered()) == sorted(scene.ids)


def test_who_was_replaced_writes_nothing_down(scene: Scene) -> None:
    """Two engines that both believe they lead: the one that loses begins from what the other wrote down."""
    first, second = Kept(), Kept()
    one, other = scene.runner(first), scene.runner(second)
    scene.put(NOON)
    drained(one)
    drained(other)
    fresh = scene.put(NOON)
    drained(other)
    with pytest.raises(NotOwnerError):
        one.step()
    drained(one)
    assert second.ids == fresh and first.ids == [each for each in scene.ids if each not in fresh]


def test_windows_that_share_their_blocks_have_files_of_their_own(scene: Scene) -> None:
    batches = [batch_of_rows([["email:a@x.y"]], NOON - 61_000 + 60_000 * number) for number in range(2)]
    scene.store.insert(block_of(batches, 1))
    scene.blocks[Lane.REALTIME], scene.now = 1, NOON + HOUR_MS
    drained(scene.runner(scene.parquet(window_seconds=60)))
    assert sorted(scene.delivered()) == sorted(event_ids(batch.id, 1)[0] for batch in batches)
    assert len(scene.files()) == 2


def test_the_end_does_not_wait_for_a_long_delivery(scene: Scene) -> None:
    stop = threading.Event()

    class Long(Kept):
        def deliver(self, delivery: Delivery) -> None:
            stop.set()
            super().deliver(delivery)

    scene.put(NOON)
    long, kept = Long(), Kept()
    runner = scene.runner(long)
    runner.run(stop)
    assert long.keys and long.ids == [] and runner.status().failures == 0
    drained(scene.runner(kept))
    assert (kept.keys, kept.ids) == (long.keys, scene.ids)


def test_of_two_who_write_the_same_file_the_later_one_wins(tmp_path: Path) -> None:
    """One hung, and was replaced: it must not put the half that the other has written in the file's place."""
    path, half = tmp_path / "hour=12" / "a.parquet", pa.table({"n": [1]})
    with Writing(path) as hung, Writing(path) as other:
        hung.add(half)
        other.add(half)
        with pytest.raises(FileNotFoundError):
            hung.done()
        assert not path.exists()
        other.add(half)
        other.done()
    assert pq.ParquetFile(path).read().num_rows == 2 and [*path.parent.iterdir()] == [path]
