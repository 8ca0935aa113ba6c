"""An engine's main function past one machine: it stores the partitions that fall to it, and one of them all leads."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

import uvloop
from msgspec import structs

from headwater.catalog.postgres_reading import PostgresReader
from headwater.claims.postgres import PostgresShelf, Reservations, erase
from headwater.clock import HOUR_MS, now_ms
from headwater.cluster.clearing import Clearing
from headwater.cluster.drain import PartitionsDrain
from headwater.cluster.following import Following
from headwater.cluster.owning import Owner
from headwater.cluster.positions import spread
from headwater.cluster.reading import Arrivals, Blocks, Partitions
from headwater.cluster.tails import Tails
from headwater.config import Settings
from headwater.errors import StartError, UnavailableError
from headwater.events import Lane
from headwater.faults import fault_on_purpose
from headwater.feed import Feed
from headwater.live.live import Live
from headwater.log.kafka import address, partitions
from headwater.log.kafka_group import KafkaGroup
from headwater.log.kafka_reader import KafkaReader
from headwater.log.kafka_streams import Streams
from headwater.people import People
from headwater.state.base import Cursor
from headwater.state.cohorts_postgres import PostgresMemberships
from headwater.state.commits import PostgresCommits
from headwater.state.leadership import PostgresLeadership
from headwater.state.moving import check_moved
from headwater.state.positions_postgres import PostgresPositions
from headwater.state.postgres import PostgresLedger
from headwater.state.webhooks_postgres import PostgresOutbox
from headwater.store.server import ServerStore
from headwater.web.engine import resting_app
from headwater.web.lines import OnlyGateways
from headwater.web.server import Front, Server, server
from headwater.wiring import destined
from headwater.wiring.answers import Answers, Kept, working
from headwater.wiring.partition import StoredPartition, taken
from headwater.wiring.urls import Urls

LOOK_SECONDS = 1.0
"""Between two looks whether this engine leads, or still does."""
_KEEP_SECONDS = 3600
"""The log keeps what is stored so long at least: for the one that leads, and whoever leads after it."""
_PASS_OVER = 1_000
"""Records of the other lane after which a cursor is moved over them."""

_logger = logging.getLogger(__name__)


def run_engine(settings: Settings) -> None:
    """Stores until SIGTERM, and leads once nobody else does. Raises StartError, SettingsError, CorruptionError."""
    urls = Urls(settings)
    check_moved(urls.database)
    kept = max(settings.log_keep_seconds, _KEEP_SECONDS)
    settings = structs.replace(settings, log_keep_seconds=kept, segment_bytes=4 * _PASS_OVER)
    with ExitStack() as stack:
        ServerStore(urls.store, layout=urls.layout).close()  # its tables are there before partitions are taken at once
        catalog = PostgresReader(urls.database, f"engine {socket.gethostname()}:{os.getpid()}")
        stack.callback(catalog.close)
        streams = Streams(address(urls.log))
        stack.callback(streams.close)
        committed = _Signal()
        probe = fault_on_purpose(os.environ.get("HEADWATER_PROBE", ""))

        def take(number: int) -> StoredPartition | None:
            return taken(partial(StoredPartition, number, settings, urls, streams, catalog, committed, probe))

        owner = Owner(take)
        group = KafkaGroup(urls.log, owner.want)
        leadership = PostgresLeadership(urls.database)
        stack.callback(leadership.close)
        listener = _listener(settings)
        front, stop = Front(), threading.Event()
        front.app = resting_app(owner.status)
        serving = server(OnlyGateways(front, leadership.token))
        leader = _Leader(settings, urls, owner, catalog, committed, front, serving)
        host, port = listener.getsockname()[:2]
        named: list[tuple[str, Callable[[threading.Event], None]]] = [
            ("owner", owner.run),
            ("group", group.run),
            ("leader", partial(leader.run, leadership, f"http://{host}:{port}")),
        ]
        workers = [threading.Thread(target=work, args=(stop,), name=name) for name, work in named]
        for worker in workers:
            worker.start()
        try:
            uvloop.run(serving.serve(sockets=[listener]))
        finally:
            stop.set()
            owner.wake()
            for worker in workers:
                worker.join()
        if leader.lost:
            raise StartError("this engine led and does no longer: it begins anew")


class _Leader:
    """Leads once nobody else does."""

    def __init__(
        self,
        settings: Settings,
        urls: Urls,
        owner: Owner,
        catalog: PostgresReader,
        committed: "_Signal",
        front: Front,
        serving: Server,
    ) -> None:
        self._settings = settings
        self._urls = urls
        self._owner = owner
        self._catalog = catalog
        self._committed = committed
        self._front = front
        self._serving = serving
        self.lost = False

    def run(self, leadership: PostgresLeadership, address: str, stop: threading.Event) -> None:
        """Until `stop` is set. Ends the server when it does not lead any more."""
        try:
            while not stop.is_set() and not _may_lead(leadership, address):
                stop.wait(LOOK_SECONDS)
            if stop.is_set():
                return
            _logger.info("this engine leads")
            with ExitStack() as stack:
                try:
                    self._lead(stack)
                    while leadership.leads() and not stop.wait(LOOK_SECONDS):
                        pass
                finally:
                    self._end(stop)  # first: what closes with the stack may take a while
        except Exception:
            _logger.exception("this engine cannot lead")
            self._end(stop)

    def _end(self, stop: threading.Event) -> None:
        if not stop.is_set():
            self.lost = True
            self._serving.should_exit = True

    def _lead(self, stack: ExitStack) -> None:
        """Begins to answer; what closes with `stack` ends it."""
        urls, catalog = self._urls, self._catalog
        ledger = PostgresLedger(urls.database)
        stack.callback(ledger.close)
        memberships = PostgresMemberships(urls.database)
        stack.callback(memberships.close)
        positions = PostgresPositions(urls.database)
        stack.callback(positions.close)
        outbox = PostgresOutbox(urls.database)
        stack.callback(outbox.close)
        store = ServerStore(urls.store, layout=urls.layout)
        stack.callback(store.close)
        streams = Streams(address(urls.log))
        stack.callback(streams.close)
        readers = [KafkaReader(urls.log, number, streams) for number in range(partitions(urls.log))]
        commits = PostgresCommits(ledger)
        known = Partitions(readers)
        people = People(ledger, catalog.excluded)

        def cursors(number: int) -> dict[Lane, Cursor]:
            found = commits.cursors().get(number, {lane: Cursor(0, 0) for lane in Lane})
            return {lane: Cursor(spread(number, each.position), each.block) for lane, each in found.items()}

        tails = Tails(known.each, cursors)
        feed = Feed(Arrivals(readers), tails, catalog, now_ms())
        following = Following(commits, known)
        live = Live(Blocks(known, following.place_of), store, ledger, people, catalog, memberships)
        following.tell(people.note, live.stored, feed.told, live.needed)
        drain = PartitionsDrain(readers, commits, lambda: {lane: at.block for lane, at in following.cursors().items()})
        kept = Kept(
            store,
            ledger,
            memberships,
            outbox,
            catalog,
            people,
            live,
            known,
            tails,
            feed,
            drain,
            drain.between,
            self._owner.status,
            partial(erase, urls.database),
            lambda: None,
            destined.destinations(self._settings, positions, store, following.cursors, tails),
        )
        answers = Answers(stack, self._settings, kept)
        clearing = self._clearing(stack, readers)
        self._committed.told = commits.wake
        stack.enter_context(working(answers, ("following", following.run), ("clearing", clearing.run)))
        self._front.app = answers.app(lambda: self._serving.should_exit)

    def _clearing(self, stack: ExitStack, readers: Sequence[KafkaReader]) -> Clearing:
        reservations = Reservations(self._urls.database)
        stack.callback(reservations.close)
        shelves = [PostgresShelf(self._urls.database, number) for number in range(len(readers))]
        for shelf in shelves:
            stack.callback(shelf.close)

        def is_open(workspace: str, backfill_id: str) -> bool:
            backfill = self._catalog.backfill(workspace, backfill_id)
            return backfill is not None and backfill.status == "open"

        return Clearing(
            reservations,
            shelves[0],
            lambda: [reader.durable() for reader in readers],
            lambda: [shelf.position() for shelf in shelves],
            self._settings.idempotency_hours * HOUR_MS,
            is_open,
        )


def _may_lead(leadership: PostgresLeadership, address: str) -> bool:
    try:
        return leadership.lead(address)
    except UnavailableError as error:
        _logger.warning("it cannot be seen who leads: %s", error)
        return False


class _Signal:
    """Tells whoever wants to know that a block was committed here."""

    def __init__(self) -> None:
        self.told: Callable[[], None] = lambda: None

    def __call__(self) -> None:
        self.told()


def _listener(settings: Settings) -> socket.socket:
    try:
        return socket.create_server((settings.engine_host, settings.engine_port), backlog=4096)
    except OSError as error:
        raise StartError(
            f"cannot listen on {settings.engine_host} port {settings.engine_port}: {error.strerror or error}"
        ) from error
