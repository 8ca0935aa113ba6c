"""The engine's main function. Whoever imports this imports chDB, which takes a second, and which the gateway must never
hold."""

import os
import sys
import threading
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from functools import partial

import uvloop

from headwater.activity import Activity
from headwater.backfills import Backfills, Settling
from headwater.backup.keeping import Keeper
from headwater.ballast import Ballast
from headwater.bounds import has_room, room_of
from headwater.catalog.reading import CatalogReader
from headwater.checks import Checks
from headwater.claims.sqlite import erase
from headwater.clock import now_ms
from headwater.cohorts import Cohorts
from headwater.config import Settings
from headwater.dialects import DIALECTS
from headwater.erasure import Erasure, Erasures
from headwater.faults import fault_on_purpose
from headwater.feed import Feed
from headwater.insight import Insight
from headwater.jobs import Jobs
from headwater.links import Links
from headwater.live.live import Live
from headwater.locks import DirectoryLock
from headwater.log.files import FilesReader
from headwater.measures import Measures
from headwater.people import People
from headwater.pipeline import Pipeline
from headwater.previews import Previews
from headwater.profiles import Profiles
from headwater.rejected import Rejected
from headwater.removal import Removal
from headwater.retention import Retention
from headwater.search import Search
from headwater.state.base import Link
from headwater.state.cohorts_sqlite import SqliteMemberships
from headwater.state.sqlite import SqliteState
from headwater.store import schema
from headwater.store.clickhouse import ChdbStore
from headwater.tail import Tail
from headwater.tombstones import Tombstones
from headwater.trace import Traces
from headwater.web import activity, backfills, checks, cohorts, erasures, keeping, measures, profiles, rejected, trace
from headwater.web.engine import engine_app
from headwater.web.live import router as feed_router
from headwater.web.server import private_socket, server

_ENGINE_NICE = 19
"""docs/decisions/0008-acknowledging-goes-first.md"""


def run_engine(settings: Settings) -> None:
    """Stores events and answers questions until SIGTERM. Raises StartError, CorruptionError."""
    # Acknowledging goes first: on a busy machine storing may lag, a sender must not notice.
    os.nice(_ENGINE_NICE)
    # The gateway took whatever its own recursion limit let through; it must be readable here however deep the stack.
    sys.setrecursionlimit(20_000)
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
        links = Links(store, state, people)
        removal = Removal(reader, store, state, memberships, pipeline)
        search = Search(store, state, people, catalog)
        stack.callback(search.close)

        def drop(workspace: str, identities: Sequence[str], others: Collection[str]) -> None:
            live.drop(workspace, identities, others)
            search.forget(workspace, {*identities, *others})

        def retained(workspace: str) -> None:
            live.again(workspace, "retention")
            search.forget(workspace)

        tombstones = Tombstones(settings.tombstones_path, settings.secret_path)
        works = (
            Settling(catalog, state, links, pipeline.between, live.as_of),
            Erasure(
                removal,
                state,
                people,
                links,
                tombstones,
                drop,
                partial(erase, settings.claims_path),
                reader.claimed,
                again=lambda workspace: live.again(workspace, "profile"),
            ),
            Retention(removal, state, catalog, links, retained),
        )
        jobs = Jobs(state, works)
        insight = Insight(store, state, people, catalog, reader, tail)
        stop = threading.Event()
        workers = [
            threading.Thread(target=pipeline.run, args=(stop,), name="pipeline"),
            threading.Thread(target=live.run, args=(stop,), name="live"),
            threading.Thread(target=feed.run, args=(stop,), name="feed"),
            threading.Thread(target=jobs.run, args=(stop,), name="jobs"),
        ]
        for worker in workers:
            worker.start()
        try:
            listener = private_socket(settings.engine_socket)
            databases = [settings.state_path, settings.cohorts_path]
            keeper = Keeper(settings.frozen_dir, pipeline, store, databases, jobs.lock, partial(has_room, settings))
            measured = Measures(store, people, catalog)
            traces = Traces(insight, measured, store, people, catalog, memberships, reader, tail, DIALECTS)
            routers = (
                trace.router(traces),
                activity.router(Activity(store, catalog)),
                checks.router(Checks(store, catalog, DIALECTS)),
                rejected.asking(Rejected(store, state, catalog, reader, tail, DIALECTS)),
                cohorts.router(Cohorts(memberships, live, catalog.signals_of, people.connected)),
                measures.router(measured),
                profiles.router(Profiles(store, people, catalog, memberships, live.wake), insight, search),
                erasures.router(Erasures(state, people, jobs.wake)),
                backfills.asking(
                    Backfills(store, catalog, state, Previews(store, state, people, catalog, live.imagined))
                ),
            )
            app = engine_app(insight, pipeline.status, store, live, *routers)
            serving = server(app)
            app.include_router(keeping.router(keeper, schema.version(), lambda: serving.should_exit))
            app.include_router(feed_router(feed, lambda: serving.should_exit))
            uvloop.run(serving.serve(sockets=[listener]))
        finally:
            stop.set()
            live.wake()
            feed.wake()
            jobs.wake()
            for worker in workers:
                worker.join()
