"""Rejected events: which there are and why, kinds of them, and those that the gateway is to judge anew.

An event that was replayed counts as rejected until the engine has stored it again; then its first row is passed over.
Those of a reverted backfill are reverted, and of no account here.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from headwater import clock
from headwater.catalog.base import Definitions
from headwater.dialects.base import Dialect
from headwater.events import batch_of, decode_lines, received_of
from headwater.log.base import Records
from headwater.rules.answers import EventAnswer, Row, answer_of
from headwater.rules.filters import DEFAULT_LIMIT, TOP, Place
from headwater.rules.hints import hint_of, place_in
from headwater.rules.refused import FIRST, PAGE_EVENTS, Candidate, Candidates, Refused
from headwater.state.base import State
from headwater.store.base import Store
from headwater.tail import Pending

MOST_KINDS = 1_000
"""Kinds of rejected events told at once: the most frequent."""
PAGE_BYTES = 16 << 20
"""Bytes of data that the gateway is given at once to be judged; one event more."""

_candidates = msgspec.json.Decoder(Candidate)


class RejectedAnswer(EventAnswer):
    """An entry of `GET /v1/rejected`."""

    path: str | None
    """Where its first fault is, as its sender writes it."""
    hint: str


class Page(msgspec.Struct, frozen=True):
    data: Sequence[RejectedAnswer]
    next: str | None = None


class Kind(msgspec.Struct, frozen=True):
    """Rejected events of one reason and signal."""

    reason: str
    signal: str
    events: int
    newest: str
    """When the last of them was received."""
    sample: str
    """The id of that one; `detail` and `path` are of it, too."""
    detail: str | None
    path: str | None
    hint: str


class Summary(msgspec.Struct, frozen=True):
    """`GET /v1/rejected/summary`."""

    data: Sequence[Kind]
    """The most frequent first, up to MOST_KINDS."""
    events: int
    """Of these kinds."""


class Rejected:
    """The questions. Every one is about one workspace and sees nothing of another. Safe to use from threads."""

    def __init__(
        self,
        store: Store,
        state: State,
        catalog: Definitions,
        reader: Records,
        tail: Pending,
        dialects: Iterable[Dialect],
    ) -> None:
        self._store = store
        self._state = state
        self._catalog = catalog
        self._reader = reader
        self._tail = tail
        self._dates = {dialect.name: dialect.date_field for dialect in dialects}

    def page(self, workspace: str, which: Refused, limit: int = DEFAULT_LIMIT, after: Place = TOP) -> Page:
        """Up to `limit` of them behind `after`, newest first by when they occurred."""
        behind = {"after_ms": after.occurred_ms, "after_id": after.id, "limit": limit + 1}
        found = self._store.rows("rejected", self._asked(workspace, which) | behind)
        rows = msgspec.convert(found, list[Row], strict=False)
        more = rows[limit - 1].place.encode() if len(rows) > limit else None
        return Page([self._answer(row) for row in rows[:limit]], more)

    def summary(self, workspace: str, which: Refused) -> Summary:
        asked = self._asked(workspace, which)
        rows = self._store.rows("rejected_summary", asked | {"limit": MOST_KINDS})
        samples = {"workspace": workspace, "reverted": [], "held": [], "ids": [row["newest"] for row in rows]}
        known = {row["event_id"]: row for row in self._store.rows("events", samples)} if rows else {}
        kinds = [self._kind(row, known[row["newest"]]) for row in rows if row["newest"] in known]
        return Summary(kinds, sum(kind.events for kind in kinds))

    def candidates(self, workspace: str, which: Refused, after: Place = FIRST, most: int = PAGE_EVENTS) -> Candidates:
        """Up to `most` of those behind `after`, but for those that were replayed and wait to be stored."""
        blocks = {lane.value: cursor.block for lane, cursor in self._state.cursors().items()}
        behind = {"after_ms": after.occurred_ms, "after_id": after.id, "limit": most + 1}
        asked = self._asked(workspace, which)
        asked["from_ms"] = max(which.from_ms, after.occurred_ms)
        rows = self._store.rows("candidate_ids", asked | blocks | behind)
        places = _bounded(rows[:most])
        if not places:
            return Candidates([])
        ids = [place.id for place in places]
        waiting = self._waiting(ids)
        asked |= {"ids": ids, "from_ms": places[0].occurred_ms, "to_ms": places[-1].occurred_ms + 1}
        found = _candidates.decode_lines(b"".join(self._store.stream("candidates", asked)))
        some = [each for each in found if each.event_id not in waiting]
        return Candidates(some, places[-1] if len(places) < len(rows) else None)

    def _asked(self, workspace: str, which: Refused) -> dict[str, Any]:
        reverted = [each.id for each in self._catalog.backfills(workspace) if each.status == "reverted"]
        return {"workspace": workspace, "reverted": reverted} | which.parameters()

    def _answer(self, row: Row) -> RejectedAnswer:
        about = msgspec.structs.asdict(answer_of(row, None))
        return RejectedAnswer(**about, path=self._place(msgspec.structs.asdict(row)), hint=hint_of(row.reason))

    def _kind(self, row: Mapping[str, Any], sample: Mapping[str, Any]) -> Kind:
        return Kind(
            reason=row["reason"],
            signal=row["signal"],
            events=row["events"],
            newest=clock.to_iso(received_of(row["newest"])),
            sample=row["newest"],
            detail=sample["detail"] or None,
            path=self._place(sample),
            hint=hint_of(row["reason"]),
        )

    def _place(self, row: Mapping[str, Any]) -> str | None:
        return place_in(row["reason"], row["detail"], self._dates.get(row["dialect"], ""))

    def _waiting(self, ids: Collection[str]) -> set[str]:
        """Those that were replayed already and are not stored yet."""
        entries = self._tail.replays({batch_of(UUID(id_)) for id_ in ids})
        records = [self._reader.record(entry.position, entry.lane) for entry in entries]
        return {line.id for record in records if record for line in decode_lines(record.lines)}


def _bounded(rows: Sequence[Mapping[str, Any]]) -> list[Place]:
    """The places of the first events whose data together are not much more than PAGE_BYTES; at least one's."""
    places: list[Place] = []
    size = 0
    for row in rows:
        places.append(Place(row["occurred_ms"], row["event_id"]))
        size += row["bytes"]
        if size >= PAGE_BYTES:
            break
    return places
