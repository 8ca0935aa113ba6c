"""The catalog as the engine reads it, beside the gateway that writes it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import apsw
import psycopg
import pytest

from headwater.catalog import postgres_database
from headwater.catalog.base import Catalog, Definitions, NewSignal, SignalChanges, WorkspaceChanges
from headwater.catalog.credentials import load_secret
from headwater.catalog.database import VERSION
from headwater.catalog.postgres import PostgresCatalog
from headwater.catalog.postgres_reading import PostgresReader
from headwater.catalog.reading import CatalogReader
from headwater.catalog.sqlite import SqliteCatalog
from headwater.config import Settings
from headwater.errors import NotFoundError, StartError

ME = "key_tester00"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "data").mkdir()
    return Settings(data_dir=tmp_path / "data")


class Adapter(Protocol):
    """One catalog."""

    def catalog(self) -> Catalog:
        """As the gateway has it."""

    def reader(self) -> Definitions:
        """As the engine reads it."""

    def rename(self, table: str, name: str) -> None:
        """By somebody else, so that nothing can be read."""

    def set_version(self, version: int) -> None:
        """As if another headwater had made it."""


class Embedded:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def catalog(self) -> Catalog:
        return SqliteCatalog(self._settings.catalog_path, load_secret(self._settings))

    def reader(self) -> Definitions:
        return CatalogReader(self._settings.catalog_path)

    def rename(self, table: str, name: str) -> None:
        self._run(f"ALTER TABLE {table} RENAME TO {name}")

    def set_version(self, version: int) -> None:
        self._run(f"PRAGMA user_version = {version}")

    def _run(self, statement: str) -> None:
        file = apsw.Connection(str(self._settings.catalog_path))
        file.execute(statement)
        file.close()


class Shared:
    """Further gateways and engines use it, too."""

    def __init__(self, url: str) -> None:
        self._url = url

    def catalog(self) -> Catalog:
        return PostgresCatalog(self._url, b"s" * 32)

    def reader(self) -> Definitions:
        return PostgresReader(self._url)

    def rename(self, table: str, name: str) -> None:
        self._run(f"ALTER TABLE headwater.catalog_{table} RENAME TO catalog_{name}")

    def set_version(self, version: int) -> None:
        self._run(f"UPDATE headwater.versions SET version = {version} WHERE part = 'catalog'")

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statement)


def embedded(request: pytest.FixtureRequest, settings: Settings) -> Adapter:
    return Embedded(settings)


def shared(request: pytest.FixtureRequest, settings: Settings) -> Adapter:
    return Shared(request.getfixturevalue("postgres").database())


@pytest.fixture(params=[embedded, pytest.param(shared, marks=pytest.mark.cluster)])
def adapter(request: pytest.FixtureRequest, settings: Settings) -> Adapter:
    found: Adapter = request.param(request, settings)
    return found


@pytest.fixture
def reader(adapter: Adapter) -> Iterator[Definitions]:
    """Opened before there is a catalog, as the engine may be."""
    reader = adapter.reader()
    yield reader
    reader.close()


@pytest.fixture
def catalog(adapter: Adapter, reader: Definitions) -> Iterator[Catalog]:
    catalog = adapter.catalog()
    yield catalog
    catalog.close()


files = pytest.mark.parametrize("adapter", [embedded], indirect=True)
"""What looks at the file itself."""


@files
def test_an_empty_file_is_no_catalog(reader: Definitions, settings: Settings) -> None:
    settings.catalog_path.touch()
    assert reader.revision() == 0


def test_without_a_catalog_there_is_nothing(reader: Definitions) -> None:
    assert (reader.revision(), reader.workspaces(), reader.signals_of("ws_abcdefgh")) == (0, [], {})
    assert reader.signal("ws_abcdefgh", "ordered") is None
    with pytest.raises(NotFoundError):
        reader.workspace("ws_abcdefgh")


def test_it_reads_what_the_gateway_wrote_at_once(reader: Definitions, catalog: Catalog) -> None:
    one = catalog.create_workspace(ME, "one")[0]
    two = catalog.create_workspace(ME, "two", preset=None)[0]
    assert reader.workspaces() == [one, two]
    assert reader.workspace(two.id) == two
    assert reader.signals_of(one.id) == catalog.signals_of(one.id)
    assert reader.signals_of(two.id) == {}
    catalog.update_workspace(ME, two.id, WorkspaceChanges(default_region="IN"))
    assert reader.workspace(two.id).default_region == "IN"


def test_every_change_of_a_signal_is_seen(reader: Definitions, catalog: Catalog) -> None:
    workspace = catalog.create_workspace(ME, "acme", preset=None)[0].id
    kept = reader.signals_of(workspace)
    catalog.create_signal(ME, workspace, NewSignal(name="score", type="state", value="score"))
    assert reader.signal(workspace, "score") == catalog.signal(workspace, "score")
    assert kept == {}
    catalog.update_signal(ME, workspace, "score", SignalChanges(active=False))
    catalog.add_version(ME, workspace, "score", {"type": "object"})
    catalog.add_version(ME, workspace, "score", {"type": "object"})
    found = reader.signal(workspace, "score")
    assert found == catalog.signal(workspace, "score")
    assert found is not None and (found.active, found.latest) == (False, 2)
    catalog.archive_signal(ME, workspace, "score")
    assert reader.signal(workspace, "score") is None


def test_the_revision_grows_with_signals_and_workspaces_alone(reader: Definitions, catalog: Catalog) -> None:
    workspace = catalog.create_workspace(ME, "acme", preset=None)[0].id
    first = reader.revision()
    assert first > 0
    assert reader.revision() == first
    catalog.create_key(ME, workspace, "new", frozenset({"read"}))
    assert reader.revision() == first
    catalog.create_signal(ME, workspace, NewSignal(name="clicked", type="event"))
    assert reader.revision() > first


@pytest.mark.parametrize(
    ("adapter", "newest"),
    [(embedded, VERSION), pytest.param(shared, postgres_database.VERSION, marks=pytest.mark.cluster)],
    indirect=["adapter"],
)
def test_an_older_one_waits_for_the_gateway(adapter: Adapter, newest: int) -> None:
    adapter.catalog().close()
    adapter.set_version(newest - 1)
    reader = adapter.reader()
    assert reader.revision() == 0
    adapter.set_version(newest)
    assert reader.revision() == 1
    reader.close()
    adapter.set_version(newest + 1)
    with pytest.raises(StartError, match="newer"):
        adapter.reader().revision()


def test_what_cannot_be_read_is_as_it_was(
    adapter: Adapter, reader: Definitions, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = catalog.create_workspace(ME, "acme")[0]
    known = reader.signals_of(workspace.id)
    adapter.rename("signal", "gone")
    for _ in range(3):
        assert reader.signals_of(workspace.id) == known
    assert len(caplog.records) <= 1
    adapter.rename("gone", "signal")
    catalog.create_signal(ME, workspace.id, NewSignal(name="clicked", type="event"))
    assert "clicked" in reader.signals_of(workspace.id)


@files
def test_it_writes_nothing(settings: Settings, reader: Definitions, catalog: Catalog) -> None:
    catalog.create_workspace(ME, "acme")
    catalog.close()
    before = settings.catalog_path.read_bytes()
    assert len(reader.workspaces()) == 1
    reader.close()
    assert reader.workspaces()[0].name == "acme", "closed, it knows what it knew"
    assert settings.catalog_path.read_bytes() == before


def test_many_threads_ask_while_the_gateway_writes(reader: Definitions, catalog: Catalog) -> None:
    workspace = catalog.create_workspace(ME, "acme", preset=None)[0].id
    stop, errors = threading.Event(), list[BaseException]()

    def ask() -> None:
        seen = 0
        while not stop.is_set():
            try:
                now = len(reader.signals_of(workspace))
                assert now >= seen
                seen = now
            except BaseException as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(10):
        catalog.create_signal(ME, workspace, NewSignal(name=f"s{number}", type="event"))
        assert len(reader.signals_of(workspace)) == number + 1
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
