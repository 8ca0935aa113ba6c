"""Claims of several gateways over one database: each is taken once, whoever asks where, whatever fails."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Collection, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from batches import make_batch
from claims.unsure import KEYS, A, B, C, Unsure
from headwater.claims import desk, postgres, postgres_database, shared
from headwater.claims.base import InFlightError, Row
from headwater.claims.postgres import PostgresShelf, Reservations
from headwater.claims.shared import SharedClaims
from headwater.clock import now_ms
from headwater.errors import LogUnavailableError, UnavailableError
from headwater.events import Batch, Claim
from headwater.log.files import FilesAppender, FilesReader
from services import Postgres

pytestmark = pytest.mark.cluster


class Gateway:
    """A log of its own, as a partition is, and claims that it shares."""

    def __init__(self, directory: Path, url: str) -> None:
        self.disk = Unsure()
        self.log = FilesAppender(directory, disk=self.disk)
        self.claims = SharedClaims(self.log, url)

    def close(self) -> None:
        self.log.close()
        self.claims.close()


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> str:
    return postgres.database()


@pytest.fixture
def url(database: str) -> str:
    """Nothing is claimed yet."""
    postgres_database.opened(database).close()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET search_path = headwater")
        connection.execute("TRUNCATE claim_claims, claim_reserved, claim_holders, claim_log")
    return database


@contextmanager
def gateways(directory: Path, url: str, count: int = 2) -> Iterator[list[Gateway]]:
    made = [Gateway(directory / f"log-{number}", url) for number in range(count)]
    try:
        yield made
    finally:
        for each in made:
            each.disk.random = None
            each.disk.gate.set()
            each.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 120))


def claiming(keys: Collection[bytes], value: bytes = b"", backfill: str = "") -> Batch:
    batch = make_batch(1)
    return structs.replace(batch, claims=tuple([Claim(key, batch.id + value, backfill) for key in keys]))


async def claim(gateway: Gateway, *keys: bytes) -> Batch:
    batch = claiming(keys)
    with gateway.claims.hold() as hold:
        assert await hold.take(keys) == {}
        await hold.append(batch)
    return batch


async def known(gateway: Gateway, keys: Collection[bytes]) -> dict[bytes, bytes]:
    with gateway.claims.hold() as hold:
        return dict(await hold.take(keys))


def reserved(url: str) -> int:
    judge = Reservations(url)
    try:
        return judge.count()
    finally:
        judge.close()


async def until_free(url: str) -> None:
    for _ in range(500):
        if reserved(url) == 0:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("something stays reserved")


def test_what_one_gateway_claimed_is_told_at_the_other(tmp_path: Path, url: str) -> None:
    async def work() -> None:
        with gateways(tmp_path, url) as (one, other):
            batch = await claim(one, A, B)
            for gateway in (one, other):
                assert await known(gateway, [A, B, C]) == {A: batch.id, B: batch.id}
            await until_free(url)

    run(work())


def test_what_another_gateway_holds_is_waited_for_or_refused(tmp_path: Path, url: str) -> None:
    async def work() -> None:
        with gateways(tmp_path, url) as (one, other):
            batch = claiming([A])
            with one.claims.hold() as first, other.claims.hold() as second, other.claims.hold() as third:
                assert await first.take([A]) == {}
                with pytest.raises(InFlightError):
                    await second.take([B, A], wait=False)
                waiting = asyncio.ensure_future(third.take([A, B]))
                await asyncio.sleep(0.1)
                assert not waiting.done()
                assert await second.take([C], wait=False) == {}  # who waits holds nothing but what it wants
                await first.append(batch)
                assert await waiting == {A: batch.id}
                with one.claims.hold() as last, pytest.raises(InFlightError):
                    await last.take([B], wait=False)
            assert await known(one, [B]) == {}

    run(work())


def test_one_does_not_wait_for_ever(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "WAIT_SECONDS", 0.2)

    async def work() -> None:
        with gateways(tmp_path, url) as (one, other), one.claims.hold() as hold:
            await hold.take([A])
            with pytest.raises(UnavailableError, match="another gateway"):
                await known(other, [A])

    run(work())


def test_what_was_not_handed_in_or_refused_is_free_again(tmp_path: Path, url: str) -> None:
    async def work() -> None:
        with gateways(tmp_path, url) as (one, other):
            with one.claims.hold() as hold:
                await hold.take([A, B])
            one.log.hold("no")
            with pytest.raises(LogUnavailableError):
                await claim(one, A)
            await claim(other, A, B)

    run(work())


def test_a_caller_that_goes_away_leaves_its_claim(tmp_path: Path, url: str) -> None:
    async def leaving(one: Gateway, batch: Batch) -> None:
        with one.claims.hold() as hold:
            await hold.take([A])
            appended = asyncio.ensure_future(hold.append(batch))
            await asyncio.sleep(0)
            appended.cancel()
            await appended

    async def work() -> None:
        with gateways(tmp_path, url) as (one, other):
            batch = claiming([A])
            with pytest.raises(asyncio.CancelledError):
                await leaving(one, batch)
            assert await known(other, [A]) == {A: batch.id}
            taking = asyncio.ensure_future(known(other, [B]))
            await asyncio.sleep(0)
            taking.cancel()
            await asyncio.sleep(0.05)
            await claim(one, B)

    run(work())


def test_only_what_is_reserved_can_be_claimed(tmp_path: Path, url: str) -> None:
    async def work() -> None:
        with gateways(tmp_path, url, 1) as (one,), one.claims.hold() as hold:
            with pytest.raises(ValueError, match="reserved"):
                hold.append(claiming([A]))
            await hold.take([A])
            for keys in ([B], [A, B], [A, A]):
                with pytest.raises(ValueError, match="reserved"):
                    hold.append(claiming(keys))
            await hold.append(claiming([A]))

    run(work())


def test_a_void_claim_is_as_none_and_the_engine_that_comes_late_does_not_bring_it_back(
    tmp_path: Path, url: str
) -> None:
    async def work() -> None:
        with gateways(tmp_path, url) as (one, other):
            old = await claim(one, A)
            await until_free(url)
            await asyncio.sleep(0.002)  # ids grow by the millisecond
            new = claiming([A], b"new")
            wanted = {A: new.claims[0].value}
            with other.claims.hold() as hold, one.claims.hold() as second:
                assert await hold.take([A], void=lambda value: value.startswith(old.id)) == {}
                await hold.append(new)
                assert await second.take([A], void=lambda value: value.startswith(old.id)) == wanted
            await until_free(url)
            assert await known(one, [A]) == wanted
            shelf = PostgresShelf(url, partition=3)
            for batches in ([new, old], [new], [old]):
                rows = [Row(claim, batch.id, "ws") for batch in batches for claim in batch.claims]
                shelf.take(rows, now_ms(), 77)
            assert (shelf.find([A]), shelf.position()) == (wanted, 77)
            shelf.close()

    run(work())


def test_nothing_is_appended_once_nobody_hears_of_the_gateway(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reservations may have been cleared away: also when the database is back."""
    monkeypatch.setattr(desk, "LEASE_SECONDS", 0.3)

    async def work() -> None:
        with gateways(tmp_path, url, 1) as (one,), one.claims.hold() as hold:
            await hold.take([A])
            await asyncio.sleep(0.5)  # a beat would come after 2 s
            with pytest.raises(UnavailableError, match="void"):
                hold.append(claiming([A]))
            await claim(one, B)
            with pytest.raises(UnavailableError, match="void"):
                hold.append(claiming([A]))

    run(work())


def test_a_gateway_that_is_busy_is_heard_of(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "LEASE_SECONDS", 1.0)
    monkeypatch.setattr(desk, "BEAT_SECONDS", 0.1)

    async def work() -> None:
        with gateways(tmp_path, url, 1) as (one,), one.claims.hold() as hold:
            await hold.take([A])
            for n in range(150):
                await claim(one, b"%16d" % n)
                await asyncio.sleep(0.01)
            with psycopg.connect(url) as connection:
                found = connection.execute("SELECT clock_timestamp() - seen_at FROM headwater.claim_holders").fetchall()
            assert len(found) == 1 and found[0][0].total_seconds() < 1
            await hold.append(claiming([A]))

    run(work())


def test_a_session_that_ends_takes_its_reservations_with_it_for_appending(tmp_path: Path, url: str) -> None:
    async def work() -> None:
        with gateways(tmp_path, url, 1) as (one,), one.claims.hold() as hold:
            await hold.take([A])
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await asyncio.sleep(0.1)
            await claim(one, B)
            with pytest.raises(UnavailableError):
                hold.append(claiming([A]))
        await until_free(url)

    run(work())


GATEWAY = """
    import asyncio, os, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from claims.test_shared import A, B, C, Gateway, claim, claiming

    async def main():
        gateway = Gateway(Path(sys.argv[1]), sys.argv[2])
        hold = gateway.claims.hold()
        assert await hold.take([A, B]) == {}
        gateway.claims._desk.keep = lambda *_: None  # it dies before that
        batch = claiming([A])
        await hold.append(batch)
        print(batch.id.hex(), flush=True)
        await asyncio.sleep(100)

    asyncio.run(main())
"""


def test_what_a_gateway_leaves_that_was_killed_is_known_from_the_log_or_void(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had reserved two keys and appended a batch with one of them, and nobody was told."""
    monkeypatch.setattr(postgres, "LEASE_SECONDS", 0.2)
    monkeypatch.setattr(shared, "WAIT_SECONDS", 0.1)
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", textwrap.dedent(GATEWAY), str(tmp_path / "dead"), url, tests]
    judge = Reservations(url, append_seconds=0.3)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as dying:
        assert dying.stdout is not None
        batch = bytes.fromhex(dying.stdout.readline().strip())
        assert judge.count() == 2 and judge.abandoned() == []
        threading.Event().wait(0.6)
        assert judge.abandoned() == [], "it lives, and holds its lock"
        os.kill(dying.pid, signal.SIGKILL)

    async def work() -> None:
        with gateways(tmp_path, url, 1) as (one,):
            for keys in ([A], [B]):
                with pytest.raises(UnavailableError):
                    await known(one, keys)
            await asyncio.sleep(0.5)
            (abandoned,) = judge.abandoned()
            reader, shelf = FilesReader(tmp_path / "dead"), PostgresShelf(url)
            found = [Row(each, one.batch, one.workspace) for one in reader.claims(0) for each in one.claims]
            shelf.take(found, now_ms(), reader.durable())
            assert await known(one, [A]) == {A: batch}, "before anybody voids anything"
            assert judge.void(abandoned) == 2 and judge.void(abandoned) == 0
            assert await known(one, [A]) == {A: batch}
            await claim(one, B)
            reader.close()
            shelf.close()

    run(work())
    judge.close()


def test_what_nobody_knows_stays_reserved_until_the_log_has_told(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LEASE_SECONDS", 0.1)
    judge = Reservations(url, append_seconds=0.2)

    async def undecided(batch: Batch) -> None:
        raise RuntimeError("the log was closed before it was known")

    async def work() -> None:
        with gateways(tmp_path, url, 1) as (one,):
            monkeypatch.setattr(one.log, "append", undecided)
            with one.claims.hold() as hold:
                await hold.take([A])
                with pytest.raises(RuntimeError):
                    await hold.append(claiming([A]))
            with one.claims.hold() as again, pytest.raises(InFlightError):
                await again.take([A], wait=False)
            await asyncio.sleep(0.5)
            (abandoned,) = judge.abandoned()
            assert judge.void(abandoned) == 1
            assert await known(one, [A]) == {}

    run(work())
    judge.close()


def test_a_database_that_restarts_doubles_nothing(tmp_path: Path, postgres: Postgres) -> None:
    url, random = postgres.database(), Random(7)

    async def work() -> None:
        with gateways(tmp_path, url) as made:
            crowd = Crowd(made, random)
            tasks = [asyncio.ensure_future(crowd.one(KEYS[n % 12])) for n in range(200)]
            await asyncio.sleep(0.05)
            await asyncio.to_thread(postgres.kill)
            await asyncio.sleep(0.3)
            await asyncio.to_thread(postgres.start)
            await asyncio.gather(*tasks)
            for _ in range(100):
                try:
                    assert set(await known(made[0], KEYS)) >= crowd.owners.keys()
                    break
                except UnavailableError:
                    await asyncio.sleep(0.1)
            await crowd.settled()
            await until_free(url)
        crowd.check(tmp_path)

    run(work())


def test_a_database_that_hangs_is_not_waited_for(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did all the same is given back."""
    url = postgres.database()
    monkeypatch.setattr(shared, "WAIT_SECONDS", 0.5)

    async def work() -> None:
        with gateways(tmp_path, url, 1) as (one,):
            await claim(one, A)
            await asyncio.to_thread(postgres.pause)
            for _ in range(2):
                with pytest.raises(UnavailableError, match="answer"):
                    await known(one, [B])
            await asyncio.to_thread(postgres.resume)
            await until_free(url)
            await claim(one, B)

    run(work())


def test_what_fails_in_a_session_that_lasts_is_tried_again(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it was done, and what was reserved before is reserved still."""

    async def work() -> None:
        with gateways(tmp_path, url, 1) as (one,):
            with one.claims.hold() as hold:
                await hold.take([A])
                with one.claims.hold() as freed:
                    await freed.take([B])
                with psycopg.connect(url) as other:
                    other.execute("LOCK TABLE headwater.claim_reserved")
                    with pytest.raises(UnavailableError):
                        await known(one, [B, C])
                await claim(one, B, C)
                await hold.append(claiming([A]))
            await until_free(url)

    run(work())


class Crowd:
    """Many at several gateways who want the same few keys, and what they learned."""

    def __init__(self, made: list[Gateway], random: Random) -> None:
        self.made = made
        self.random = random
        self.owners: dict[bytes, bytes] = {}
        """Key to batch, of those who were told that theirs is durable."""
        self.doubtful: set[bytes] = set()
        """Batches of those who did not stay for the outcome."""
        self.refused: set[bytes] = set()
        self._appending: list[asyncio.Future[None]] = []

    async def one(self, *wanted: bytes) -> None:
        random = self.random
        keys = list(wanted) or random.sample(KEYS, random.randint(1, 5))
        await asyncio.sleep(random.random() * 0.1)
        with random.choice(self.made).claims.hold() as hold:
            before = set(self.owners)
            try:
                found = await hold.take(keys)
            except UnavailableError:
                return
            for key, value in found.items():
                assert self.owners.get(key, value) == value
                assert value not in self.refused
            free = [key for key in keys if key not in found]
            assert not before & set(free), "what is durable was forgotten"
            if free and random.random() < 0.8:
                await self._append(hold, free[: random.randint(1, len(free))])

    async def _append(self, hold: Any, keys: list[bytes]) -> None:
        batch = claiming(keys)
        try:
            awaited = hold.append(batch)
        except UnavailableError:
            self.refused.add(batch.id)
            return
        appended = asyncio.ensure_future(awaited)
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

    async def settled(self) -> None:
        for each in self.made:
            while holder := each.claims.holder_of(KEYS):
                await holder.change()

    def check(self, directory: Path) -> None:
        """The logs are the truth: each key at most once in all, all that was acknowledged, nothing that was refused."""
        found: list[tuple[bytes, bytes]] = []
        for number in range(len(self.made)):
            reader = FilesReader(directory / f"log-{number}")
            found += [(each.key, one.batch) for one in reader.claims(0) for each in one.claims]
            reader.close()
        assert len({key for key, _ in found}) == len(found), "a key is in the logs twice"
        assert self.owners.items() <= dict(found).items()
        assert {batch for _, batch in found} <= set(self.owners.values()) | self.doubtful


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(seed=st.integers(0, 1 << 32), faulty=st.booleans(), count=st.integers(2, 3))
def test_a_crowd_at_several_gateways_gets_each_key_once(
    tmp_path_factory: pytest.TempPathFactory, database: str, seed: int, faulty: bool, count: int
) -> None:
    directory, random = tmp_path_factory.mktemp("gateways"), Random(seed)
    postgres_database.opened(database).close()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("TRUNCATE headwater.claim_claims, headwater.claim_reserved")

    async def work() -> None:
        with gateways(directory, database, count) as made:
            for each in made:
                each.disk.random = Random(seed) if faulty else None
            crowd = Crowd(made, random)
            await asyncio.gather(*[crowd.one() for _ in range(60)])
            await crowd.settled()
            await until_free(database)
        crowd.check(directory)

    run(work())
