"""Fixtures shared by all tests: a running headwater, and workspaces in it."""

import os
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings

import figures
import services
from harness import Server, Workspace, running
from headwater.store.base import Store
from headwater.store.clickhouse import ChdbStore
from headwater.store.server import ServerStore
from realclickhouse import CLICKHOUSE_URL, RealClickHouse

# A machine that is busy is no fault; examples that hang are ended by the test's own timeout.
settings.register_profile("headwater", deadline=None)
settings.load_profile("headwater")
# Where tests run in the background of a shell, Ctrl+C is ignored, and so it would be by every process they interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One headwater for all tests that neither stop it nor look beyond their own `workspace`."""
    with running(Server(tmp_path_factory.mktemp("shared") / "data")) as started:
        yield started


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Server]:
    """A headwater of the test's own, to be killed and restarted."""
    with running(Server(tmp_path / "data")) as started:
        yield started


@pytest.fixture
def workspace(server: Server) -> Iterator[Workspace]:
    """A new workspace of the shared server, with the preset `ecommerce` and a key of its own."""
    with server.client() as operator:
        answer = operator.post("/v1/workspaces", json={"name": f"test-{uuid4().hex[:12]}"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    with server.client(made["api_key"]) as client:
        yield Workspace(server, made["id"], made["api_key"], client)


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[services.ClickHouse | RealClickHouse]:
    """What speaks like a ClickHouse server; `.url()` is a new database. A real one where that is told of."""
    if url := os.environ.get(CLICKHOUSE_URL):
        with RealClickHouse(url) as real:
            yield real
        return
    with services.started(services.ClickHouse()) as server:
        yield server


@pytest.fixture(params=["chdb", pytest.param("server", marks=pytest.mark.cluster)])
def opened(request: pytest.FixtureRequest) -> Callable[[Path], Store]:
    """Opens the store of a path: each adapter's, past one machine by the path's name."""
    if request.param == "chdb":
        return ChdbStore
    server: services.ClickHouse = request.getfixturevalue("clickhouse")
    database = f"test_{uuid4().hex[:12]}"
    return lambda path: ServerStore(server.url(f"{database}_{path.name}"))


@pytest.fixture(scope="session")
def kafka() -> Iterator[services.Kafka]:
    """Three brokers, `.bootstrap`; whatever a test does to them, the next one finds them running."""
    with services.started(services.Kafka()) as brokers:
        yield brokers


@pytest.fixture(scope="session")
def postgres() -> Iterator[services.Postgres]:
    """A PostgreSQL; `.database()` is the URL of a new, empty database."""
    with services.started(services.Postgres()) as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[services.Redis]:
    """A Redis, `.url`, as the tests before left it: `.flush()` empties it."""
    with services.started(services.Redis()) as server:
        yield server


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What the test before killed or paused runs again."""
    figures.begin()
    services.mend()


SLOW = ("dashboard", "cli", "journey", "truth")
"""Folders whose files take longest. They come first, so that no worker is left alone with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: SLOW.index(item.path.parent.name) if item.path.parent.name in SLOW else len(SLOW))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what its servers printed."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for value in item.funcargs.values():
            value = value.server if isinstance(value, Workspace) else value
            if isinstance(value, Server):
                report.sections.append((f"server on {value.data_dir}", value.log()))
        for service in services.Service.running:
            report.sections.append((service.name, service.log()))
    return report
