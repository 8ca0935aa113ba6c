"""What a schema that is not published yet says of events that are there already. Nothing is changed."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from headwater import clock
from headwater.catalog.base import Definitions
from headwater.dialects.base import Dialect, dotted
from headwater.errors import NotFoundError, UnavailableError
from headwater.misfits import judged_data, schema_fault
from headwater.outcomes import Status
from headwater.rules import schema as schemas
from headwater.rules.schema import Fault
from headwater.store.base import Store
from headwater.trial import tried

MOST = 10_000
"""Events that are looked at in one check."""
MOST_BYTES = 16 << 20
"""Bytes of their data; one event more."""
MOST_FAULTS = 20
"""Events whose fault is told: the newest."""
SECONDS = 5.0
"""How long events are looked at. After that the answer tells of those that were."""
WAIT_SECONDS = 2.0
"""How long a check waits for another one: each takes a process of its own."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """What a check needs of a stored event."""

    event_id: str
    dialect: str
    occurred_ms: int
    status: Status
    data: str


class FaultAnswer(msgspec.Struct, frozen=True, gc=False):
    """The first fault of one event."""

    event_id: str
    occurred_at: str
    status: Status
    path: str
    """As its sender writes it: `eventProperties.price`."""
    message: str
    """As a rejected event's `detail` has it."""


class CheckAnswer(msgspec.Struct, frozen=True):
    """`POST /v1/signals/{slug}/versions/check`."""

    checked: int
    passed: int
    failed: int
    faults: Sequence[FaultAnswer]
    """Of the newest events that fail, up to MOST_FAULTS."""


_events = msgspec.json.Decoder(Event)


class Checks:
    """Every question is about one workspace and sees nothing of another. Safe to ask from threads."""

    def __init__(self, store: Store, catalog: Definitions, dialects: Iterable[Dialect]) -> None:
        self._store = store
        self._catalog = catalog
        self._dialects = {dialect.name: dialect for dialect in dialects}
        self._checking = threading.Lock()

    def check(self, workspace: str, slug: str, schema: object, sample: int) -> CheckAnswer:
        """Holds a schema against up to `sample` of a signal's newest events that were processed or rejected.

        Raises InvalidError for what is no schema, as publishing it does, NotFoundError, and UnavailableError while
        other schemas are tried.
        """
        schemas.compile(schema)
        assert isinstance(schema, dict)
        if self._catalog.signal(workspace, slug) is None:
            raise NotFoundError(f"there is no signal '{slug}'")
        with self._alone():
            events = list(self._newest(workspace, slug, sample))
            verdicts = tried(schema, map(self._judged, events), MOST_FAULTS, SECONDS)
        passed = sum(verdict.fits for verdict in verdicts)
        found = zip(events, verdicts, strict=False)  # what there was no time for is left out
        faults = [self._fault(event, verdict.fault) for event, verdict in found if verdict.fault]
        return CheckAnswer(len(verdicts), passed, len(verdicts) - passed, faults)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._checking.acquire(timeout=WAIT_SECONDS):
            raise UnavailableError("another schema is being tried", retry_after=int(SECONDS))
        try:
            yield
        finally:
            self._checking.release()

    def _newest(self, workspace: str, slug: str, sample: int) -> Iterator[Event]:
        backfills = self._catalog.backfills(workspace)
        about = {
            "workspace": workspace,
            "signal": slug,
            "reverted": [each.id for each in backfills if each.status == "reverted"],
            "held": [each.id for each in backfills if each.held],
        }
        places = _bounded(self._store.rows("check_ids", about | {"limit": sample}))
        if not places:
            return
        which = {
            "ids": [place["event_id"] for place in places],
            "from_ms": places[-1]["occurred_ms"],
            "to_ms": places[0]["occurred_ms"],
        }
        lines = b"".join(self._store.stream("check_events", about | which))
        yield from _events.decode_lines(lines)

    def _judged(self, event: Event) -> dict[str, Any]:
        return judged_data(self._dialects[event.dialect], msgspec.json.decode(event.data))

    def _fault(self, event: Event, fault: Fault) -> FaultAnswer:
        found = schema_fault(0, self._dialects[event.dialect].properties, fault)
        path = dotted(found.path).removeprefix(".")
        occurred_at = clock.to_iso(event.occurred_ms)
        return FaultAnswer(event.event_id, occurred_at, event.status, path, f"{path} {found.text}")


def _bounded(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The first events whose data together are not much more than MOST_BYTES; at least one's."""
    size = 0
    for number, row in enumerate(rows, 1):
        size += row["bytes"]
        if size >= MOST_BYTES:
            return rows[:number]
    return rows
