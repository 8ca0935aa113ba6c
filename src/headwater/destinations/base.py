"""What a destination is, for whoever writes one. This module is all that a plug-in imports.

A plug-in is a distribution with an entry point in the group `headwater.destinations`; its name is the `kind` in the
operator's file, and what it leads to is called as `Factory`:

    [project.entry-points."headwater.destinations"]
    sqlite = "headwater_sqlite:Sqlite"

Deliveries come one after another, in one thread of a destination's own, in the order of the store's blocks of each
lane. What a delivery is (lane, blocks, window) is written down before the destination is asked the first time. It is
asked again, after an error or a crash, until `deliver` returns: the same key, the same events, but for those that were
erased or fell to retention meanwhile. So whoever writes under the key, or under the events' ids, has each event once.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import msgspec

from headwater.errors import HeadwaterError, SettingsError

__all__ = [
    "Context",
    "Delivery",
    "DeliveryError",
    "Destination",
    "Erasing",
    "ErasingInPieces",
    "Event",
    "Factory",
    "SettingsError",
]


class DeliveryError(HeadwaterError):
    """It did not work now; it is tried again. The message is told to the operator, so it must not quote an event. Of
    any other exception only the type and the line are told."""


class Identity(NamedTuple):
    type: str
    id: str


class Event(msgspec.Struct, frozen=True, gc=False):
    """One row of the store: an event, or once more one that had been rejected and was replayed."""

    id: str
    """UUIDv7. A rejected event and its replay have the same."""
    workspace: str
    signal: str
    signal_id: str
    schema_version: int | None
    dialect: str
    identities: tuple[Identity, ...]
    name: str | None
    occurred_at: datetime
    """UTC, to the millisecond; so are the others."""
    received_at: datetime
    lane: str
    status: Literal["processed", "rejected"]
    """As it was stored; a backfill that is reverted later changes nothing here."""
    reason: str
    """Why it was rejected; empty when it was not."""
    detail: str
    data: str
    """A JSON object, as it was sent."""
    reference: str | None
    backfill_id: str
    """Empty when it came with none."""
    replayed_at: datetime | None
    """When it was replayed, after it had been rejected."""


class Delivery(msgspec.Struct, frozen=True):
    """Events to be written, and the name that they have for good."""

    lane: str
    first: int
    """The blocks, both included."""
    last: int
    window: datetime | None
    """Where the destination wants windows: the begin of the one in which the events came in (a replayed one when it was
    replayed). Nearly always all of it; what is stored late comes in a delivery of its own."""
    events: Callable[[], Iterator[Sequence[Event]]]
    """Reads them, in pieces of bounded size, by block and id; again when it is called again."""

    @property
    def key(self) -> str:
        """The same when it is delivered again, and no other's: `realtime-000000000017-000000000042`, or, of a window,
        `realtime-20261123T040000Z-000000000017-000000000042`."""
        window = f"{self.window:%Y%m%dT%H%M%SZ}-" if self.window else ""  # two windows may have events of one block
        return f"{self.lane}-{window}{self.first:012}-{self.last:012}"


class Destination(Protocol):
    window_seconds: int | None
    """None: it gets what is stored soon after, by blocks. A divisor of 3600: it gets so much time at once (UTC), once
    it is over."""

    def deliver(self, delivery: Delivery) -> None:
        """Durable when it returns. Raises DeliveryError, OSError; whatever it raises, it is asked again later."""

    def close(self) -> None:
        """headwater ends. What was delivered must not depend on it."""


@runtime_checkable
class Erasing(Protocol):
    """A destination that can take people out of what it has written."""

    def erase(self, workspace: str, identities: Collection[Identity], until: datetime) -> None:
        """Removes all events that name one of these and were received until then. Gone for good when it returns;
        may be asked again. Never while a delivery is under way."""


@runtime_checkable
class ErasingInPieces(Protocol):
    """The same, for what takes long: other work, deliveries, and the end of headwater, come between two pieces."""

    def erase_piece(
        self, workspace: str, identities: Collection[Identity], until: datetime, reached: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """As `Erasing.erase`, for some seconds. Gives how far it came, as JSON has it: the next piece, maybe after a
        start, is asked for with that, the first one with nothing. None: they are gone. What it raises is told, and the
        same piece is asked for again later."""


class Context(msgspec.Struct, frozen=True):
    """What a destination is told about itself."""

    name: str
    workspace: str
    """Empty: it gets the events of all workspaces."""
    base_dir: Path
    """Where the operator's file lies: relative paths in it start there."""


class Factory(Protocol):
    """What an entry point leads to. Called at every start, also just to look whether the settings are right: it must
    not open, make or reach anything yet."""

    def __call__(self, settings: Mapping[str, Any], context: Context) -> Destination:
        """Raises SettingsError, with words that tell the operator what to mend."""
