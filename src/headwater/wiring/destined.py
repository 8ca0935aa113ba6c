"""The destinations of the operator's file, of the kinds that come with headwater and of plug-ins."""

from collections.abc import Callable, Mapping, Sequence

from headwater.config import Settings
from headwater.destinations.all import Destinations
from headwater.destinations.base import Factory
from headwater.destinations.declared import Made
from headwater.destinations.declared import made as declared
from headwater.destinations.parquet import Parquet
from headwater.destinations.runner import Followed
from headwater.events import Lane
from headwater.state.base import Cursor
from headwater.state.positions import Positions
from headwater.store.base import Store
from headwater.tail import Pending

KINDS: Mapping[str, Factory] = {"parquet": Parquet}


def made(settings: Settings) -> Sequence[Made]:
    """Nothing is opened or reached yet. Raises SettingsError."""
    return declared(settings.destinations, KINDS)


def destinations(
    settings: Settings,
    positions: Positions,
    store: Store,
    cursors: Callable[[], Mapping[Lane, Cursor]],
    tail: Pending,
) -> Destinations:
    """`cursors` tells up to which block all are committed. Raises SettingsError."""

    def watermark() -> dict[Lane, int]:
        return {lane: cursor.block for lane, cursor in cursors().items()}

    def oldest() -> dict[Lane, int | None]:
        return {each.lane: each.oldest_ms for each in tail.backlogs()}

    return Destinations(made(settings), positions, Followed(store, watermark, oldest))
