"""What webhooks tell of, each source read from where it is written down anyway: nothing is written twice."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from headwater import clock
from headwater.backfills import Backfills
from headwater.catalog.base import Backfill, Definitions
from headwater.drain import Drain
from headwater.events import Lane
from headwater.rules.hints import hint_of
from headwater.rules.ids import new_message_id
from headwater.rules.membership import named
from headwater.rules.profile import profile_id
from headwater.rules.webhook import CohortData, RejectedData, RejectedKind, body_of, profile_of
from headwater.state.base import Cursor
from headwater.state.cohorts import Memberships, News
from headwater.state.webhooks import Message, Place, Webhook
from headwater.store.base import Store

CHANGES = 500
"""Changes of cohorts read at once."""
MOST_PENDING = 1_000
"""Deliveries that a webhook may have waiting: what is behind stays where it is written down."""
KINDS, SAMPLES = 100, 5
"""Kinds of rejected events in one digest, and ids of each."""
IN_FLIGHT_MS = 2_000
"""How long a batch may be on its way into the log when its backfill is closed."""

COHORTS = frozenset(("cohort.entered", "cohort.left"))
REJECTED, FINISHED = "events.rejected", "backfill.finished"


class Found(msgspec.Struct, frozen=True):
    """What a source has for a webhook."""

    messages: Sequence[Message] = ()
    place: Place | None = None
    """From where on it is read the next time; None: from where it was."""
    told: Sequence[str] = ()


NOTHING = Found()


class Source(Protocol):
    events: frozenset[str]
    """What it tells."""

    def here(self, workspace: str, place: Place) -> tuple[Place, Sequence[str]]:
        """Behind all that happened until now, and what needs not to be told."""

    def read(self, webhook: Webhook, now_ms: int) -> Found: ...


class Changes:
    """Who entered and left cohorts."""

    events = COHORTS

    def __init__(self, memberships: Memberships, connected: Callable[[str, str], Sequence[str]]) -> None:
        self._memberships = memberships
        self._connected = connected

    def here(self, workspace: str, place: Place) -> tuple[Place, Sequence[str]]:
        return replace(place, change=self._memberships.newest()), ()

    def read(self, webhook: Webhook, now_ms: int) -> Found:
        if not COHORTS.intersection(webhook.events):
            return NOTHING
        found = self._memberships.news(webhook.place.change, CHANGES)
        messages = [self._message(each) for each in found if _wants(webhook, each)]
        # What is nobody's here is read again rather than written down each time.
        if not messages and len(found) < CHANGES:
            return NOTHING
        return Found(messages, replace(webhook.place, change=found[-1].number))

    def _message(self, news: News) -> Message:
        change = news.change
        type_ = "cohort.entered" if change.entered else "cohort.left"
        identities = self._connected(news.workspace, change.identity)
        profile = profile_of(profile_id(news.workspace, identities), named(identities))
        cohort = {"id": change.cohort, "name": news.name}
        body = body_of(type_, change.at_ms, CohortData(cohort, profile, change.kind, change.event_id))
        names = tuple({change.identity, *identities})
        return Message(new_message_id(), type_, body, clock.now_ms(), change.event_id, names)


def _wants(webhook: Webhook, news: News) -> bool:
    if news.workspace != webhook.workspace or (webhook.cohorts and news.change.cohort not in webhook.cohorts):
        return False
    return ("cohort.entered" if news.change.entered else "cohort.left") in webhook.events


class Rejections:
    """Rejected events, in digests. `cursors` as `state.base.State.cursors`; `every_ms`: from one look to the next."""

    events = frozenset((REJECTED,))

    def __init__(self, store: Store, cursors: Callable[[], Mapping[Lane, Cursor]], every_ms: int) -> None:
        self._store = store
        self._cursors = cursors
        self._every_ms = every_ms

    def here(self, workspace: str, place: Place) -> tuple[Place, Sequence[str]]:
        return replace(place, blocks=self._blocks(), digested_ms=clock.now_ms()), ()

    def read(self, webhook: Webhook, now_ms: int) -> Found:
        place = webhook.place
        if REJECTED not in webhook.events or abs(now_ms - place.digested_ms) < self._every_ms:
            return NOTHING
        blocks = self._blocks()
        if blocks == place.blocks:
            return NOTHING
        rows = self._rows(webhook.workspace, place.blocks, blocks)
        after = replace(place, blocks=blocks, digested_ms=now_ms)
        return Found([_digest(rows, now_ms)] if rows else (), after)

    def _blocks(self) -> dict[str, int]:
        return {lane.value: cursor.block for lane, cursor in self._cursors().items()}

    def _rows(self, workspace: str, after: Mapping[str, int], upto: Mapping[str, int]) -> list[dict[str, Any]]:
        spans = {f"{lane.value}_after": after.get(lane.value, 0) for lane in Lane}
        spans |= {f"{lane.value}_upto": upto.get(lane.value, 0) for lane in Lane}
        about = {"workspace": workspace, "samples": SAMPLES, "limit": KINDS + 1}
        return self._store.rows("webhook_rejected", about | spans)


def _digest(rows: Sequence[Mapping[str, Any]], now_ms: int) -> Message:
    kinds = [
        RejectedKind(row["signal"], row["reason"], hint_of(row["reason"]), int(row["events"]), row["samples"])
        for row in rows[:KINDS]
    ]
    data = RejectedData(sum(kind.events for kind in kinds), kinds, len(rows) > KINDS)
    return Message(new_message_id(), REJECTED, body_of(REJECTED, now_ms, data), now_ms)


class Finished:
    """Backfills that are closed and stored to the last event, or reverted to the last consequence."""

    events = frozenset((FINISHED,))

    def __init__(
        self, catalog: Definitions, backfills: Backfills, drain: Drain, told: Callable[[str], set[str]]
    ) -> None:
        """`told` as `Outbox.told`."""
        self._told = told
        self._catalog = catalog
        self._backfills = backfills
        self._drain = drain
        self._ends: dict[str, Any] = {}
        """How far the log went when a backfill was seen closed; found anew after a restart."""

    def here(self, workspace: str, place: Place) -> tuple[Place, Sequence[str]]:
        return place, [_key(each) for each in self._catalog.backfills(workspace) if each.status != "open"]

    def read(self, webhook: Webhook, now_ms: int) -> Found:
        if FINISHED not in webhook.events:
            return NOTHING
        ended = [each for each in self._catalog.backfills(webhook.workspace) if each.status != "open"]
        known = self._told(webhook.id) if ended else set()
        done = [each for each in ended if _key(each) not in known and self._is_done(each, now_ms)]
        return Found([self._message(each, now_ms) for each in done], None, [_key(each) for each in done])

    def _is_done(self, backfill: Backfill, now_ms: int) -> bool:
        if backfill.status == "reverted":
            return bool(self._backfills.one(backfill.workspace, backfill.id)["status"] == "reverted")
        if now_ms < (backfill.closed_ms or 0) + IN_FLIGHT_MS:
            return False
        end = self._ends.get(backfill.id)
        if end is None:
            end = self._ends[backfill.id] = self._drain.end()
        return self._drain.stored(end)

    def _message(self, backfill: Backfill, now_ms: int) -> Message:
        self._ends.pop(backfill.id, None)
        data = self._backfills.one(backfill.workspace, backfill.id)
        return Message(new_message_id(), FINISHED, body_of(FINISHED, now_ms, data), now_ms)


def _key(backfill: Backfill) -> str:
    return f"{backfill.id}:{backfill.status}"
