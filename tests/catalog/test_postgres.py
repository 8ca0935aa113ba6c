"""Several gateways on one catalog in PostgreSQL: none is behind, whatever becomes of the others or the database."""

import os
import signal as signals
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random

import psycopg
import pytest

from headwater.catalog.base import Catalog, NewSignal, SignalChanges
from headwater.catalog.credentials import load_secret, read_credentials
from headwater.catalog.moving import CatalogMove
from headwater.catalog.postgres import PostgresCatalog
from headwater.catalog.postgres_reading import PostgresReader
from headwater.catalog.postgres_view import PostgresCatalogView
from headwater.catalog.sqlite import SqliteCatalog
from headwater.config import Settings
from headwater.errors import ConflictError, CorruptionError, InvalidError, NotFoundError, StartError, UnavailableError
from services import Postgres
from tools import lack

pytestmark = pytest.mark.cluster

ME = "key_tester00"
SECRET = b"s" * 32
LEASE = 2.0

Open = Callable[[], PostgresCatalog]


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.database()


@pytest.fixture
def gateway(url: str) -> Iterator[Open]:
    """Opens the catalog as one more gateway."""
    with ExitStack() as stack:

        def opened() -> PostgresCatalog:
            made = PostgresCatalog(url, SECRET, lease_seconds=LEASE)
            stack.callback(made.close)
            return made

        yield opened


def sql(url: str, *statements: str) -> list[tuple[object, ...]]:
    """By somebody else; what the last one answers."""
    with psycopg.connect(url, autocommit=True, options="-c search_path=headwater") as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def chain_faults(url: str) -> list[str]:
    view = PostgresCatalogView(url)
    try:
        return list(view.chain(SECRET).faults)
    finally:
        view.close()


# --- read your writes ----------------------------------------------------------------------------------------------


def test_what_one_changed_all_obey_at_once(gateway: Open, url: str) -> None:
    """A model of what was said, asked of another gateway and of an engine right after each change."""
    gateways, engine, random = [gateway() for _ in range(3)], PostgresReader(url, lease_seconds=LEASE), Random(7)
    workspace = gateways[0].create_workspace(ME, "acme", preset=None)[0].id
    keys, known, backfills = dict[str, str](), dict[str, tuple[bool, int | None]](), dict[str, str]()
    taken = []
    for n in range(150):
        writer, other = random.sample(gateways, 2)
        begun = time.monotonic()
        match random.randrange(6):
            case 0:
                key, text = writer.create_key(ME, workspace, "k", frozenset(("ingest",)))
                keys[key.id] = text
                assert other.principal(text) == key.principal
            case 1 if keys:
                id, text = keys.popitem()
                writer.revoke_key(ME, workspace, id)
                assert [each.principal(text) for each in gateways] == [None] * 3
            case 2:
                slug = writer.create_signal(ME, workspace, NewSignal(name=f"s{n}", type="event")).slug
                known[slug] = True, None
            case 3 if known:
                slug, active = random.choice(list(known)), random.random() < 0.5
                writer.update_signal(ME, workspace, slug, SignalChanges(active=active))
                known[slug] = active, known[slug][1]
            case 4 if known:
                slug = random.choice(list(known))
                known[slug] = known[slug][0], writer.add_version(ME, workspace, slug, {}).version
            case 5:
                made = writer.create_backfill(ME, workspace, f"b{n}").id
                writer.close_backfill(ME, workspace, made)
                backfills[made] = "closed"
        taken.append(time.monotonic() - begun)
        for each in (other, engine):
            assert {s.slug: (s.active, s.latest) for s in each.signals_of(workspace).values()} == known
            assert {each.id: each.status for each in each.backfills(workspace)} == backfills
    engine.close()
    assert sorted(taken)[len(taken) // 2] < 0.25, "nobody waited for a lease"
    assert chain_faults(url) == []
    for each in (gateways[0], gateway()):
        assert each.signals_of(workspace) == gateways[1].signals_of(workspace)
        assert each.keys(workspace) == gateways[1].keys(workspace)
        assert each.backfills(workspace) == gateways[1].backfills(workspace)


def test_a_revoked_key_is_refused_by_who_asks_all_the_time(gateway: Open) -> None:
    one, two = gateway(), gateway()
    workspace = one.create_workspace(ME, "acme", preset=None)[0].id
    for _ in range(20):
        key, text = one.create_key(ME, workspace, "k", frozenset(("ingest",)))
        last, stop = [0.0], threading.Event()

        def ask(text: str = text, last: list[float] = last, stop: threading.Event = stop) -> None:
            while not stop.is_set():
                begun = time.monotonic()
                if two.principal(text):
                    last[0] = begun

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.01)
        one.revoke_key(ME, workspace, key.id)
        revoked = time.monotonic()
        time.sleep(0.01)
        stop.set()
        asking.join()
        assert 0 < last[0] < revoked


def test_many_writers_at_once_lose_nothing(gateway: Open, url: str) -> None:
    gateways = [gateway() for _ in range(3)]
    workspace = gateways[0].create_workspace(ME, "acme", preset=None)[0].id
    gateways[0].create_signal(ME, workspace, NewSignal(name="a", type="event"))
    versions, conflicts, errors = list[int](), list[str](), list[BaseException]()

    def write(catalog: Catalog, n: int) -> None:
        try:
            for step in range(6):
                versions.append(catalog.add_version(ME, workspace, "a", {"title": f"{n} {step}"}).version)
                catalog.note(ME, workspace, "something.done", f"{n} {step}")
                try:
                    catalog.create_backfill(ME, workspace, f"load {step}")
                except ConflictError:
                    conflicts.append(f"{n} {step}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(gateways[n % 3], n)) for n in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []
    assert sorted(versions) == list(range(1, 37)) and len(conflicts) == 30
    for each in (*gateways, gateway()):
        signal = each.signal(workspace, "a")
        assert signal is not None and signal.latest == 36 and len(each.versions(signal.id)) == 36
        assert len({version.schema["title"] for version in each.versions(signal.id)}) == 36
    assert len(gateways[0].audit(workspace, 1000)) == 2 + 36 + 36 + 6
    assert chain_faults(url) == []


def test_a_standing_backfill_waits_for_nobody(gateway: Open, url: str) -> None:
    one = gateway()
    workspace = one.create_workspace(ME, "acme", preset=None)[0].id
    sql(url, "INSERT INTO catalog_follower VALUES ('gone', 0)")
    begun = time.monotonic()
    made = one.standing_backfill(workspace, 1_795_000_000_000)
    one.note(ME, workspace, "something.done", "it")
    assert time.monotonic() - begun < 1
    assert gateway().standing_backfill(workspace, 1_795_000_000_000) == made


# --- gateways that are gone, or come back --------------------------------------------------------------------------

OTHER = """
import sys, time
from headwater.catalog.moving import CatalogMove
from headwater.catalog.postgres import PostgresCatalog
from headwater.errors import UnavailableError

catalog = PostgresCatalog(sys.argv[1], b"s" * 32, lease_seconds=float(sys.argv[2]))
print("ready", flush=True)
for line in sys.stdin:
    try:
        print("yes" if catalog.principal(line.strip()) else "no", flush=True)
    except UnavailableError:
        print("away", flush=True)
catalog.close()
"""


class Other:
    """A gateway in a process of its own."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-c", OTHER, url, str(LEASE)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._line() == "ready"

    def ask(self, key: str) -> str:
        self.send(key)
        return self._line()

    def send(self, key: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(key + "\n")
        self.process.stdin.flush()

    def signal(self, number: signals.Signals) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture
def other(url: str) -> Iterator[Other]:
    made = Other(url)
    yield made
    made.end()


def test_a_gateway_in_another_process_obeys_at_once(gateway: Open, other: Other) -> None:
    one = gateway()
    workspace = one.create_workspace(ME, "acme", preset=None)[0].id
    for _ in range(25):
        key, text = one.create_key(ME, workspace, "k", frozenset(("ingest",)))
        assert other.ask(text) == "yes"
        one.revoke_key(ME, workspace, key.id)
        assert other.ask(text) == "no"


def test_a_gateway_that_was_killed_is_waited_for_once(gateway: Open, other: Other) -> None:
    one = gateway()
    workspace = one.create_workspace(ME, "acme", preset=None)[0].id
    other.end()
    begun = time.monotonic()
    one.create_key(ME, workspace, "k", frozenset(("ingest",)))
    assert LEASE * 0.9 < time.monotonic() - begun < LEASE + 1
    begun = time.monotonic()
    one.create_key(ME, workspace, "k", frozenset(("ingest",)))
    assert time.monotonic() - begun < 0.5


def test_a_gateway_that_was_given_up_registers_again(gateway: Open, url: str) -> None:
    one, two = gateway(), gateway()
    workspace = one.create_workspace(ME, "acme", preset=None)[0].id
    sql(url, "DELETE FROM catalog_follower")
    deadline = time.monotonic() + 2 * LEASE
    while len(sql(url, "SELECT name FROM catalog_follower")) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    key, text = one.create_key(ME, workspace, "k", frozenset(("ingest",)))
    assert two.principal(text) == key.principal


def test_a_gateway_that_ended_in_order_is_not_waited_for(gateway: Open, url: str) -> None:
    one, two = gateway(), gateway()
    workspace = one.create_workspace(ME, "acme", preset=None)[0].id
    two.close()
    begun = time.monotonic()
    one.create_key(ME, workspace, "k", frozenset(("ingest",)))
    assert time.monotonic() - begun < 0.5
    with pytest.raises(UnavailableError):
        two.signals_of(workspace)
    assert len(sql(url, "SELECT name FROM catalog_follower")) == 1


def test_a_gateway_that_stood_still_never_says_what_is_over(gateway: Open, other: Other) -> None:
    one = gateway()
    workspace = one.create_workspace(ME, "acme", preset=None)[0].id
    key, text = one.create_key(ME, workspace, "k", frozenset(("ingest",)))
    assert other.ask(text) == "yes"
    other.signal(signals.SIGSTOP)
    other.send(text)  # it finds the question when it wakes
    begun = time.monotonic()
    one.revoke_key(ME, workspace, key.id)
    assert LEASE * 0.9 < time.monotonic() - begun < LEASE + 1
    other.signal(signals.SIGCONT)
    assert other._line() in ("away", "no")
    deadline = time.monotonic() + 5
    while (said := other.ask(text)) == "away" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert said == "no"
    begun = time.monotonic()
    _, text = one.create_key(ME, workspace, "k", frozenset(("ingest",)))
    assert time.monotonic() - begun < 1 and other.ask(text) == "yes", "it is waited for again"


# --- a database that is away ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["stopped", "paused"])
def test_without_a_database_it_answers_for_a_lease(
    gateway: Open, url: str, postgres: Postgres, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    one, engine = gateway(), PostgresReader(url, lease_seconds=LEASE)
    workspace, text = one.create_workspace(ME, "acme", preset=None)
    made = one.create_signal(ME, workspace.id, NewSignal(name="a", type="event"))
    postgres.pause() if fault == "paused" else postgres.kill()
    begun = time.monotonic()
    assert one.principal(text) and one.signal(workspace.id, "a") == made, "it goes on"
    while time.monotonic() - begun < LEASE + 1:
        with suppress(UnavailableError):
            one.principal(text)
            assert time.monotonic() - begun < LEASE + 0.1
        time.sleep(0.02)
    begun = time.monotonic()
    with pytest.raises(UnavailableError):
        one.principal(text)
    with pytest.raises(UnavailableError):
        one.create_key(ME, workspace.id, "k", frozenset(("read",)))
    assert time.monotonic() - begun < 0.1
    assert engine.signals_of(workspace.id) == {"a": made}, "an engine knows what it knew"
    postgres.resume() if fault == "paused" else postgres.start()
    begun = time.monotonic()
    while True:
        try:
            assert one.principal(text)
            break
        except UnavailableError:
            assert time.monotonic() - begun < 10
            time.sleep(0.05)
    one.create_signal(ME, workspace.id, NewSignal(name="b", type="event"))
    assert "b" in engine.signals_of(workspace.id)
    engine.close()
    assert chain_faults(url) == []


def test_a_database_that_restarts_is_hardly_noticed(gateway: Open, url: str, postgres: Postgres) -> None:
    one, two = gateway(), gateway()
    workspace, text = one.create_workspace(ME, "acme", preset=None)
    postgres.restart()
    for catalog in (one, two):
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                assert catalog.principal(text)
                key, more = catalog.create_key(ME, workspace.id, "k", frozenset(("read",)))
                break
            except UnavailableError:
                time.sleep(0.05)
        assert one.principal(more) == two.principal(more) == key.principal
    assert chain_faults(url) == []


def test_a_change_is_not_done_while_somebody_else_holds_the_catalog(gateway: Open, url: str) -> None:
    one = gateway()
    workspace, text = one.create_workspace(ME, "acme", preset=None)
    with psycopg.connect(url) as holder:
        holder.execute("SELECT 1 FROM headwater.catalog_end FOR UPDATE")
        begun = time.monotonic()
        with pytest.raises(UnavailableError):
            one.create_key(ME, workspace.id, "k", frozenset(("read",)))
        assert time.monotonic() - begun < 5
        assert one.principal(text)
    assert one.create_key(ME, workspace.id, "k", frozenset(("read",)))


class Link:
    """Between a gateway and the database: hands everything on, or holds it back, or ends."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = threading.Event()
        self._open.set()
        self._sockets = list[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        self._open.clear()

    def hand_on(self) -> None:
        self._open.set()

    def cut(self) -> None:
        sockets, self._sockets = self._sockets, []
        _end(*sockets)

    def close(self) -> None:
        self._listener.close()
        self.hand_on()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                ends = self._listener.accept()[0], socket.create_connection(("127.0.0.1", self._port))
                self._sockets.extend(ends)
                for pair in (ends, ends[::-1]):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                sink.sendall(data)
        _end(source, sink)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_to_the_network_nobody_says_what_is_over(
    gateway: Open, url: str, postgres: Postgres, seed: int
) -> None:
    """Links are held and cut at random; one gateway writes, and all are asked at all times for keys that are over."""
    random, links = Random(seed), [Link(postgres.port) for _ in range(3)]
    writer = gateway()
    gateways = [
        PostgresCatalog(url.replace(f":{postgres.port}/", f":{link.port}/"), SECRET, lease_seconds=LEASE)
        for link in links
    ]
    workspace = writer.create_workspace(ME, "acme", preset=None)[0].id
    over, wrong, answered, stop = list[str](), list[str](), [0, 0], threading.Event()

    def ask(catalog: PostgresCatalog) -> None:
        while not stop.is_set():
            for text in over[-3:]:
                try:
                    answered[0] += 1
                    if catalog.principal(text):
                        wrong.append(text)
                except UnavailableError:
                    answered[1] += 1
            time.sleep(0.001)

    def disturb() -> None:
        while not stop.wait(random.uniform(0.05, 0.6)):
            random.choice([Link.hold, Link.hold, Link.hand_on, Link.hand_on, Link.hand_on, Link.cut])(
                random.choice(links)
            )

    threads = [threading.Thread(target=ask, args=(each,)) for each in gateways]
    threads.append(threading.Thread(target=disturb))
    for thread in threads:
        thread.start()
    end, done = time.monotonic() + 12, 0
    while time.monotonic() < end:
        key, text = writer.create_key(ME, workspace, "k", frozenset(("ingest",)))
        writer.revoke_key(ME, workspace, key.id)
        over.append(text)
        done += 1
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == [] and done > 3 and answered[0] > answered[1] > 0, (done, answered)
    for link in links:
        link.hand_on()
    for catalog in gateways:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(UnavailableError):
                assert catalog.keys(workspace) == writer.keys(workspace)
                break
            time.sleep(0.05)
        assert catalog.create_key(ME, workspace, "k", frozenset(("ingest",)))
        catalog.close()
    for link in links:
        link.close()
    assert chain_faults(url) == []


def test_a_change_ends_though_the_database_hangs_then(gateway: Open, url: str, postgres: Postgres) -> None:
    one = gateway()
    workspace = one.create_workspace(ME, "acme", preset=None)[0].id
    sql(url, "INSERT INTO catalog_follower VALUES ('gone', 0)")
    pausing = threading.Timer(LEASE / 3, postgres.pause)
    pausing.start()
    begun = time.monotonic()
    key, _ = one.create_key(ME, workspace, "k", frozenset(("ingest",)))
    assert LEASE * 0.9 < time.monotonic() - begun < LEASE + 5
    postgres.resume()
    assert gateway().key(key.id) == key


def test_a_catalog_is_moved_once_however_often_it_is_tried(gateway: Open, url: str, tmp_path: Path) -> None:
    """As after a cut between the move of the catalog and the note of it."""
    old = SqliteCatalog(tmp_path / "catalog.db", SECRET)
    workspace = old.create_workspace(ME, "acme", preset="ecommerce")[0].id
    key, _ = old.create_key(ME, workspace, "k", frozenset(("ingest",)))
    old.close()
    for _ in range(2):
        move = CatalogMove(url, SECRET)
        assert move.run(tmp_path / "catalog.db", None) > 1
        assert move.check() == []
        move.close()
    new = gateway()
    assert new.key(key.id) == key and [each.id for each in new.workspaces()] == [workspace]
    new.create_key(ME, workspace, "another", frozenset(("ingest",)))
    move = CatalogMove(url, SECRET)
    with pytest.raises(ConflictError, match="has a catalog already"):
        move.run(tmp_path / "catalog.db", None)
    move.close()


def test_a_gateway_with_many_connections_follows(gateway: Open, postgres: Postgres) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 2000:
        lack("not enough descriptors may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, limits[1]))
    one = gateway()
    workspace = one.create_workspace(ME, "acme", preset=None)[0].id
    held = [os.dup(0) for _ in range(1200)]
    try:
        postgres.restart()  # its next connections get numbers above a thousand
        deadline = time.monotonic() + 10
        while True:
            with suppress(UnavailableError):
                assert one.create_key(ME, workspace, "k", frozenset(("ingest",)))
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(LEASE)
        assert one.keys(workspace)
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


# --- the last answer is lost ---------------------------------------------------------------------------------------


class Cutter:
    """Between a gateway and the database: ends a connection at its next COMMIT, before or behind it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.forwards: bool | None = None
        """Whether the next COMMIT is handed on before the connection is cut; None: nothing is cut."""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                threading.Thread(target=self._to_server, args=(client, server), daemon=True).start()
                threading.Thread(target=self._to_client, args=(client, server), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if b"COMMIT" in data and self.forwards is not None:
                    if self.forwards:
                        client.shutdown(socket.SHUT_RDWR)
                        server.sendall(data)
                        time.sleep(0.2)
                    self.forwards = None
                    break
                server.sendall(data)
        _end(client, server)

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        _end(client, server)

    def close(self) -> None:
        self._listener.close()


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("forwards", [True, False])
def test_what_became_of_a_change_is_found_out(gateway: Open, url: str, postgres: Postgres, forwards: bool) -> None:
    cutter = Cutter(postgres.port)
    one = PostgresCatalog(url.replace(f":{postgres.port}/", f":{cutter.port}/"), SECRET, lease_seconds=LEASE)
    two = gateway()
    workspace, _ = one.create_workspace(ME, "acme", preset=None)
    one._follower._lease = 1e9  # it is the writer's connection that is to be cut, not the follower's
    time.sleep(0.1)
    cutter.forwards = forwards
    if forwards:
        made = one.create_signal(ME, workspace.id, NewSignal(name="a", type="event"))
        assert two.signal(workspace.id, "a") == one.signal(workspace.id, "a") == made
    else:
        with pytest.raises(UnavailableError):
            one.create_signal(ME, workspace.id, NewSignal(name="a", type="event"))
        assert two.signal(workspace.id, "a") is one.signal(workspace.id, "a") is None
    assert cutter.forwards is None
    one.create_signal(ME, workspace.id, NewSignal(name="b", type="event"))
    assert two.signal(workspace.id, "b")
    assert chain_faults(url) == []
    one.close()
    cutter.close()


# --- starts, and ugly things ---------------------------------------------------------------------------------------


def test_gateways_that_start_at_once_make_one_catalog(url: str, tmp_path: Path) -> None:
    folders = [tmp_path / str(n) for n in range(4)]
    answers, catalogs = dict[Path, object](), list[PostgresCatalog]()

    def start(folder: Path) -> None:
        folder.mkdir()
        settings = Settings(data_dir=folder)
        settings.secret_path.write_bytes(SECRET)
        catalog = PostgresCatalog(url, load_secret(settings), lease_seconds=LEASE)
        catalogs.append(catalog)
        answers[folder] = catalog.first_start(settings)

    threads = [threading.Thread(target=start, args=(folder,)) for folder in folders]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(catalogs) == 4
    (made,) = [each for each in answers.values() if each is not None]
    assert [each for each in map(read_credentials, (f / "credentials.json" for f in folders)) if each] == [made]
    for catalog in catalogs:
        assert [each.name for each in catalog.workspaces()] == ["default"]
        assert catalog.principal(made.api_key)  # type: ignore[attr-defined]
        catalog.close()


def test_a_catalog_that_cannot_be_used_is_told(url: str, gateway: Open) -> None:
    with pytest.raises(StartError):
        PostgresCatalog("postgresql://headwater@127.0.0.1:1/none", SECRET)
    with pytest.raises(StartError):
        PostgresCatalog(url + "_none", SECRET)
    with pytest.raises(StartError):
        PostgresCatalogView(url)  # nobody has made it yet
    gateway()
    with pytest.raises(StartError, match="secret"):
        PostgresCatalog(url, b"x" * 32)
    sql(url, "UPDATE versions SET version = 99 WHERE part = 'catalog'")
    with pytest.raises(StartError, match="newer"):
        PostgresCatalog(url, SECRET)
    with pytest.raises(StartError, match="newer"):
        PostgresCatalogView(url)


def test_what_postgresql_cannot_hold_is_refused(gateway: Open, url: str) -> None:
    one = gateway()
    workspace = one.create_workspace(ME, "acme", preset=None)[0].id
    for refused in (
        lambda: one.note(ME, workspace, "something.done", "a\x00b"),
        lambda: one.create_key(ME, workspace, "k", frozenset(("read",)), expires_ms=1 << 70),
        lambda: one.create_signal(ME, workspace, NewSignal(name="a", type="state", value="a\x00b")),
    ):
        with pytest.raises(InvalidError):
            refused()  # type: ignore[no-untyped-call]
    with pytest.raises(NotFoundError):
        one.create_key(ME, "ws_nobody00", "k", frozenset(("read",)))
    schema = {"const": "a\x00b", "enum": [10**40, -0.0, "\U0001f600", None], "title": "x" * 60_000}
    made = one.create_signal(ME, workspace, NewSignal(name="a", type="event", schema=schema))
    assert gateway().versions(made.id)[0].schema == schema
    assert chain_faults(url) == []


@pytest.mark.parametrize(
    ("done", "told"),
    [
        ("UPDATE catalog_audit SET actor = 'somebody' WHERE id = 3", "row 3 ("),
        ("DELETE FROM catalog_audit WHERE id = 3", "row 3 is gone"),
        ("DELETE FROM catalog_audit WHERE id > 3", "rows 4 to 6 are gone"),
        ("WITH cut AS (DELETE FROM catalog_audit WHERE id > 3) UPDATE catalog_end SET given = 3", "the seal"),
        ("WITH cut AS (DELETE FROM catalog_audit) UPDATE catalog_end SET given = 0, seal = ''", "the seal"),
        ("UPDATE catalog_end SET seal = 'x'", "the seal"),
    ],
)
def test_who_writes_to_the_audit_is_found_out(gateway: Open, url: str, done: str, told: str) -> None:
    one = gateway()
    workspace = one.create_workspace(ME, "acme", preset=None)[0].id
    for n in range(5):
        one.note(ME, workspace, "something.done", str(n))
    assert chain_faults(url) == []
    sql(url, done)
    assert chain_faults(url)[0].startswith(told)


def test_an_end_that_is_gone_is_no_new_beginning(gateway: Open, url: str) -> None:
    one = gateway()
    workspace = one.create_workspace(ME, "acme", preset=None)[0].id
    sql(url, "DELETE FROM catalog_end")
    for asked in (lambda: chain_faults(url), gateway, lambda: one.note(ME, workspace, "something.done", "it")):
        with pytest.raises(CorruptionError, match="end"):
            asked()  # type: ignore[no-untyped-call]


def test_a_catalog_from_before_drafts_is_brought_up_to_date(url: str) -> None:
    before = PostgresCatalog(url, SECRET, lease_seconds=LEASE)
    workspace = before.create_workspace(ME, "acme", preset=None)[0].id
    made = before.create_signal(ME, workspace, NewSignal(name="kept", type="event"))
    before.close()
    sql(
        url,
        "ALTER TABLE catalog_signal DROP COLUMN draft",
        "ALTER TABLE catalog_workspace DROP COLUMN unknown_signals",
        "UPDATE versions SET version = 1 WHERE part = 'catalog'",
    )
    now = PostgresCatalog(url, SECRET, lease_seconds=LEASE)
    assert now.signal(workspace, "kept") == made and not made.draft
    assert now.workspace(workspace).unknown_signals == "refuse"
    draft = NewSignal(name="sent", slug="sent", type="event", draft=True)
    assert now.ensure_signals(workspace, [draft])["sent"].draft
    assert chain_faults(url) == []
    now.close()
