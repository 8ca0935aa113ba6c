"""Claims are taken once, whoever asks at once, whatever fails, and whenever the gateway ends."""

import asyncio
import time
from collections.abc import Collection, Coroutine
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from batches import make_batch
from claims.shelf import PlainShelf
from claims.unsure import KEYS, A, B, C, Unsure
from headwater.claims.base import InFlightError, Shelf, reserved
from headwater.claims.sqlite import SqliteClaims
from headwater.claims.taken import TakenClaims
from headwater.errors import LogUnavailableError, UnavailableError
from headwater.events import Batch, Claim
from headwater.log.files import FilesAppender, FilesReader

HOUR = 3_600_000


class Desk:
    """Claims on a log and a shelf that are real, opened again at will, as by one gateway after the other."""

    def __init__(self, directory: Path, shelf: Shelf | None = None) -> None:
        self.directory = directory
        self.disk = Unsure()
        self.reader = FilesReader(directory / "log")
        self.open_backfills: set[str] = set()
        self._shelf = shelf
        self.open()

    def open(self) -> None:
        self.log = FilesAppender(self.directory / "log", segment_bytes=20_000, disk=self.disk)
        self.shelf = self._shelf or SqliteClaims(self.directory / "claims.db")
        self.claims = TakenClaims(self.log, self.shelf, HOUR, lambda _, backfill: backfill in self.open_backfills)
        self.recovered = self.claims.recover(self.reader)

    def shut(self) -> None:
        self.log.close()
        self.claims.close()
        self.shelf.close()

    def close(self) -> None:
        self.shut()
        self.reader.close()


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def claiming(keys: Collection[bytes], value: bytes = b"", backfill: str = "") -> Batch:
    batch = make_batch(1)
    return structs.replace(batch, claims=tuple([Claim(key, batch.id + value, backfill) for key in keys]))


async def claim(desk: Desk, *keys: bytes) -> Batch:
    batch = claiming(keys)
    with desk.claims.hold() as hold:
        assert await hold.take(keys) == {}
        await hold.append(batch)
    return batch


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def test_what_was_claimed_is_told_at_once_and_after_it_was_taken_over(desk: Desk) -> None:
    async def work() -> None:
        batch = await claim(desk, A, B)
        for _ in range(2):
            async with reserved(desk.claims, [A, B, C]) as held:
                assert held.known == {A: batch.id, B: batch.id}
                with desk.claims.hold() as other:  # what is known is held by nobody
                    assert await other.take([A, B], wait=False) == held.known
            await desk.claims.take_over()
        assert desk.shelf.count() == 2 and desk.log.durable() == desk.reader.claimed()

    run(work())


def test_what_somebody_holds_is_waited_for_or_refused(desk: Desk) -> None:
    async def work() -> None:
        batch = claiming([A])
        with desk.claims.hold() as first, desk.claims.hold() as second, desk.claims.hold() as third:
            await first.take([A])
            with pytest.raises(InFlightError):
                await second.take([B, A], wait=False)
            waiting = asyncio.ensure_future(third.take([B, A]))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            await second.take([B], wait=False)  # the one that waits holds nothing
            second.__exit__()
            await first.append(batch)
            assert await waiting == {A: batch.id}

    run(work())


def test_what_was_not_handed_in_is_free_again(desk: Desk) -> None:
    async def work() -> None:
        with desk.claims.hold() as first:
            await first.take([A, B])
            with desk.claims.hold() as second:
                waiting = asyncio.ensure_future(second.take([A]))
                await asyncio.sleep(0.01)
                first.__exit__()
                assert await waiting == {}
        await claim(desk, A, B)

    run(work())


def test_only_what_is_reserved_can_be_claimed(desk: Desk) -> None:
    async def work() -> None:
        with desk.claims.hold() as hold:
            await hold.take([A])
            for keys in ([B], [A, B], [A, A]):
                with pytest.raises(ValueError, match="reserved"):
                    hold.append(claiming(keys))
        assert list(desk.reader.heads(0)) == []
        await claim(desk, A)

    run(work())


def test_several_batches_of_one_hold(desk: Desk) -> None:
    async def work() -> None:
        with desk.claims.hold() as hold:
            await hold.take([A, B, C])
            await asyncio.gather(hold.append(claiming([A])), hold.append(claiming([B])))
            with desk.claims.hold() as other, pytest.raises(InFlightError):
                await other.take([C], wait=False)
            assert len(await desk.claims.hold().take([A, B])) == 2
        await claim(desk, C)

    run(work())


def test_a_caller_that_goes_away_leaves_its_claim(desk: Desk) -> None:
    """Its record may be durable all the same: then the next one is told so."""

    async def leaving(batch: Batch) -> None:
        with desk.claims.hold() as hold:
            await hold.take([A])
            appended = asyncio.ensure_future(hold.append(batch))
            await asyncio.sleep(0)
            appended.cancel()
            await appended

    async def work() -> None:
        batch = claiming([A])
        with pytest.raises(asyncio.CancelledError):
            await leaving(batch)
        assert await desk.claims.hold().take([A]) == {A: batch.id}

    run(work())


def test_what_the_log_refused_is_free_again(desk: Desk) -> None:
    async def work() -> None:
        desk.log.hold("no")
        with pytest.raises(LogUnavailableError):
            await claim(desk, A)
        desk.log.hold("")
        await claim(desk, A)

    run(work())


def test_a_void_claim_is_as_none_and_the_new_one_replaces_it(desk: Desk) -> None:
    async def replace(old: Batch) -> Batch:
        new = claiming([A], b"new")
        with desk.claims.hold() as hold:
            assert await hold.take([A], void=lambda value: value.startswith(old.id)) == {}
            await hold.append(new)
        await desk.claims.take_over()
        assert await _take(desk, [A]) == {A: new.claims[0].value}
        return new

    async def work() -> None:
        await replace(await replace(await claim(desk, A)))

    run(work())


def stand_still_until_durable(desk: Desk, before: int) -> None:
    """As the event loop may: callbacks wait."""
    while desk.log.durable() == before:
        time.sleep(0.001)


def test_the_log_is_held_for_what_nobody_was_told_of_yet(desk: Desk) -> None:
    """Durable, but its caller was not told, so nobody but the log knows of it: that must not be trimmed."""

    async def work() -> None:
        await claim(desk, A)
        before = desk.log.durable()
        desk.disk.gate.clear()
        task = asyncio.ensure_future(claim(desk, B))
        await asyncio.sleep(0.1)
        await desk.claims.take_over()
        assert desk.reader.claimed() == before
        desk.disk.gate.set()
        stand_still_until_durable(desk, before)
        await desk.claims.take_over(note=False)
        assert desk.reader.claimed() == before and not task.done()
        await task
        await desk.claims.take_over()
        assert desk.reader.claimed() == desk.log.durable() > before

    run(work())


def test_the_log_never_begins_behind_what_the_shelf_was_told(desk: Desk) -> None:
    """Or whoever looks at both after a crash takes what lies between for lost."""

    async def work() -> None:
        await claim(desk, A)
        await desk.claims.take_over()
        for note in (False, True):
            await desk.log.append(make_batch())
            await desk.claims.take_over(note=note)
            assert desk.reader.claimed() == desk.shelf.position()
        assert desk.shelf.position() == desk.log.durable()

    run(work())


def test_the_next_gateway_knows_what_was_not_taken_over(desk: Desk) -> None:
    async def before() -> list[bytes]:
        first = await claim(desk, A)
        await desk.claims.take_over()
        return [first.id, (await claim(desk, B)).id]

    wanted: list[bytes] = asyncio.run(before())
    desk.shut()
    desk.open()
    assert asyncio.run(_take(desk, [A, B, C])) == {A: wanted[0], B: wanted[1]}
    assert desk.shelf.count() == 2 and desk.reader.claimed() == desk.log.durable()


async def _take(desk: Desk, keys: Collection[bytes]) -> dict[bytes, bytes]:
    with desk.claims.hold() as hold:
        return dict(await hold.take(keys))


def test_a_shelf_that_fails_loses_nothing_and_holds_the_log(tmp_path: Path) -> None:
    shelf = PlainShelf()
    desk = Desk(tmp_path, shelf)

    async def work() -> None:
        shelf.fails = True
        batch = await claim(desk, A)
        with pytest.raises(UnavailableError):
            await desk.claims.take_over()
        assert await _take(desk, [A]) == {A: batch.id}
        assert desk.reader.claimed() == 0
        shelf.fails = False
        await claim(desk, B)
        await desk.claims.take_over()
        assert shelf.count() == 2 and desk.reader.claimed() == desk.log.durable()

    run(work())
    shelf.fails = True
    desk.shut()
    desk.open()
    assert set(asyncio.run(_take(desk, [A, B]))) == {A, B}
    desk.close()


def test_a_start_on_a_shelf_that_fails_knows_the_claims_all_the_same(tmp_path: Path) -> None:
    shelf = PlainShelf()
    desk = Desk(tmp_path, shelf)
    batch: Batch = asyncio.run(claim(desk, A))
    shelf.fails = True
    desk.shut()
    desk.open()
    assert asyncio.run(_take(desk, [A])) == {A: batch.id}
    shelf.fails = False
    asyncio.run(desk.claims.take_over())
    assert shelf.find([A]) == {A: batch.id}
    desk.close()


async def _append(desk: Desk) -> None:
    await desk.log.append(make_batch(1))


def test_a_shelf_that_fails_is_not_missed_where_nobody_claims(tmp_path: Path) -> None:
    """The log is trimmed all the same."""
    shelf = PlainShelf()
    desk = Desk(tmp_path, shelf)

    async def work() -> None:
        shelf.fails = True
        await desk.log.append(make_batch(1))
        with pytest.raises(UnavailableError):
            await desk.claims.take_over()
        assert desk.reader.claimed() == desk.log.durable() > 0
        shelf.fails = False
        await desk.claims.take_over()
        assert shelf.position() == desk.log.durable()

    run(work())
    asyncio.run(_append(desk))
    shelf.fails = True
    desk.shut()
    desk.open()
    assert desk.recovered and desk.reader.claimed() == desk.log.durable()
    desk.close()


@pytest.mark.parametrize("bound", ["_PIECE", "_PIECE_BYTES"])
def test_many_claims_go_over_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    """Only the last of them brings the position; what went over before a failure is not given again."""
    monkeypatch.setattr(f"headwater.claims.taken.{bound}", 3 if bound == "_PIECE" else 3 * 16)
    shelf = PlainShelf()
    desk = Desk(tmp_path, shelf)

    async def work() -> None:
        before = desk.log.durable()
        for key in KEYS[:8]:
            await claim(desk, key)
        shelf.taken.clear()
        shelf.fails_after = 2
        with pytest.raises(UnavailableError):
            await desk.claims.take_over()
        assert (shelf.taken, shelf.position(), desk.reader.claimed()) == ([3, 3], before, before)
        assert set(await _take(desk, KEYS[:8])) == set(KEYS[:8])
        shelf.fails_after = None
        await desk.claims.take_over()
        assert shelf.taken == [3, 3, 2] and shelf.position() == desk.reader.claimed() == desk.log.durable()

    run(work())
    desk.close()


def test_a_start_tries_a_shelf_that_fails_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.claims.taken._PIECE", 2)
    shelf = PlainShelf()
    desk = Desk(tmp_path, shelf)
    for key in KEYS:
        asyncio.run(claim(desk, key))
    desk.shut()
    shelf.fails, shelf.tries = True, 0
    desk.open()
    assert (shelf.tries, desk.recovered, desk.reader.claimed()) == (1, False, 0)
    assert set(asyncio.run(_take(desk, KEYS))) == set(KEYS)
    desk.shut()
    shelf.fails = False
    desk.open()
    assert desk.recovered and shelf.count() == len(KEYS) and desk.reader.claimed() == desk.log.durable()
    desk.close()


def test_pruning_goes_on_until_it_has_caught_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every round, and then not before its time."""
    for name, value in (("TAKE_OVER_SECONDS", 0.01), ("_PRUNE_SECONDS", 0.3), ("_PRUNED", 2)):
        monkeypatch.setattr(f"headwater.claims.taken.{name}", value)
    shelf = PlainShelf()
    desk = Desk(tmp_path, shelf)
    pruned: list[int] = []
    prune = shelf.prune

    def noted(before_ms: int, kept: Collection[tuple[str, str]], most: int) -> int:
        pruned.append(prune(before_ms, kept, most))
        return pruned[-1]

    monkeypatch.setattr(shelf, "prune", noted)

    async def work() -> None:
        for key in KEYS[:7]:
            await claim(desk, key)
        await desk.claims.take_over()
        shelf.rows = {key: (ms - HOUR - 1, row) for key, (ms, row) in shelf.rows.items()}
        running = asyncio.ensure_future(desk.claims.run())
        await asyncio.sleep(0.5)
        running.cancel()

    run(work())
    assert pruned == [2, 2, 2, 1]
    desk.close()


def test_claims_of_an_open_backfill_stay(tmp_path: Path) -> None:
    shelf = PlainShelf()
    desk = Desk(tmp_path, shelf)
    desk.open_backfills.add("bf_open")

    async def work() -> None:
        for key, backfill in ((A, "bf_open"), (B, "bf_shut"), (C, "")):
            with desk.claims.hold() as hold:
                await hold.take([key])
                await hold.append(claiming([key], backfill=backfill))
        await desk.claims.take_over()
        assert await desk.claims.prune() == 0, "they are young"
        shelf.rows = {key: (ms - HOUR - 1, row) for key, (ms, row) in shelf.rows.items()}
        assert await desk.claims.prune() == 2
        desk.open_backfills.clear()
        assert await desk.claims.prune() == 1

    run(work())
    desk.close()


class Crowd:
    """Many who want the same few keys, and what they learned."""

    def __init__(self, desk: Desk, random: Random) -> None:
        self.desk = desk
        self.random = random
        self.owners: dict[bytes, bytes] = {}
        """Key to batch, of those who were told that theirs is durable."""
        self.doubtful: set[bytes] = set()
        """Batches of those who did not stay for the outcome."""
        self.refused: set[bytes] = set()

    async def one(self) -> None:
        random, keys = self.random, self.random.sample(KEYS, self.random.randint(1, 5))
        await asyncio.sleep(random.random() * 0.02)
        with self.desk.claims.hold() as hold:
            known = await hold.take(keys)
            for key, value in known.items():
                assert self.owners.get(key, value) == value
                assert value not in self.refused
            free = [key for key in keys if key not in known]
            assert not self.owners.keys() & set(free), "what is durable was forgotten"
            if not free or random.random() < 0.2:
                return
            await self._append(hold, free[: random.randint(1, len(free))])

    async def _append(self, hold: Any, keys: list[bytes]) -> None:
        batch = claiming(keys)
        appended = asyncio.ensure_future(hold.append(batch))
        if self.random.random() < 0.2:
            await asyncio.sleep(0)
            appended.cancel()
        try:
            await appended
        except asyncio.CancelledError:
            self.doubtful.add(batch.id)
        except LogUnavailableError:
            self.refused.add(batch.id)
        else:
            assert not self.owners.keys() & set(keys), "a key was given twice"
            self.owners.update(dict.fromkeys(keys, batch.id))

    async def all_of(self) -> None:
        tasks = [asyncio.ensure_future(self.one()) for _ in range(40)]
        for _ in range(5):
            await asyncio.sleep(0.004)
            await self.desk.claims.take_over()
        await asyncio.gather(*tasks)
        assert not self.desk.claims._holders and not self.desk.claims._flying

    def check(self) -> None:
        """The log is the truth: each key at most once, all that was acknowledged, nothing that was refused."""
        found = [(each.key, one.batch) for one in self.desk.reader.claims(0) for each in one.claims]
        assert len({key for key, _ in found}) == len(found), "a key is in the log twice"
        assert self.owners.items() <= dict(found).items()
        assert {batch for _, batch in found} <= set(self.owners.values()) | self.doubtful


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(seed=st.integers(0, 1 << 32), faulty=st.booleans())
def test_a_crowd_gets_each_key_once(tmp_path_factory: pytest.TempPathFactory, seed: int, faulty: bool) -> None:
    random = Random(seed)
    desk = Desk(tmp_path_factory.mktemp("desk"))
    crowd = Crowd(desk, random)
    for _ in range(3):
        desk.disk.random = Random(seed) if faulty else None
        asyncio.run(asyncio.wait_for(crowd.all_of(), 60))
        desk.disk.random = None
        desk.shut()
        desk.open()
        crowd.check()
    desk.close()
