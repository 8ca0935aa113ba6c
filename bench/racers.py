"""Who races, and with which requests."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bodies
import peers
from bodies import Kind
from servers import HERE, Headwater, Server

PEERS = ("FastAPI + SQLite", "FastAPI + PostgreSQL", "Litestar + JetStream", "UmaDB")
"""The durable ones. Where one cannot run, or fails, the race goes on without it."""


@dataclass(frozen=True)
class Case:
    """One racer: a server and a form of request."""

    server: str
    kind: Kind
    fixed: bool = False
    """Whether it also runs at a rate that nobody is busy with."""
    half: bool = False
    """Whether it also runs at half of what it has just shown to take at most."""

    @property
    def ours(self) -> bool:
        return self.server.startswith("headwater")


def _cases() -> tuple[Case, ...]:
    made = []
    for kind, ours in ((bodies.BIK_BATCH, "headwater bik"), (bodies.BIGMIND_BATCH, "headwater bigmind")):
        made += [Case("no-op uvicorn", kind), Case("no-op httptools", kind, fixed=True)]
        made += [Case(peer, kind, fixed=True) for peer in PEERS]
        made += [Case(ours, kind, fixed=True, half=True)]
    made += [Case("headwater bigmind", bodies.CHECKED_BATCH)]
    made += [Case("no-op httptools", bodies.BIK_SINGLE), Case("headwater bik", bodies.BIK_SINGLE)]
    made += [Case(server, bodies.BIGMIND_SINGLE) for server in ("no-op uvicorn", "no-op httptools", *PEERS)]
    return (*made, Case("headwater bigmind", bodies.BIGMIND_SINGLE))


CASES = _cases()

STARTS: dict[str, Callable[[Path], Server]] = {
    "headwater bik": lambda directory: Headwater("headwater bik", directory),
    "headwater bigmind": lambda directory: Headwater("headwater bigmind", directory),
    "no-op uvicorn": lambda directory: Server("no-op uvicorn", [str(HERE / "noop_asgi.py")], directory),
    "no-op httptools": lambda directory: Server("no-op httptools", [str(HERE / "noop_protocol.py")], directory),
    "FastAPI + SQLite": peers.OnSqlite,
    "FastAPI + PostgreSQL": peers.OnPostgres,
    "Litestar + JetStream": peers.OnJetStream,
    "UmaDB": peers.OnUmaDB,
}
"""In this order: the first headwater's memory is looked at while it is alone."""
