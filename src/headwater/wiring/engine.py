"""The engine's main function. Whoever imports this imports chDB, which takes a second, and which the gateway must never
hold."""

import os
import sys
from collections.abc import Collection
from contextlib import ExitStack
from functools import partial

import uvloop

from headwater.backup.keeping import Keeper
from headwater.ballast import Ballast
from headwater.bounds import has_room, room_of
from headwater.catalog.reading import CatalogReader
from headwater.claims.sqlite import erase
from headwater.clock import now_ms
from headwater.config import Settings
from headwater.drain import LogDrain
from headwater.faults import fault_on_purpose
from headwater.feed import Feed
from headwater.live.live import Live
from headwater.locks import DirectoryLock
from headwater.log.files import FilesReader
from headwater.people import People
from headwater.pipeline import Pipeline
from headwater.state.base import Link
from headwater.state.cohorts_sqlite import SqliteMemberships
from headwater.state.positions_sqlite import SqlitePositions
from headwater.state.sqlite import SqliteState
from headwater.state.webhooks_sqlite import SqliteOutbox
from headwater.store import schema
from headwater.store.clickhouse import ChdbStore
from headwater.tail import Tail
from headwater.web import keeping
from headwater.web.server import Front, private_socket, server
from headwater.wiring import destined
from headwater.wiring.answers import Answers, Kept, working

_ENGINE_NICE = 19
"""docs/decisions/0008-acknowledging-goes-first.md"""


def run_engine(settings: Settings) -> None:
    """Stores events and answers questions until SIGTERM. Raises StartError, CorruptionError."""
    # Acknowledging goes first: on a busy machine storing may lag, a sender must not notice.
    os.nice(_ENGINE_NICE)
    # The gateway took whatever its own recursion limit let through; it must be readable here however deep the stack.
    sys.setrecursionlimit(20_000)
    if settings.is_cluster:
        from headwater.wiring import engines  # late: what it needs may not be installed

        engines.run_engine(settings)
        return
    with ExitStack() as stack:
        stack.enter_context(DirectoryLock(settings.data_dir / "engine.lock"))
        ballast = Ballast(settings.ballast_path, room_of(settings).ballast)
        ballast.drop_if_needed()
        state = SqliteState(settings.state_path)
        stack.callback(state.close)
        store = ChdbStore(settings.store_dir)
        stack.callback(store.close)
        reader = FilesReader(settings.log_dir)
        stack.callback(reader.close)
        catalog = CatalogReader(settings.catalog_path)
        stack.callback(catalog.close)
        memberships = SqliteMemberships(settings.cohorts_path)
        stack.callback(memberships.close)
        positions = SqlitePositions(settings.positions_path)
        stack.callback(positions.close)
        outbox = SqliteOutbox(settings.webhooks_path)
        stack.callback(outbox.close)
        people = People(state, catalog.excluded)
        live = Live(reader, store, state, people, catalog, memberships)

        def stored(links: Collection[Link]) -> None:
            people.note(links)
            live.stored(state.cursors())

        tail = Tail(reader, state.cursors)
        feed = Feed(reader, tail, catalog, now_ms())
        pipeline = Pipeline(
            reader,
            store,
            state,
            settings,
            probe=fault_on_purpose(os.environ.get("HEADWATER_PROBE", "")),
            relieve=ballast.drop_if_needed,
            stored=stored,
            needed=live.needs,
            excluded=lambda workspace: people.attribution(workspace).excluded,
            told=feed.told,
        )
        kept = Kept(
            store,
            state,
            memberships,
            outbox,
            catalog,
            people,
            live,
            reader,
            tail,
            feed,
            LogDrain(reader, state, pipeline),
            pipeline.between,
            pipeline.status,
            partial(erase, settings.claims_path),
            reader.claimed,
            destined.destinations(settings, positions, store, state.cursors, tail),
        )
        answers = Answers(stack, settings, kept)
        # Webhooks first: how far they have followed the others must not lie behind their end.
        databases = [settings.webhooks_path, settings.state_path, settings.cohorts_path, settings.positions_path]
        keeper = Keeper(settings.frozen_dir, pipeline, store, databases, answers.jobs.lock, partial(has_room, settings))

        front = Front()
        serving = server(front)
        ends = lambda: serving.should_exit  # noqa: E731
        front.app = answers.app(ends, keeping.router(keeper, schema.version(), ends))
        with working(answers, ("pipeline", pipeline.run)):
            uvloop.run(serving.serve(sockets=[private_socket(settings.engine_socket)]))
