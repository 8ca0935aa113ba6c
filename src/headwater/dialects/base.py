"""What a wire language is to the rest of headwater: bytes to events, a receipt to an answer, a fault to an error."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import UNSET, UnsetType

from headwater.events import Event
from headwater.rules.hints import hint_of


class Fault(msgspec.Struct, frozen=True, gc=False):
    """One thing wrong with one event of a request."""

    index: int
    path: tuple[str | int, ...]
    """Within the event: `("identity", "id")`; empty for the event as a whole."""
    code: str
    """Closed list: required, type, value, date, identity, unknown_field, too_large, unknown_signal,
    unknown_version, schema, contact, rate_limited."""
    text: str
    """What follows the path's name: "is required", "must be a number"."""


class Request(msgspec.Struct, gc=False):
    """A request's events as far as they could be read."""

    events: Sequence[Event | None]
    """In the batch's order; None where a fault stands against it."""
    faults: list[Fault]
    ignored: int = 0
    """Unknown fields passed over."""
    prefix: str = ""
    """How the path of an event begins: `events[%d]`, or empty when the body is the event."""
    migrating: frozenset[int] = frozenset()
    """The places of events whose sender asked for the migration lane."""
    sent_ms: dict[int, int] = msgspec.field(default_factory=dict)
    """When its sender's own clock said that an event left, UTC ms, by place: how wrong that clock goes."""
    references: dict[int, str] = msgspec.field(default_factory=dict)
    """The references of events that could not be read, by place."""

    def reference(self, index: int) -> str | None:
        """What the client calls the event at this place, if it gave it a name that can be read."""
        event = self.events[index]
        return self.references.get(index) if event is None else event.reference


class BodyError(Exception):
    """The request as a whole cannot be read; 400 with this message, or 415 for a body of a type that the dialect does
    not speak. `path` is empty for the body itself."""

    def __init__(self, message: str, path: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.status = status


class Posted(msgspec.Struct, frozen=True, gc=False):
    """A request's body as the dialect's `decode` takes it."""

    body: bytes
    single: bool
    """It is one event, and no list of them."""
    kind: str = ""
    """What its path says of the event; empty where the body says everything."""


class Limits(msgspec.Struct, frozen=True, gc=False):
    """Rate limit headers: over all signals of a request that have a limit."""

    limit: int
    """The highest of them."""
    remaining: int
    """The lowest remainder after this request."""
    reset_ms: int


class Limited(msgspec.Struct, frozen=True, gc=False):
    """One event that was over its signal's rate limit."""

    index: int
    """Its place in the request."""
    event: Event


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What a request leads to."""

    batch: str
    """The batch's id as UUID text; empty when nothing was taken."""
    taken: list[Event]
    """With their ids, in the batch's order."""
    limited: list[Limited]
    limits: Limits | None
    """None when no signal of the request has a limit."""
    faults: list[Fault] = []
    """Of the events left out of a request that asked for lenient handling; else there are none."""
    repeated: frozenset[int] = frozenset()
    """Which of `taken` are duplicates: they have the id and the version of the event that was taken before."""


class Verdict(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One entry of `errors` in a lenient answer: why this event was not taken."""

    index: int
    reference: str | UnsetType = UNSET
    code: str
    path: str
    message: str
    hint: str
    """What to do about it."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A complete HTTP answer but for the headers every answer has."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Dialect(Protocol):
    """One wire language. Pure: no I/O, no clock."""

    name: str
    prefixes: tuple[str, ...]
    """Every path that begins so is this dialect's: errors there have its shape, as on its routes."""
    routes: Mapping[str, bool]
    """Path to whether it takes a single event."""
    old_migrates: bool
    """Whether an old event goes to the migration lane by itself (see `rules.lane`)."""
    collects_faults: bool
    """Lists the faults of all checks together (else the first check that fails answers)."""
    limits_whole: bool
    """A request of which one event is over a limit is refused as a whole (else it is taken in part)."""
    nulls_absent: bool
    """A property that is null counts as absent for its schema."""
    properties: str
    """The event's field that holds `data`."""
    signal_field: str
    date_field: str
    """The event's field that holds its own time."""
    list_field: str
    """The body's field that holds a batch's events; empty where the body is the list itself."""
    dedupes: bool
    """A reference is taken once, whatever its signal says (else `Signal.dedupe_by` decides)."""
    names_signals: bool
    """A signal may be called by its name, too, from which its slug can be made (else by its slug alone)."""

    def open(self, path: str, headers: Mapping[bytes, bytes], body: bytes) -> Posted:
        """What was sent on this path, which is one of `routes`: with what stands outside of the body. Raises
        BodyError."""

    def decode(self, body: bytes, single: bool, region: str | None, kind: str = "") -> Request:
        """Of a `Posted`. Raises BodyError. `region`: where phone numbers without a country code are read."""

    def encode(self, request: Request, receipt: Receipt, single: bool) -> Answer: ...

    def refuse(self, request: Request, faults: Sequence[Fault], lenient: bool = False) -> Answer:
        """400 (or 404) for faults; at least one. `lenient`: with a verdict on every event, as `encode` has them."""

    def error(self, status: int, message: str = "", path: str = "") -> Answer:
        """Any other error; an empty message gives the status' usual words."""

    def over_limit(self, receipt: Receipt) -> Answer:
        """429: nothing was taken."""


def summary(told: Sequence[Verdict], faults: Sequence[Fault]) -> str:
    """The first of the verdicts, and how many more faults there are: where an error has one message."""
    return told[0].message + (f" (and {len(faults) - 1} more, see errors)" if len(faults) > 1 else "")


def whole_limit(receipt: Receipt) -> str:
    """What a 429 says where a request is refused as a whole."""
    slugs = dict.fromkeys(over.event.signal for over in receipt.limited)
    return f"Rate limit exceeded for {', '.join(slugs)}, nothing was stored"


MAX_FAULTS = 100
"""Faults told in one answer."""


def verdicts(request: Request, faults: Sequence[Fault], say: Callable[[Fault], str]) -> list[Verdict]:
    """A lenient answer's `errors`; `say` words a fault as the dialect does.

    Each event that was left out is there with its first fault, however many the others have.
    """
    first = {fault.index: fault for fault in reversed(faults)}
    further = [fault for fault in faults if fault is not first[fault.index]]
    told = sorted((*first.values(), *further[: max(MAX_FAULTS - len(first), 0)]), key=lambda fault: fault.index)
    return [
        Verdict(
            index=fault.index,
            reference=UNSET if (reference := request.reference(fault.index)) is None else reference,
            code=fault.code,
            path=render(request.prefix, fault),
            message=say(fault),
            hint=hint_of(fault.code),
        )
        for fault in told
    ]


def render(prefix: str, fault: Fault) -> str:
    """A fault's whole path: `events[3].identity.id`."""
    start = prefix % fault.index if "%d" in prefix else prefix
    return (start + dotted(fault.path)).removeprefix(".")


def dotted(path: Sequence[str | int]) -> str:
    """`.identity.ids[2]`: names after dots, places in brackets. Cut where the client's own names make it long."""
    steps = [f"[{step}]" if isinstance(step, int) else f".{cut(step, 100)}" for step in path[:_MAX_STEPS]]
    return cut("".join(steps), 400)


def cut(text: str, most: int) -> str:
    """At most `most` characters of it."""
    return text if len(text) <= most else text[: most - 1] + "…"


_MAX_STEPS = 50
