"""Webhooks that last: where they go, how far each has followed what happens, and what was delivered."""

from collections.abc import Collection, Sequence
from typing import Literal, Protocol

import msgspec

EventType = Literal["cohort.entered", "cohort.left", "events.rejected", "backfill.finished"]
Status = Literal["pending", "delivered", "failed", "erased"]
"""Of a delivery: to be tried (again); taken by its receiver; given up; about somebody who was erased before it was
taken."""
Pause = Literal["by_hand", "failing", "gone"]
"""Why a webhook rests: somebody said so; nothing was taken for a day; its receiver answered 410."""


class Place(msgspec.Struct, frozen=True):
    """How far a webhook has followed what happens."""

    change: int = 0
    """The number of the last change of a cohort (`Memberships.news`)."""
    blocks: dict[str, int] = {}
    """By lane, the last block of the store."""
    digested_ms: int = 0
    """When it was last looked for rejected events."""


class Webhook(msgspec.Struct, frozen=True):
    id: str
    """`wh_` + 8 base62."""
    workspace: str
    url: str
    events: tuple[EventType, ...]
    cohorts: tuple[str, ...]
    """Ids; none: all."""
    description: str
    secret: str
    created_ms: int
    place: Place
    old_secret: str | None = None
    old_until_ms: int = 0
    """Until then the old one signs, too."""
    paused: Pause | None = None
    paused_ms: int | None = None
    failing_ms: int | None = None
    """Since when nothing was taken that was tried, beside pings; None: the last try was a success."""
    delivered_ms: int | None = None
    """When something was taken last."""

    def secrets(self, now_ms: int) -> tuple[str, ...]:
        """Those that sign now, the newest first."""
        if self.old_secret is not None and now_ms < self.old_until_ms:
            return self.secret, self.old_secret
        return (self.secret,)


class Message(msgspec.Struct, frozen=True):
    """What is to be delivered."""

    id: str
    """`msg_…`: the header `webhook-id`, the same with every attempt and replay."""
    type: str
    """An EventType, or `ping`."""
    body: bytes
    """JSON, byte for byte as it is sent."""
    created_ms: int
    event_id: str | None = None
    """The event that led to it, where it was one."""
    names: tuple[str, ...] = ()
    """Keys of the identities that it tells of."""


class Delivery(msgspec.Struct, frozen=True):
    """A message on its way to one webhook, or there."""

    number: int
    webhook: str
    id: str
    type: str
    body: bytes
    """Empty once somebody was erased whom it told of."""
    created_ms: int
    status: Status
    attempts: int
    """Since `first_ms`."""
    first_ms: int | None
    """When it was first tried; anew after a replay or a resumption."""
    next_ms: int | None
    """When it is tried next."""
    done_ms: int | None
    """When it came to its end."""
    event_id: str | None


class Attempt(msgspec.Struct, frozen=True):
    at_ms: int
    took_ms: int
    status: int | None
    """HTTP; None: there was no answer."""
    error: str
    """Empty for a success."""
    answer: bytes = b""
    """Its first bytes."""


class Turn(msgspec.Struct, frozen=True):
    """What an attempt made of its delivery."""

    status: Status
    next_ms: int | None = None


class Figures(msgspec.Struct, frozen=True):
    active: int
    paused: int
    pending: int
    """Deliveries, of those that rest as well."""
    oldest_ms: int | None
    """When the oldest pending one of an active webhook was made."""


class Outbox(Protocol):
    """Every verb is durable when it returns, and all or nothing. What is written about a webhook that is not there (any
    more) is lost without a word. Raises UnavailableError when the disk or the database fails."""

    def webhooks(self, workspace: str | None = None) -> Sequence[Webhook]:
        """Oldest first."""

    def webhook(self, workspace: str, id: str) -> Webhook | None: ...

    def add(self, webhook: Webhook) -> None: ...

    def edit(self, webhook: Webhook, is_elsewhere: bool = False) -> None:
        """Its url, events, cohorts, description and secrets. One that is elsewhere now does not fail until it does."""

    def pause(self, id: str, why: Pause, at_ms: int) -> None:
        """Nothing for one that is paused already."""

    def resume(self, id: str, at_ms: int) -> None:
        """What is pending is tried at once, and has a day from then on."""

    def skip(self, id: str, place: Place) -> int:
        """Moves a place without delivering what lies between; what is pending is given up. How many that were."""

    def remove(self, id: str) -> None:
        """With its deliveries."""

    def put(
        self,
        id: str,
        messages: Sequence[Message],
        place: Place | None = None,
        told: Collection[str] = (),
        before: Place | None = None,
    ) -> bool:
        """Messages to be tried at once; in the same transaction how far it has followed, and keys of what it was
        `told` by them. `before`: the place that they were read from. Writes nothing, and is False, when the webhook is
        there no more, or was told one of the keys: somebody else has put them, such as an engine that leads by now."""

    def told(self, id: str) -> set[str]:
        """All such keys."""

    def pending(self, id: str) -> int: ...

    def due(self, now_ms: int, most: int) -> Sequence[Delivery]:
        """Up to `most` of each webhook, those that wait longest first; of one that is paused only pings."""

    def record(self, delivery: Delivery, attempt: Attempt, turn: Turn, pause: Pause | None = None) -> None:
        """An attempt, and what becomes of its delivery; the webhook's `failing_ms`, which no ping sets, and whether it
        rests from now on. A delivery that came to its end meanwhile stays there, unless it was taken now; of one that
        was erased no answer is kept, and one that does not fail for a day (any more) does not rest as `failing`."""

    def deliveries(self, id: str, status: Status | None, before: int | None, limit: int) -> Sequence[Delivery]:
        """Newest first, those numbered below `before`."""

    def delivery(self, id: str, message: str) -> Delivery | None: ...

    def attempts(self, number: int) -> Sequence[Attempt]:
        """Oldest first."""

    def replay(self, id: str, message: str, at_ms: int) -> bool:
        """Tries a delivery again, whatever became of it; False for one that was erased, or is not there."""

    def replay_failed(self, id: str, since_ms: int, at_ms: int) -> int:
        """The same for all that failed and were made since then. How many."""

    def caused(self, workspace: str, event_id: str) -> Sequence[tuple[Webhook, Delivery]]:
        """What was delivered, or is to be, because of an event; oldest first."""

    def erase(self, workspace: str, identities: Collection[str]) -> None:
        """What tells of these identities is emptied, and no more tried; what was answered to it goes, too."""

    def prune(self, before_ms: int, keep: int, most: int) -> int:
        """Removes up to `most` deliveries that ended before then, and those of a webhook beyond the newest `keep` that
        ended. How many went."""

    def figures(self) -> Figures: ...

    def wipe(self) -> bool:
        """As `State.wipe`."""

    def close(self) -> None: ...
