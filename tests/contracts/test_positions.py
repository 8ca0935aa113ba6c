"""What everybody promises who keeps how far destinations are."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from databases import Databases
from headwater.errors import NotOwnerError
from headwater.events import Lane
from headwater.state.positions import Kept, Planned, Position, Positions
from headwater.state.positions_postgres import PostgresPositions
from headwater.state.positions_sqlite import SqlitePositions

Adapter = Callable[[Path], Positions]
AT = {
    Lane.REALTIME: Position(7, {1_795_000_000_000: (3, 7)}, Planned(1, 3, 1_794_996_400_000)),
    Lane.MIGRATION: Position(2, {}, Planned(1, 2, None)),
}


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.cluster)])
def opened(request: pytest.FixtureRequest) -> Adapter:
    if request.param == "sqlite":
        return SqlitePositions
    databases = Databases(request.getfixturevalue("postgres"))
    return lambda path: PostgresPositions(databases.url(path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "destinations.db"


@pytest.fixture
def positions(opened: Adapter, path: Path) -> Iterator[Positions]:
    positions = opened(path)
    yield positions
    positions.close()


def test_nothing_is_known_of_a_new_one(positions: Positions) -> None:
    assert positions.load("lake") == Kept(0, {})


def test_what_was_saved_is_there_after_a_start(positions: Positions, opened: Adapter, path: Path) -> None:
    assert positions.save("lake", 0, AT) == 1
    assert positions.save("other", 0, {}) == 1
    assert positions.save("lake", 1, {Lane.REALTIME: Position(8)}) == 2
    positions.close()
    again = opened(path)
    assert again.load("lake") == Kept(2, {Lane.REALTIME: Position(8)})
    assert again.load("other") == Kept(1, {})
    again.close()


def test_all_of_a_position_comes_back(positions: Positions) -> None:
    positions.save("lake", 0, AT)
    assert positions.load("lake") == Kept(1, AT)


@pytest.mark.parametrize("version", [0, 1, 3])
def test_who_does_not_know_the_last_word_writes_nothing(positions: Positions, version: int) -> None:
    positions.save("lake", positions.save("lake", 0, {}), AT)
    with pytest.raises(NotOwnerError):
        positions.save("lake", version, {})
    assert positions.load("lake") == Kept(2, AT)
