"""Backfills in the catalog: what they may become, who sees it, and the standing one of a day."""

from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time

import pytest

from headwater.catalog.base import Catalog, Definitions
from headwater.catalog.credentials import load_secret
from headwater.catalog.postgres import PostgresCatalog
from headwater.catalog.postgres_reading import PostgresReader
from headwater.catalog.reading import CatalogReader
from headwater.catalog.sqlite import SqliteCatalog
from headwater.clock import DAY_MS, parse_iso
from headwater.config import Settings
from headwater.errors import ConflictError, InvalidError, NotFoundError

Open = Callable[[], Catalog]
ME = "key_tester00"
NOON = parse_iso("2026-11-22T12:00:00Z") or 0
STRANGER = "bf_unknown0"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture(params=["embedded", pytest.param("shared", marks=pytest.mark.cluster)])
def url(request: pytest.FixtureRequest) -> str:
    """Where the catalog is; empty where it is a file."""
    return request.getfixturevalue("postgres").database() if request.param == "shared" else ""


@pytest.fixture
def reopen(settings: Settings, url: str) -> Iterator[Open]:
    """Opens the same catalog again, as another process would."""
    opened: list[Catalog] = []

    def open_catalog() -> Catalog:
        secret = load_secret(settings)
        opened.append(PostgresCatalog(url, secret) if url else SqliteCatalog(settings.catalog_path, secret))
        return opened[-1]

    yield open_catalog
    for each in opened:
        each.close()


@pytest.fixture
def catalog(reopen: Open) -> Catalog:
    return reopen()


@pytest.fixture
def workspace(catalog: Catalog) -> str:
    return catalog.create_workspace(ME, "acme", preset=None)[0].id


@pytest.fixture
def engines(catalog: Catalog, settings: Settings, url: str) -> Iterator[Definitions]:
    """The catalog as the engine reads it."""
    reader = PostgresReader(url) if url else CatalogReader(settings.catalog_path)
    yield reader
    reader.close()


def told(catalog: Catalog, workspace: str) -> list[tuple[str, str]]:
    """What the audit says of backfills, oldest first: actor and action."""
    changes = catalog.audit(workspace, 1000)[::-1]
    return [(each.actor, each.action) for each in changes if each.action.startswith("backfill.")]


def test_a_backfill_is_open_closed_and_reverted(
    catalog: Catalog, engines: Definitions, workspace: str, reopen: Open
) -> None:
    made = catalog.create_backfill(ME, workspace, "  orders of 2025 ")
    assert made.id.startswith("bf_") and len(made.id) == 11
    assert (made.name, made.status, made.held, made.day) == ("orders of 2025", "open", False, None)
    assert (made.closed_ms, made.released_ms, made.reverted_ms) == (None, None, None)
    closed = catalog.close_backfill(ME, workspace, made.id)
    assert closed.status == "closed" and closed.closed_ms is not None and closed.counts
    assert catalog.close_backfill(ME, workspace, made.id) == closed
    assert engines.excluded(workspace) == frozenset()
    reverted = catalog.revert_backfill(ME, workspace, made.id)
    assert reverted.status == "reverted" and reverted.reverted_ms is not None
    assert (reverted.closed_ms, reverted.counts) == (closed.closed_ms, False)
    for again in (catalog.revert_backfill, catalog.close_backfill):
        assert again(ME, workspace, made.id) == reverted
    for each in (catalog, reopen(), engines):
        assert each.backfill(workspace, made.id) == reverted
        assert each.backfills(workspace) == [reverted]
    assert engines.excluded(workspace) == {made.id}
    assert told(catalog, workspace) == [(ME, f"backfill.{what}") for what in ("create", "close", "revert")]


def test_a_revert_closes_what_is_open(catalog: Catalog, workspace: str) -> None:
    made = catalog.create_backfill(ME, workspace, "load")
    reverted = catalog.revert_backfill(ME, workspace, made.id)
    assert reverted.closed_ms is not None and reverted.closed_ms == reverted.reverted_ms


def test_a_held_one_counts_from_its_release_on(catalog: Catalog, engines: Definitions, workspace: str) -> None:
    held = catalog.create_backfill(ME, workspace, "held", hold=True)
    assert held.held and not held.counts
    assert engines.excluded(workspace) == {held.id}
    catalog.close_backfill(ME, workspace, held.id)
    assert engines.excluded(workspace) == {held.id}
    released = catalog.release_backfill(ME, workspace, held.id)
    assert (released.held, released.status, released.counts) == (False, "closed", True)
    assert released.released_ms is not None
    assert catalog.release_backfill(ME, workspace, held.id) == released
    assert engines.excluded(workspace) == frozenset()
    catalog.revert_backfill(ME, workspace, held.id)
    assert engines.excluded(workspace) == {held.id}


def test_what_cannot_be_released_is_a_conflict(catalog: Catalog, workspace: str) -> None:
    plain = catalog.create_backfill(ME, workspace, "plain").id
    gone = catalog.create_backfill(ME, workspace, "gone", hold=True).id
    catalog.revert_backfill(ME, workspace, gone)
    before = catalog.audit(workspace, 100)
    for id in (plain, gone):
        with pytest.raises(ConflictError):
            catalog.release_backfill(ME, workspace, id)
    assert catalog.audit(workspace, 100) == before


def test_a_name_is_given_once(catalog: Catalog, workspace: str, reopen: Open) -> None:
    made = catalog.create_backfill(ME, workspace, "load")
    catalog.revert_backfill(ME, workspace, made.id)
    outside = reopen()
    outside.create_backfill(ME, workspace, "outside")
    for name in ("load", " load ", "outside"):
        with pytest.raises(ConflictError, match=name.strip()):
            catalog.create_backfill(ME, workspace, name)
    for name in ("", " ", "x" * 201, "a\x00b"):
        with pytest.raises(InvalidError) as refused:
            catalog.create_backfill(ME, workspace, name)
        assert refused.value.path == "name"
    with pytest.raises(NotFoundError):
        catalog.create_backfill(ME, "ws_nobody00", "load")


def test_backfills_stay_in_their_workspace(catalog: Catalog, engines: Definitions, workspace: str) -> None:
    other = catalog.create_workspace(ME, "other", preset=None)[0].id
    theirs = catalog.create_backfill(ME, other, "load", hold=True)
    assert catalog.create_backfill(ME, workspace, "load").id != theirs.id
    for change in (catalog.close_backfill, catalog.release_backfill, catalog.revert_backfill):
        for id in (theirs.id, STRANGER):
            with pytest.raises(NotFoundError):
                change(ME, workspace, id)
    for each in (catalog, engines):
        assert each.backfill(workspace, theirs.id) is None
        assert theirs not in each.backfills(workspace)
        assert each.backfills("ws_nobody00") == []
    assert not engines.excluded(workspace) and engines.excluded(other) == {theirs.id}


def test_the_newest_is_first(catalog: Catalog, engines: Definitions, workspace: str, reopen: Open) -> None:
    ids = [catalog.create_backfill(ME, workspace, f"load {n}").id for n in range(5)]
    catalog.close_backfill(ME, workspace, ids[2])
    for each in (catalog, engines, reopen()):
        assert [backfill.id for backfill in each.backfills(workspace)] == ids[::-1]


def test_backfills_are_no_new_definitions(catalog: Catalog, engines: Definitions, workspace: str) -> None:
    """Whoever reads all cohorts anew when signals change must not do so for these."""
    before = engines.revision()
    made = catalog.create_backfill(ME, workspace, "load")
    catalog.revert_backfill(ME, workspace, made.id)
    assert engines.excluded(workspace) == {made.id}
    assert engines.revision() == before


def test_excluded_is_the_same_until_it_changes(catalog: Catalog, engines: Definitions, workspace: str) -> None:
    catalog.create_backfill(ME, workspace, "load", hold=True)
    kept = engines.excluded(workspace)
    assert engines.excluded(workspace) is kept
    catalog.create_backfill(ME, workspace, "more", hold=True)
    assert len(engines.excluded(workspace)) == 2 and len(kept) == 1


# --- the standing one ----------------------------------------------------------------------------------------------


def test_a_day_has_one_standing_backfill(catalog: Catalog, workspace: str, reopen: Open) -> None:
    midnight = NOON // DAY_MS * DAY_MS
    first = catalog.standing_backfill(workspace, midnight)
    assert (first.name, first.day, first.status) == ("migration 2026-11-22", "2026-11-22", "open")
    assert catalog.standing_backfill(workspace, midnight + DAY_MS - 1) == first
    assert reopen().standing_backfill(workspace, NOON) == first
    other = catalog.create_workspace(ME, "other", preset=None)[0].id
    assert catalog.standing_backfill(other, NOON).id != first.id
    assert told(catalog, workspace) == [("gateway", "backfill.create")]


def test_the_next_days_closes_those_before(catalog: Catalog, workspace: str) -> None:
    mine = catalog.create_backfill(ME, workspace, "mine")
    first = catalog.standing_backfill(workspace, NOON)
    second = catalog.standing_backfill(workspace, NOON + DAY_MS)
    assert (second.name, second.day) == ("migration 2026-11-23", "2026-11-23")
    closed = catalog.backfill(workspace, first.id)
    assert closed is not None and closed.status == "closed"
    assert catalog.backfill(workspace, mine.id) == mine
    back = catalog.standing_backfill(workspace, NOON)
    assert (back.name, back.day) == ("migration 2026-11-22 (2)", "2026-11-22")


@pytest.mark.parametrize("ended", ["close_backfill", "revert_backfill"])
def test_one_that_ended_is_followed_by_another(catalog: Catalog, workspace: str, ended: str) -> None:
    catalog.create_backfill(ME, workspace, "migration 2026-11-22 (2)")
    for name in ("migration 2026-11-22", "migration 2026-11-22 (3)", "migration 2026-11-22 (4)"):
        standing = catalog.standing_backfill(workspace, NOON)
        assert (standing.name, standing.status) == (name, "open")
        getattr(catalog, ended)(ME, workspace, standing.id)


def test_two_writers_make_one_standing_backfill(catalog: Catalog, workspace: str, reopen: Open) -> None:
    outside = reopen()
    assert outside.standing_backfill(workspace, NOON) == catalog.standing_backfill(workspace, NOON)


def test_the_standing_one_is_found_fast(catalog: Catalog, workspace: str) -> None:
    catalog.standing_backfill(workspace, NOON)
    begun = process_time()
    for _ in range(20_000):
        catalog.standing_backfill(workspace, NOON)
    assert process_time() - begun < 0.4, "20 µs each would be ten times what it takes"
