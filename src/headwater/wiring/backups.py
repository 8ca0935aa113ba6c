"""A data directory as a backup is taken of it, and put back."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from headwater import tombstones
from headwater.backup import asking, erased
from headwater.backup.taking import Source
from headwater.catalog.view import SqliteCatalogView
from headwater.claims.sqlite import VERSION
from headwater.config import Settings
from headwater.log.files import FilesReader
from headwater.state.cohorts_sqlite import SqliteMemberships
from headwater.state.positions_sqlite import SqlitePositions
from headwater.state.sqlite import SqliteStateView
from headwater.state.webhooks_sqlite import SqliteOutbox
from headwater.store import schema
from headwater.web import keeping
from headwater.wiring import offline
from headwater.wiring.held import ROLE_STARTS, holder, is_held


@contextmanager
def source(settings: Settings) -> Iterator[Source]:
    """A data directory for a backup. A running engine is asked to keep one moment until the block ends; whichever
    role does not run is kept from starting meanwhile. Raises BackupError, StartError."""
    with ExitStack() as stack:
        starts = ROLE_STARTS if is_held(settings.data_dir / "serve.lock") else 0
        gateway = holder(stack, settings.data_dir / "gateway.lock", starts)
        engine = holder(stack, settings.data_dir / "engine.lock", starts, settings.engine_socket)
        if engine is None and gateway is not None:  # whoever had both locks may have ended while the one was waited for
            gateway = holder(stack, settings.data_dir / "gateway.lock")
        reader = FilesReader(settings.log_dir)
        stack.callback(reader.close)
        kept = None if engine is None else stack.enter_context(asking.moment(settings.engine_socket, keeping.PATH))
        yield Source(
            settings=settings,
            reader=reader,
            frozen=kept.folder if kept else settings.data_dir,
            running=kept is not None,
            serving=gateway is not None,
            store_version=kept.store_version if kept else None,
            attend=kept.attend if kept else lambda: None,
        )


def erase_again(settings: Settings, later: Path | None) -> None:
    """In a data directory of an earlier time: whoever was erased since, by the list in it and by `later`.

    Raises BackupError, StartError.
    """
    if erased.merge(settings.tombstones_path, later):
        offline.apply_tombstones(settings, tombstones.read(settings.tombstones_path))


def versions() -> dict[str, int]:
    """Of each part, the newest version that this headwater reads."""

    return {
        "catalog": SqliteCatalogView.reads,
        "claims": VERSION,
        "cohorts": SqliteMemberships.reads,
        "destinations": SqlitePositions.reads,
        "state": SqliteStateView.reads,
        "store": schema.version(),
        "webhooks": SqliteOutbox.reads,
    }
