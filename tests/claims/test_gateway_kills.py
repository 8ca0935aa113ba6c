"""Gateways that are killed with -9 again and again while they want the same keys: each key is in the logs once."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from random import Random

import pytest

from headwater.claims.base import Row
from headwater.claims.postgres import PostgresShelf, Reservations
from headwater.clock import now_ms
from headwater.log.files import FilesReader
from services import Postgres

pytestmark = pytest.mark.cluster

LEASE, APPENDING = 0.5, 0.5
GATEWAYS = 3
GATEWAY = f"""
    import asyncio, random, sys, time
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from batches import make_batch
    from headwater.claims import desk, shared
    from headwater.claims.base import InFlightError
    from headwater.claims.shared import SharedClaims
    from headwater.errors import UnavailableError
    from headwater.events import Claim
    from headwater.log.files import FilesAppender
    from msgspec import structs

    desk.LEASE_SECONDS, desk.BEAT_SECONDS, shared.WAIT_SECONDS = {LEASE}, {LEASE / 4}, 0.2

    async def one(claims):
        while True:
            await asyncio.sleep(random.random() * 0.01)
            keys = {{b"%16d" % (int(time.time() * 200) - random.randrange(30)) for _ in range(2)}}
            try:
                with claims.hold() as hold:
                    free = keys - (await hold.take(keys)).keys()
                    if free:
                        batch = make_batch(1)
                        batch = structs.replace(batch, claims=tuple(Claim(key, batch.id) for key in free))
                        await hold.append(batch)
                        for key in free:
                            print(key.decode().strip(), batch.id.hex(), flush=True)
            except (UnavailableError, InFlightError):
                pass

    async def main():
        log = FilesAppender(Path(sys.argv[1]))
        print("open", flush=True)
        claims = SharedClaims(log, sys.argv[2])
        await asyncio.gather(*[one(claims) for _ in range(20)])

    asyncio.run(main())
"""


class Dying:
    """One gateway after the other on the same log."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory, self.url = directory, url
        self.told: list[tuple[bytes, str]] = []
        self.start()

    def start(self) -> None:
        about = [str(self.directory), self.url, str(Path(__file__).parents[1])]
        command = [sys.executable, "-c", textwrap.dedent(GATEWAY), *about]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None and self.process.stdout.readline() == "open\n"

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        assert self.process.stdout is not None
        for line in self.process.stdout.read().splitlines():
            if len(fields := line.split()) == 2 and len(fields[1]) == 32:
                self.told.append((b"%16d" % int(fields[0]), fields[1]))
        self.process.wait()
        self.process.stdout.close()


def test_gateways_that_are_killed_claim_nothing_twice(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headwater.claims.postgres.LEASE_SECONDS", LEASE)
    url, random, voided = postgres.database(), Random(3), 0
    judge = Reservations(url, append_seconds=APPENDING)
    made = [Dying(tmp_path / f"log-{number}", url) for number in range(GATEWAYS)]
    shelves = [PostgresShelf(url, number) for number in range(GATEWAYS)]
    readers = [FilesReader(each.directory) for each in made]
    try:
        for _ in range(12):
            time.sleep(0.4)
            dying = random.choice(made)
            dying.kill()
            dying.start()  # which takes what of the log is whole: what is in it is known from here on
            abandoned = judge.abandoned()
            for shelf, reader in zip(shelves, readers, strict=True):
                end = reader.durable()
                found = [Row(each, one.batch, one.workspace) for one in reader.claims(0) for each in one.claims]
                shelf.take(found, now_ms(), end)
            voided += sum(judge.void(each) for each in abandoned)
    finally:
        for dying in made:
            dying.kill()
    found = [(each.key, one.batch.hex()) for reader in readers for one in reader.claims(0) for each in one.claims]
    told = [each for dying in made for each in dying.told]
    assert len({key for key, _ in found}) == len(found) > 100, "a key is in the logs twice"
    assert set(told) <= set(found) and len(told) > 100 and voided > 0
    for each in (judge, *shelves, *readers):
        each.close()
