"""Which rejected events are meant: what `GET /v1/rejected` takes as parameters, and a replay as its filter."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from headwater.errors import InvalidError
from headwater.outcomes import Reason
from headwater.rules.filters import Filters, Place, parse

PARAMETERS = ("reason", "signal", "backfill", "from", "to")
"""The names under which `parse_refused` looks for the fields of `Refused`."""
MOST_IDS = 1_000
"""Events that a replay may name one by one."""
PAGE_EVENTS = 5_000
"""Events that are judged anew at once."""
FIRST = Place(Filters().from_ms, str(UUID(int=0)))
"""Before every event there can be: those that are judged anew come in the order of their places, ascending."""


class Refused(msgspec.Struct, frozen=True):
    """The default is all of them."""

    reason: Reason | None = None
    signal: str | None = None
    backfill: str | None = None
    ids: tuple[str, ...] = ()
    """Event ids; none: whichever."""
    from_ms: int = Filters().from_ms
    """The first `occurred_ms` wanted."""
    to_ms: int = Filters().to_ms
    """The first one no longer wanted."""

    def parameters(self) -> dict[str, Any]:
        """What the store's `$refused` takes."""
        return {
            "reason": self.reason or "",
            "signal": self.signal or "",
            "backfill": self.backfill or "",
            "ids": list(self.ids),
            "from_ms": self.from_ms,
            "to_ms": self.to_ms,
        }


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A rejected event as the gateway needs it to judge it anew. The store's query gives columns of these names."""

    event_id: str
    dialect: str
    signal: str
    occurred_ms: int
    reason: str
    identities: list[str]
    name: str | None
    data: str
    """The object as JSON text."""
    reference: str | None
    backfill_id: str

    @property
    def place(self) -> Place:
        return Place(self.occurred_ms, self.event_id)


class Candidates(msgspec.Struct, frozen=True):
    """Some of them, by their places, ascending."""

    data: Sequence[Candidate]
    next: Place | None = None
    """Behind which the next ones are; None: there are no more."""


def parse_refused(parameters: Mapping[str, str], ids: Sequence[str] = ()) -> Refused:
    """From names and their values. Raises InvalidError naming the one at fault; others are not looked at."""
    events = parse({name: parameters[name] for name in PARAMETERS[1:] if name in parameters})
    return Refused(
        _reason(parameters.get("reason")), events.signal, events.backfill, _ids(ids), events.from_ms, events.to_ms
    )


def _reason(text: str | None) -> Reason | None:
    if text is None:
        return None
    try:
        return Reason(text)
    except ValueError:
        raise InvalidError(f"'reason' must be one of {', '.join(Reason)}", "reason") from None


def _ids(texts: Sequence[str]) -> tuple[str, ...]:
    if len(texts) > MOST_IDS:
        raise InvalidError(f"'ids' must be at most {MOST_IDS}", "ids")
    return tuple(_id(text, index) for index, text in enumerate(texts))


def _id(text: str, index: int) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise InvalidError(f"'ids[{index}]' must be an event's id, which is a UUID", f"ids[{index}]") from None
