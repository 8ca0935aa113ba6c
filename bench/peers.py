"""The durable peers: what one would write in a day for the same wire shapes on a store that syncs before it answers.

Each is as good as its simple form gets: measured beside its variants, and in doubt the faster one that still syncs.
"""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import sysconfig
from abc import ABC, abstractmethod
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg

import bodies
import machine
from servers import HERE, START_SECONDS, Server, ServerFailed, launched, until

sys.path.append(str(HERE.parent / "tests"))

import services
from serving import free_port

WITHOUT_TIDYING = {"autovacuum": "off", "checkpoint_timeout": "1h", "max_wal_size": "16GB"}
"""PostgreSQL's work in the background falls out of the race: in its favour, and so that it disturbs nobody's turn."""
NATS = """
listen: "127.0.0.1:%d"
max_payload: 4MB
jetstream { store_dir: "%s", sync_interval: always }
"""


class Peer(Server, ABC):
    """A script of bench/ and, by role, the processes of the store behind it, with all that come from them."""

    def __init__(self, name: str, script: str, directory: Path, address: str, **stores: int) -> None:
        self.stores = stores
        try:
            super().__init__(name, [str(HERE / script), address], directory)
        except BaseException:
            self.stop_store()
            raise

    def _ready(self) -> int:
        """It prints its port before it has opened its store."""
        port = super()._ready()

        def answers() -> bool | None:
            if self.process.poll() is not None:
                raise ServerFailed(f"{self.name} ended:\n{self.log.read_text()[-5000:]}")
            try:
                return httpx.get(f"http://127.0.0.1:{port}/", timeout=2, trust_env=False).status_code > 0
            except httpx.HTTPError:
                return None

        until(answers, START_SECONDS, f"{self.name} is ready")
        return port

    def _found_pids(self) -> dict[str, list[int]]:
        return {"server": [self.process.pid]} | {role: [pid] for role, pid in self.stores.items()}

    def cpu(self) -> dict[str, float]:
        """Of those that have ended meanwhile, too."""
        try:
            return {role: machine.tree_seconds(pid) for role, (pid,) in self._pids.items()}
        except (FileNotFoundError, ProcessLookupError):
            raise ServerFailed(f"a process of {self.name} ended:\n{self.log.read_text()[-5000:]}") from None

    def _members(self) -> dict[str, list[int]]:
        """With all that came from them: PostgreSQL's come and go."""
        return {role: list(machine.tree(pid)) for role, (pid,) in self._pids.items()}

    def stop(self) -> None:
        super().stop()
        self.stop_store()

    def stop_store(self) -> None:
        """Ends what runs behind it. Idempotent."""

    @abstractmethod
    def rows(self) -> int:
        """Events in the store, of the running peer."""

    def finish(self, seconds: float) -> dict[str, Any]:
        rows = self.rows()
        self.stop()
        return {"rows": rows, "bytes": machine.disk_bytes(self.folder())}

    def folder(self) -> Path:
        """Where the store's files are."""
        return self.directory


class OnSqlite(Peer):
    """One sync a request is what `synchronous=FULL` in WAL mode does; so requests are its commits."""

    def __init__(self, directory: Path) -> None:
        self.database = directory / "events.db"
        super().__init__("FastAPI + SQLite", "peer_sqlite.py", directory, str(self.database))

    def rows(self) -> int:
        with closing(sqlite3.connect(self.database)) as database:
            return int(database.execute("SELECT count(*) FROM events").fetchone()[0])


class Postgres(services.Postgres):
    def command(self) -> list[str]:
        return super().command() + [
            part for name, value in WITHOUT_TIDYING.items() for part in ("-c", f"{name}={value}")
        ]


class OnPostgres(Peer):
    """PostgreSQL as Debian ships it, a database of its own, without its work in the background."""

    def __init__(self, directory: Path) -> None:
        if not (shutil.which("postgres") or list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))):
            raise ServerFailed("PostgreSQL is not installed (`.ci/services postgres` installs it)")
        self.postgres = Postgres()
        self.postgres.start()
        for pid in machine.tree(self.postgres.pid):
            os.sched_setaffinity(pid, range(os.cpu_count() or 1))  # the bench itself keeps to one core
        self.database = self.postgres.database()
        super().__init__(
            "FastAPI + PostgreSQL", "peer_postgres.py", directory, self.database, postgres=self.postgres.pid
        )

    def rows(self) -> int:
        with psycopg.connect(self.database) as connection:
            row = connection.execute("SELECT count(*) FROM events").fetchone()
        return int(row[0]) if row else 0

    def versions(self) -> dict[str, str]:
        with psycopg.connect(self.database) as connection:
            major, minor = divmod(connection.info.server_version, 10_000)
        return {"PostgreSQL": f"{major}.{minor}"}

    def folder(self) -> Path:
        return self.postgres.folder / "data"

    def stop_store(self) -> None:
        self.postgres.stop()


class OnStore(Peer):
    """A store that is one program of a Python package, with an address on loopback."""

    def __init__(self, name: str, script: str, directory: Path, scheme: str, command: list[str], port: int) -> None:
        program = Path(sysconfig.get_path("scripts"), command[0])
        if not program.exists():
            raise ServerFailed(f"{command[0]} is not installed")
        directory.mkdir(parents=True, exist_ok=True)
        self.store_log = directory / "store.log"
        self.store = launched([str(program), *command[1:]], self.store_log, subprocess.DEVNULL)
        role = command[0].partition("-")[0]
        try:
            until(partial(self._listens, port), START_SECONDS, f"{command[0]} listens")
        except BaseException:
            self.stop_store()
            raise
        super().__init__(name, script, directory, f"{scheme}://127.0.0.1:{port}", **{role: self.store.pid})

    def _listens(self, port: int) -> bool | None:
        if self.store.poll() is not None:
            raise ServerFailed(f"the store ended:\n{self.store_log.read_text()[-5000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return None
        return True

    def stop_store(self) -> None:
        if self.store.poll() is None:
            self.store.send_signal(signal.SIGTERM)
            try:
                self.store.wait(20)
            except subprocess.TimeoutExpired:
                self.store.kill()
                self.store.wait()


class OnJetStream(OnStore):
    """One nats-server, a stream on disk, each message synced before its answer."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        port, settings = free_port(), directory / "nats.conf"
        settings.write_text(NATS % (port, directory / "jetstream"))
        self.address = f"nats://127.0.0.1:{port}"
        command = ["nats-server", "-c", str(settings)]
        super().__init__("Litestar + JetStream", "peer_jetstream.py", directory, "nats", command, port)

    def rows(self) -> int:
        """Messages are of one event or of a whole batch, and their subjects say which."""
        import asyncio

        import nats

        async def counted() -> dict[str, int]:
            connection = await nats.connect(self.address)
            found = await connection.jetstream().stream_info("events", subjects_filter=">")
            await connection.close()
            return found.state.subjects or {}

        messages = asyncio.run(counted())
        return messages.get("events.single", 0) + messages.get("events.batch", 0) * bodies.BATCH


class OnUmaDB(OnStore):
    """UmaDB's own server, its writer as it comes: the "pipelined" one syncs by io_uring, where nobody can see it."""

    def __init__(self, directory: Path) -> None:
        self.uma_port = free_port()
        listening = ["--listen", f"127.0.0.1:{self.uma_port}", "--db-path", str(directory / "events.umadb")]
        super().__init__("UmaDB", "peer_umadb.py", directory, "http", ["umadb", *listening], self.uma_port)

    def rows(self) -> int:
        """They are numbered from 1."""
        asked = "import sys, umadb; print(umadb.Client(sys.argv[1]).head() or 0)"
        address = f"http://127.0.0.1:{self.uma_port}"
        told = subprocess.run([sys.executable, "-c", asked, address], capture_output=True, text=True, check=True)
        return int(told.stdout)
