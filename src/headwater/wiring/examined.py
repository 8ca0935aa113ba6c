"""A data directory as a doctor looks at it."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from headwater.bounds import room_of
from headwater.catalog.view import SqliteCatalogView
from headwater.claims.view import SqliteClaimsView
from headwater.config import Settings
from headwater.dialects import DIALECTS
from headwater.doctor.copies import scratch_in
from headwater.doctor.round import Patient
from headwater.errors import HeadwaterError, StartError
from headwater.log.files import FilesReader
from headwater.readonly import faults_of, look_at
from headwater.state.sqlite import SqliteStateView
from headwater.store.clickhouse import ChdbStore
from headwater.store.copies import link_store
from headwater.store.engine import EngineStore
from headwater.web import examine
from headwater.wiring.held import ROLE_STARTS, holder, is_held


@contextmanager
def examined(settings: Settings) -> Iterator[Patient]:
    """A data directory for a doctor: opened to be read, by asking the engine where one runs.

    Whichever role does not run is kept from starting meanwhile. What SQLite and ClickHouse would write when they open
    something goes into copies in the folder `.doctor`, which is gone afterwards. Raises StartError.
    """

    sys.setrecursionlimit(20_000)
    with ExitStack() as stack:
        serving = is_held(settings.data_dir / "serve.lock")
        gateway = holder(stack, settings.data_dir / "gateway.lock", ROLE_STARTS if serving else 0)
        if serving and gateway is None:
            raise StartError(
                "headwater serve runs here, but its gateway does not: it is starting, or failing. See what it logs, "
                "and run the doctor again, or stop headwater first"
            )
        engine = holder(stack, settings.data_dir / "engine.lock", listens=settings.engine_socket)
        if engine is None and gateway is not None:  # whoever had both locks may have ended while the one was waited for
            gateway = holder(stack, settings.data_dir / "gateway.lock")
        runs = gateway is not None and engine is not None
        scratch = None if runs else stack.enter_context(scratch_in(settings.data_dir))
        for_catalog = scratch if gateway is None else None
        for_state = scratch if engine is None else None

        def open_store() -> EngineStore | ChdbStore:
            if engine is not None:
                return EngineStore(settings.engine_socket, examine.PATH)
            assert scratch is not None
            return ChdbStore(link_store(settings.store_dir, scratch), 0)

        reader = FilesReader(settings.log_dir)
        stack.callback(reader.close)
        store = _opened(stack, open_store)
        yield Patient(
            settings=settings,
            reserve=room_of(settings).reserve,
            dialects={dialect.name for dialect in DIALECTS},
            reader=reader,
            catalog=_opened(stack, lambda: SqliteCatalogView(settings.catalog_path, for_catalog)),
            state=_opened(stack, lambda: SqliteStateView(settings.state_path, for_state)),
            store=store,
            gateway=gateway,
            engine=engine,
            engine_fault=store.fault if isinstance(store, EngineStore) else lambda: "",
            cohorts=lambda quick: _faults(settings.cohorts_path, for_state, quick),
            webhooks=lambda quick: _faults(settings.webhooks_path, for_state, quick),
            destinations=lambda quick: _faults(settings.positions_path, for_state, quick),
            claims=_opened(stack, lambda: SqliteClaimsView(settings.claims_path, for_catalog))
            if settings.claims_path.exists()
            else None,
            verify=store.cohorts if isinstance(store, EngineStore) else dict,
        )


def _faults(path: Path, scratch: Path | None, quick: bool) -> Sequence[str]:
    """What SQLite finds wrong in a file; nothing where there is none."""
    if not path.exists():
        return []
    with closing(look_at(path, scratch)) as connection:
        return faults_of(connection, quick)


class _Closes(Protocol):
    def close(self) -> None: ...


_Part = TypeVar("_Part", bound=_Closes)


def _opened(stack: ExitStack, open_: Callable[[], _Part]) -> _Part | HeadwaterError:
    """What was opened, or why it could not be."""
    try:
        found = open_()
    except HeadwaterError as error:
        return error
    stack.callback(found.close)
    return found
