"""What an engine answers and what it does over what is stored, whatever it is stored in."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from fastapi import APIRouter
from starlette.types import ASGIApp

from headwater import tracing
from headwater.activity import Activity
from headwater.backfills import Backfills, Settling
from headwater.catalog.base import Definitions
from headwater.checks import Checks
from headwater.cohorts import Cohorts
from headwater.config import Settings
from headwater.destinations.all import Destinations
from headwater.dialects import DIALECTS
from headwater.drain import Drain
from headwater.erasure import Erasure, Erasures
from headwater.feed import Feed
from headwater.insight import Insight
from headwater.jobs import Jobs
from headwater.links import Links
from headwater.live.live import Live
from headwater.log.base import Records
from headwater.measures import Measures
from headwater.people import People
from headwater.pipeline import Status
from headwater.previews import Previews
from headwater.profiles import Profiles
from headwater.rejected import Rejected
from headwater.removal import Removal
from headwater.retention import Retention
from headwater.rules.address import networks
from headwater.search import Search
from headwater.state.base import State
from headwater.state.cohorts import Memberships
from headwater.state.webhooks import Outbox
from headwater.store.base import Store
from headwater.tail import Pending
from headwater.tombstones import Tombstones
from headwater.trace import Traces
from headwater.web import activity, backfills, checks, cohorts, erasures, measures, profiles, rejected, trace, webhooks
from headwater.web import destinations as destined
from headwater.web.engine import engine_app
from headwater.web.live import router as feed_router
from headwater.web.traced import Traced
from headwater.web.webhook_figures import WebhookFigures
from headwater.webhooks.endpoints import Endpoints
from headwater.webhooks.follower import Follower
from headwater.webhooks.sender import Sender
from headwater.webhooks.sources import Changes, Finished, Rejections, Source
from headwater.wiring import described

DESTINATIONS_SECONDS = 5.0
"""How long the end waits for what destinations are at. It need not: a delivery is written down before it is made, so it
is made again after the next start; and whoever was replaced meanwhile cannot write down any more how far it is."""

_logger = logging.getLogger(__name__)


class Kept(NamedTuple):
    """Where things are, and who follows them."""

    store: Store
    state: State
    memberships: Memberships
    outbox: Outbox
    catalog: Definitions
    people: People
    live: Live
    records: Records
    tail: Pending
    feed: Feed
    drain: Drain
    between: Callable[[Callable[[], None]], None]
    """As `Pipeline.between`."""
    status: Callable[[], Status]
    erase_claims: Callable[[Collection[bytes]], object]
    """As `claims.sqlite.erase`."""
    claimed: Callable[[], int | None]
    """As `log.base.Reader.claimed`."""
    destinations: Destinations


class Answers:
    """The jobs and the routes."""

    def __init__(self, stack: ExitStack, settings: Settings, kept: Kept) -> None:
        store, state, people, catalog = kept.store, kept.state, kept.people, kept.catalog
        self._kept = kept
        self._links = Links(store, state, people)
        self._search = Search(store, state, people, catalog)
        stack.callback(self._search.close)
        self._backfills = Backfills(store, catalog, state, Previews(store, state, people, catalog, kept.live.imagined))
        allowed = networks(settings.webhooks_allow)
        self._figures = WebhookFigures(kept.outbox.figures)
        self._sender = Sender(kept.outbox, allowed, self._figures.attempted)
        self._follower = Follower(kept.outbox, self._sources(settings), self._sender.wake)
        self._endpoints = Endpoints(kept.outbox, kept.memberships, self._follower, allowed, self._sender.wake)
        self.jobs = Jobs(state, self._works(settings))

    def workers(self) -> list[tuple[str, Callable[[threading.Event], None]]]:
        """Names, and what threads of them run until it is set, and `wake` was called."""
        return [
            ("live", self._kept.live.run),
            ("feed", self._kept.feed.run),
            ("jobs", self.jobs.run),
            ("webhooks", self._follower.run),
            ("deliveries", self._sender.run),
        ]

    def destinations(self) -> list[tuple[str, Callable[[threading.Event], None]]]:
        """The same of what is not ours, so that it may hang."""
        return self._kept.destinations.workers()

    def wake(self) -> None:
        self._kept.live.wake()
        self._kept.feed.wake()
        self.jobs.wake()
        self._follower.wake()
        self._sender.wake()

    def app(self, ends: Callable[[], bool], *more: APIRouter) -> ASGIApp:
        """All routes. `ends`: whether the server is about to."""
        kept, insight = self._kept, self._insight()
        routers = (*self._routers(insight), feed_router(kept.feed, ends), *more)
        figures = (self._figures, destined.DestinationFigures(kept.destinations))
        app = engine_app(insight, kept.status, kept.store, kept.live, *routers, figures=figures)
        return Traced(app, described.routes()) if tracing.is_on() else app

    def _sources(self, settings: Settings) -> tuple[Source, ...]:
        kept = self._kept
        every_ms = 1000 * settings.webhooks_digest_seconds
        return (
            Changes(kept.memberships, kept.people.connected),
            Rejections(kept.store, kept.state.cursors, every_ms),
            Finished(kept.catalog, self._backfills, kept.drain, kept.outbox.told),
        )

    def _works(self, settings: Settings) -> tuple[Settling, Erasure, Retention]:
        kept = self._kept
        state, people, live = kept.state, kept.people, kept.live
        removal = Removal(kept.drain, kept.store, state, kept.memberships, kept.outbox)
        tombstones = Tombstones(settings.tombstones_path, settings.secret_path)

        def drop(workspace: str, identities: Sequence[str], others: Collection[str]) -> None:
            live.drop(workspace, identities, others)
            self._follower.erase(workspace, identities)  # now: what it read of their changes before is in the outbox
            self._search.forget(workspace, {*identities, *others})

        def retained(workspace: str) -> None:
            live.again(workspace, "retention")
            self._search.forget(workspace)

        def again(workspace: str) -> None:
            live.again(workspace, "profile")

        return (
            Settling(kept.catalog, state, self._links, kept.between, live.as_of),
            Erasure(
                removal,
                state,
                people,
                self._links,
                tombstones,
                drop,
                kept.erase_claims,
                kept.claimed,
                again=again,
                written=kept.destinations.erase,
            ),
            Retention(removal, state, kept.catalog, self._links, retained),
        )

    def _insight(self) -> Insight:
        kept = self._kept
        return Insight(kept.store, kept.state, kept.people, kept.catalog, kept.records, kept.tail)

    def _routers(self, insight: Insight) -> tuple[APIRouter, ...]:
        store, state, memberships, outbox, catalog, people, live, records, tail, *_ = self._kept
        measured = Measures(store, people, catalog)
        traces = Traces(insight, measured, store, people, catalog, memberships, outbox, records, tail, DIALECTS)
        return (
            trace.router(traces),
            activity.router(Activity(store, catalog)),
            destined.router(self._kept.destinations),
            checks.router(Checks(store, catalog, DIALECTS)),
            rejected.asking(Rejected(store, state, catalog, records, tail, DIALECTS)),
            cohorts.router(Cohorts(memberships, live, catalog.signals_of, people.connected)),
            measures.router(measured),
            profiles.router(Profiles(store, people, catalog, memberships, live.wake), insight, self._search),
            erasures.router(Erasures(state, people, self.jobs.wake)),
            backfills.asking(self._backfills),
            webhooks.router(self._endpoints),
        )


@contextmanager
def working(answers: Answers, *more: tuple[str, Callable[[threading.Event], None]]) -> Iterator[None]:
    """Meanwhile a thread runs for each of the workers and of `more`. All of them have ended behind it, but for a
    destination that hangs: that one ends with the process."""
    stop = threading.Event()
    workers = [threading.Thread(target=work, args=(stop,), name=name) for name, work in [*more, *answers.workers()]]
    hanging = [
        threading.Thread(target=work, args=(stop,), name=name, daemon=True) for name, work in answers.destinations()
    ]
    for worker in [*workers, *hanging]:
        worker.start()
    try:
        yield
    finally:
        stop.set()
        answers.wake()
        for worker in workers:
            worker.join()
        _await(hanging, DESTINATIONS_SECONDS)


def _await(threads: Sequence[threading.Thread], seconds: float) -> None:
    ends = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0, ends - time.monotonic()))
        if thread.is_alive():
            _logger.warning(
                "%s hangs: it is not waited for; what it is at is done again after the next start", thread.name
            )
