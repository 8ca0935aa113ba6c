"""What one can ask a list of events for, and where in it a page ends."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID

import msgspec

from headwater import clock
from headwater.errors import InvalidError
from headwater.events import Lane
from headwater.outcomes import Status
from headwater.rules.identity import identity, split_identity
from headwater.rules.names import is_unicode

PARAMETERS = ("identity", "signal", "status", "lane", "reference", "backfill", "from", "to")
"""The names under which `parse` looks for the fields of `Filters`."""

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100

_EARLIEST = -(1 << 63)
_LATEST = (1 << 63) - 1
_STATUSES = tuple(Status)


class Event(Protocol):
    """What of an event is looked at, wherever it lies."""

    @property
    def signal(self) -> str: ...

    @property
    def identities(self) -> Collection[str]: ...

    @property
    def occurred_ms(self) -> int: ...

    @property
    def reference(self) -> str | None: ...

    @property
    def backfill_id(self) -> str: ...


class Filters(msgspec.Struct, frozen=True):
    """Which events are wanted; the default is all of them."""

    identity: str | None = None
    """`type:id`, normalised."""
    signal: str | None = None
    status: Status | None = None
    lane: Lane | None = None
    reference: str | None = None
    backfill: str | None = None
    """A backfill's id."""
    from_ms: int = _EARLIEST
    """The first `occurred_ms` wanted."""
    to_ms: int = _LATEST
    """The first one no longer wanted."""

    def admits(self, event: Event) -> bool:
        """Whether an event fits; its lane and status are for the caller to see to."""
        return (
            self.from_ms <= event.occurred_ms < self.to_ms
            and self.signal in (None, event.signal)
            and self.reference in (None, event.reference)
            and self.backfill in (None, event.backfill_id)
            and (self.identity is None or self.identity in event.identities)
        )

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return tuple(Lane) if self.lane is None else (self.lane,)


class Place(msgspec.Struct, frozen=True, order=True):
    """An event's place in a list; lists go from the greatest down.

    Ids are compared as UUID text, which is the order of their 128 bits as an unsigned number.
    """

    occurred_ms: int
    id: str

    def encode(self) -> str:
        """An opaque cursor: the page after this place."""
        return urlsafe_b64encode(self.occurred_ms.to_bytes(8, "big", signed=True) + UUID(self.id).bytes).decode()


TOP = Place(_LATEST, str(UUID(int=(1 << 128) - 1)))
"""Before every event there can be."""


def place_of(cursor: str | None) -> Place:
    """What `Place.encode` made; the top when there is none. Raises InvalidError."""
    if cursor is None:
        return TOP
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii"))
        place = Place(int.from_bytes(raw[:8], "big", signed=True), str(UUID(bytes=raw[8:])))
    except ValueError:
        raise InvalidError("'cursor' is not one that a page's 'next' gave", "cursor") from None
    if place.encode() != cursor:
        raise InvalidError("'cursor' is not one that a page's 'next' gave", "cursor")
    return place


def parse(parameters: Mapping[str, str]) -> Filters:
    """Filters from a query's parameters. Raises InvalidError naming the one at fault; others are not looked at."""
    status, lane = parameters.get("status"), parameters.get("lane")
    from_ms, to_ms = _moment(parameters, "from"), _moment(parameters, "to")
    return Filters(
        identity=_identity(parameters.get("identity")),
        signal=_some("signal", parameters, "a signal's slug"),
        status=None if status is None else Status(_one_of("status", status, _STATUSES)),
        lane=None if lane is None else Lane(_one_of("lane", lane, tuple(Lane))),
        reference=_some("reference", parameters, "what its sender calls an event"),
        backfill=_some("backfill", parameters, "a backfill's id"),
        from_ms=_EARLIEST if from_ms is None else from_ms,
        to_ms=_LATEST if to_ms is None else to_ms,
    )


def identity_of(key: str) -> str | None:
    """`type:id` as events carry it; None when it is no identity.

    An unescaped `+` of a phone number arrives as a space in a query; it is taken for what was meant.
    """
    type_, id_ = split_identity(key)
    if not type_ or not id_ or not is_unicode(key):
        return None
    if type_ == "phone" and id_.startswith(" "):
        id_ = "+" + id_[1:]
    return identity(type_, id_)


def _identity(key: str | None) -> str | None:
    if key is None:
        return None
    found = identity_of(key)
    if found is None:
        raise InvalidError(
            "'identity' must be type:id, as email:ada@example.com, phone:+19494572000 or account:42", "identity"
        )
    return found


def _some(name: str, parameters: Mapping[str, str], what: str) -> str | None:
    """Never the empty string: in the store's queries that is a filter not set."""
    text = parameters.get(name)
    if text is not None and (text == "" or not is_unicode(text)):
        raise InvalidError(f"'{name}' must be {what}", name)
    return text


def _one_of(name: str, value: str, known: Collection[str]) -> str:
    if value not in known:
        raise InvalidError(f"'{name}' must be one of {', '.join(known)}", name)
    return value


def _moment(parameters: Mapping[str, str], name: str) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    ms = clock.parse_iso(text)
    if ms is None:
        raise InvalidError(f"'{name}' must be a date or time in ISO 8601 (a + in a query is written %2B)", name)
    return ms
