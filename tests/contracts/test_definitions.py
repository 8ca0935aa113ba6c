"""The catalog as the engine reads it, beside the gateway that writes it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from headwater.catalog.base import Definitions, NewSignal, SignalChanges, WorkspaceChanges
from headwater.catalog.credentials import load_secret
from headwater.catalog.database import VERSION
from headwater.catalog.reading import CatalogReader
from headwater.catalog.sqlite import SqliteCatalog
from headwater.config import Settings
from headwater.errors import NotFoundError, StartError

ME = "key_tester00"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "data").mkdir()
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def reader(settings: Settings) -> Iterator[Definitions]:
    """Opened before there is a catalog, as the engine may be."""
    reader = CatalogReader(settings.catalog_path)
    yield reader
    reader.close()


@pytest.fixture
def catalog(settings: Settings, reader: Definitions) -> Iterator[SqliteCatalog]:
    catalog = SqliteCatalog(settings.catalog_path, load_secret(settings))
    yield catalog
    catalog.close()


def test_without_a_catalog_there_is_nothing(reader: Definitions, settings: Settings) -> None:
    assert (reader.revision(), reader.workspaces(), reader.signals_of("ws_abcdefgh")) == (0, [], {})
    assert reader.signal("ws_abcdefgh", "ordered") is None
    with pytest.raises(NotFoundError):
        reader.workspace("ws_abcdefgh")
    settings.catalog_path.touch()
    assert reader.revision() == 0


def test_it_reads_what_the_gateway_wrote_at_once(reader: Definitions, catalog: SqliteCatalog) -> None:
    one = catalog.create_workspace(ME, "one")[0]
    two = catalog.create_workspace(ME, "two", preset=None)[0]
    assert reader.workspaces() == [one, two]
    assert reader.workspace(two.id) == two
    assert reader.signals_of(one.id) == catalog.signals_of(one.id)
    assert reader.signals_of(two.id) == {}
    catalog.update_workspace(ME, two.id, WorkspaceChanges(default_region="IN"))
    assert reader.workspace(two.id).default_region == "IN"


def test_every_change_of_a_signal_is_seen(reader: Definitions, catalog: SqliteCatalog) -> None:
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


def test_the_revision_grows_with_signals_and_workspaces_alone(reader: Definitions, catalog: SqliteCatalog) -> None:
    workspace = catalog.create_workspace(ME, "acme", preset=None)[0].id
    first = reader.revision()
    assert first > 0
    assert reader.revision() == first
    catalog.create_key(ME, workspace, "new", frozenset({"read"}))
    assert reader.revision() == first
    catalog.create_signal(ME, workspace, NewSignal(name="clicked", type="event"))
    assert reader.revision() > first


def test_an_older_file_waits_for_the_gateway(settings: Settings) -> None:
    SqliteCatalog(settings.catalog_path, load_secret(settings)).close()
    file = apsw.Connection(str(settings.catalog_path))
    file.pragma("user_version", VERSION - 1)
    reader = CatalogReader(settings.catalog_path)
    assert reader.revision() == 0
    file.pragma("user_version", VERSION)
    assert reader.revision() == 1
    file.pragma("user_version", VERSION + 1)
    with pytest.raises(StartError, match="newer"):
        reader.revision()
    file.close()
    reader.close()


def test_what_cannot_be_read_is_as_it_was(
    settings: Settings, reader: Definitions, catalog: SqliteCatalog, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = catalog.create_workspace(ME, "acme")[0]
    known = reader.signals_of(workspace.id)
    file = apsw.Connection(str(settings.catalog_path))
    file.execute("ALTER TABLE signal RENAME TO gone")
    for _ in range(3):
        assert reader.signals_of(workspace.id) == known
    assert len(caplog.records) == 1
    file.execute("ALTER TABLE gone RENAME TO signal")
    catalog.create_signal(ME, workspace.id, NewSignal(name="clicked", type="event"))
    assert "clicked" in reader.signals_of(workspace.id)
    file.close()


def test_it_writes_nothing(settings: Settings, reader: Definitions, catalog: SqliteCatalog) -> None:
    catalog.create_workspace(ME, "acme")
    catalog.close()
    before = settings.catalog_path.read_bytes()
    assert len(reader.workspaces()) == 1
    reader.close()
    assert reader.workspaces()[0].name == "acme", "closed, it knows what it knew"
    assert settings.catalog_path.read_bytes() == before


def test_many_threads_ask_while_the_gateway_writes(reader: Definitions, catalog: SqliteCatalog) -> None:
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
