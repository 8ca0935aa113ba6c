"""Webhooks as they are asked for: made, changed, tried, looked at. Every question is about one workspace and sees
nothing of another. Safe to use from threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from headwater import clock
from headwater.errors import ConflictError, InvalidError, NotFoundError
from headwater.rules.address import Network
from headwater.rules.cursor import encoded, numbered, page_of
from headwater.rules.ids import new_id, new_message_id
from headwater.rules.signature import new_secret
from headwater.rules.target import check_address, parse_target
from headwater.rules.webhook import (
    PING,
    AttemptAnswer,
    DeliveryAnswer,
    DeliveryDetail,
    DeliveryPage,
    WebhookAnswer,
    WebhookPage,
    body_of,
)
from headwater.state.cohorts import Memberships
from headwater.state.webhooks import Attempt, Delivery, EventType, Message, Outbox, Status, Webhook
from headwater.webhooks.follower import Follower
from headwater.webhooks.request import resolving
from headwater.webhooks.sources import COHORTS, FINISHED, REJECTED

MOST = 50
"""Webhooks of a workspace."""
MOST_COHORTS = 100
"""Cohorts that one names."""
LONGEST_DESCRIPTION = 500
MOST_OVERLAP_HOURS = 168
"""How long an old secret may go on signing."""
EVENTS: tuple[EventType, ...] = get_args(EventType)
STATUSES: tuple[Status, ...] = get_args(Status)

_RESOLVE_SECONDS = 2.0
"""How long a new webhook waits for its host's addresses: whether they may be reached is looked at with each delivery
anyway."""
_FAMILIES = (COHORTS, frozenset((REJECTED,)), frozenset((FINISHED,)))
"""Events that are read from one place."""


class Endpoints:
    def __init__(
        self,
        outbox: Outbox,
        memberships: Memberships,
        follower: Follower,
        allowed: Sequence[Network],
        sending: Callable[[], None],
    ) -> None:
        """`allowed`: the operator's networks; `sending`: as `sender.Sender.wake`."""
        self._outbox = outbox
        self._memberships = memberships
        self._follower = follower
        self._allowed = allowed
        self._sending = sending

    # --- webhooks -----------------------------------------------------------------------------------------------

    def create(
        self, workspace: str, url: str, events: Sequence[str], cohorts: Sequence[str] = (), description: str = ""
    ) -> WebhookAnswer:
        """It is told what happens from now on. The only answer with its secret. Raises InvalidError, ConflictError."""
        self._check_url(url)
        chosen = _events(events)
        if len(self._outbox.webhooks(workspace)) >= MOST:
            raise ConflictError(f"There are {MOST} webhooks already; delete one first")
        with self._follower.lock:
            place, told = self._follower.here(workspace)
            made = Webhook(
                id=new_id("wh"),
                workspace=workspace,
                url=url,
                events=chosen,
                cohorts=self._cohorts(workspace, cohorts),
                description=_description(description),
                secret=new_secret(),
                created_ms=clock.now_ms(),
                place=place,
            )
            self._outbox.add(made)
            self._outbox.put(made.id, (), told=told)
        return self._answer(made, made.secret)

    def list(self, workspace: str, limit: int, cursor: str | None) -> WebhookPage:
        """Oldest first."""
        shown, more = page_of(self._outbox.webhooks(workspace), limit, cursor)
        return WebhookPage([self._answer(each) for each in shown], more)

    def show(self, workspace: str, id: str) -> WebhookAnswer:
        """Raises NotFoundError."""
        return self._answer(self._known(workspace, id))

    def update(self, workspace: str, id: str, changes: dict[str, Any]) -> WebhookAnswer:
        """`url`, `events`, `cohorts`, `description`, `paused`; what is not there stays. What happened until now is told
        by what it was set to. Raises NotFoundError, InvalidError, UnavailableError."""
        if "url" in changes:
            self._known(workspace, id)
            self._check_url(changes["url"])
        with self._follower.lock:
            known = self._known(workspace, id)
            after = replace(
                known,
                url=changes.get("url", known.url),
                events=_events(changes.get("events", known.events)),
                cohorts=self._cohorts(workspace, changes["cohorts"]) if "cohorts" in changes else known.cohorts,
                description=_description(changes.get("description", known.description)),
            )
            if _told_of(after) != _told_of(known) or changes.get("paused") is True:
                self._follower.settle(known)
            self._begin_families(self._known(workspace, id), known.events, after.events)
            self._outbox.edit(after, after.url != known.url)
            if changes.get("paused") is True:
                self._outbox.pause(id, "by_hand", clock.now_ms())
        if changes.get("paused") is False and known.paused is not None:
            return self.resume(workspace, id)
        return self.show(workspace, id)

    def remove(self, workspace: str, id: str) -> None:
        """With its log. Raises NotFoundError."""
        with self._follower.lock:  # what is read for it now is not put behind it
            self._known(workspace, id)
            self._outbox.remove(id)

    def rotate(self, workspace: str, id: str, overlap_hours: int) -> WebhookAnswer:
        """A new secret; the old one goes on signing for a while. Raises NotFoundError."""
        with self._follower.lock:
            known = self._known(workspace, id)
            until_ms = clock.now_ms() + overlap_hours * clock.HOUR_MS
            after = replace(known, secret=new_secret(), old_secret=known.secret, old_until_ms=until_ms)
            self._outbox.edit(after)
        return self._answer(after, after.secret)

    def resume(self, workspace: str, id: str, skip: bool = False) -> WebhookAnswer:
        """One that rests goes on: with all that happened meanwhile, or, to `skip` that, with what comes from now on.
        Raises NotFoundError."""
        with self._follower.lock:
            self._known(workspace, id)
            if skip:
                place, told = self._follower.here(workspace)
                self._outbox.skip(id, place)
                self._outbox.put(id, (), told=told)
            self._outbox.resume(id, clock.now_ms())
        self._follower.wake()
        self._sending()
        return self.show(workspace, id)

    def ping(self, workspace: str, id: str) -> DeliveryAnswer:
        """Sends a message that says nothing, once, also when the webhook rests. Raises NotFoundError."""
        known, now = self._known(workspace, id), clock.now_ms()
        message = Message(new_message_id(), PING, body_of(PING, now, {"webhook_id": known.id}), now)
        self._outbox.put(id, [message])
        self._sending()
        return _delivery(self._delivered(id, message.id))

    # --- the log ------------------------------------------------------------------------------------------------

    def deliveries(
        self, workspace: str, id: str, status: Status | None, limit: int, cursor: str | None
    ) -> DeliveryPage:
        """Newest first. Raises NotFoundError, InvalidError."""
        self._known(workspace, id)
        found = self._outbox.deliveries(id, status, numbered(cursor), limit + 1)
        more = encoded(str(found[limit - 1].number)) if len(found) > limit else None
        return DeliveryPage([_delivery(each) for each in found[:limit]], more)

    def delivery(self, workspace: str, id: str, message: str) -> DeliveryDetail:
        """Raises NotFoundError."""
        self._known(workspace, id)
        found = self._delivered(id, message)
        body = msgspec.Raw(found.body) if found.body else None
        log = [_attempt(each) for each in self._outbox.attempts(found.number)]
        return DeliveryDetail(**msgspec.structs.asdict(_delivery(found)), body=body, log=log)

    def replay(self, workspace: str, id: str, message: str) -> DeliveryAnswer:
        """Under the same `webhook-id`. Raises NotFoundError, ConflictError."""
        self._known(workspace, id)
        if not self._outbox.replay(id, self._delivered(id, message).id, clock.now_ms()):
            raise ConflictError("what it told of was erased")
        self._sending()
        return _delivery(self._delivered(id, message))

    def replay_failed(self, workspace: str, id: str, since: str) -> dict[str, int]:
        """All that failed and were made since then. Raises NotFoundError, InvalidError."""
        self._known(workspace, id)
        since_ms = clock.parse_iso(since)
        if since_ms is None:
            raise InvalidError("'since' must be an ISO 8601 time", "since")
        replayed = self._outbox.replay_failed(id, since_ms, clock.now_ms())
        self._sending()
        return {"replayed": replayed}

    # --- parts --------------------------------------------------------------------------------------------------

    def _known(self, workspace: str, id: str) -> Webhook:
        found = self._outbox.webhook(workspace, id)
        if found is None:
            raise NotFoundError(f"There is no webhook '{id}'")
        return found

    def _delivered(self, id: str, message: str) -> Delivery:
        found = self._outbox.delivery(id, message)
        if found is None:
            raise NotFoundError(f"There is no delivery '{message}'")
        return found

    def _begin_families(self, webhook: Webhook, before: Sequence[EventType], after: Sequence[EventType]) -> None:
        """What it was not told before, it is told from now on."""
        place, told = self._follower.here(webhook.workspace)
        fresh = [family for family in _FAMILIES if family.intersection(after) and not family.intersection(before)]
        now = webhook.place
        if COHORTS in fresh:
            now = replace(now, change=place.change)
        if _FAMILIES[1] in fresh:
            now = replace(now, blocks=place.blocks, digested_ms=place.digested_ms)
        if fresh:
            self._outbox.put(webhook.id, (), now, told if _FAMILIES[2] in fresh else ())

    def _cohorts(self, workspace: str, ids: Sequence[str]) -> tuple[str, ...]:
        if len(ids) > MOST_COHORTS:
            raise InvalidError(f"'cohorts' must be at most {MOST_COHORTS}", "cohorts")
        for index, each in enumerate(ids):
            if self._memberships.cohort(workspace, each) is None:
                raise InvalidError(f"'cohorts[{index}]': there is no cohort '{each}'", f"cohorts[{index}]")
        return tuple(dict.fromkeys(ids))

    def _check_url(self, url: str) -> None:
        """As far as it can be known now. Raises InvalidError."""
        target = parse_target(url, self._allowed)
        found = [target.host] if target.is_address else _resolved(target.host, target.port)
        for address in found:
            check_address(target, address, self._allowed)

    def _answer(self, webhook: Webhook, secret: str | None = None) -> WebhookAnswer:
        is_rotating = len(webhook.secrets(clock.now_ms())) > 1
        return WebhookAnswer(
            id=webhook.id,
            url=webhook.url,
            events=webhook.events,
            cohorts=webhook.cohorts,
            description=webhook.description,
            status="active" if webhook.paused is None else "paused",
            paused=webhook.paused,
            paused_at=clock.iso_or_none(webhook.paused_ms),
            failing_since=clock.iso_or_none(webhook.failing_ms),
            delivered_at=clock.iso_or_none(webhook.delivered_ms),
            pending=self._outbox.pending(webhook.id),
            old_secret_until=clock.iso_or_none(webhook.old_until_ms) if is_rotating else None,
            created_at=clock.to_iso(webhook.created_ms),
            secret=msgspec.UNSET if secret is None else secret,
        )


def _resolved(host: str, port: int) -> Sequence[str]:
    """Nothing where nobody can say it now."""
    try:
        return resolving(host, port).result(_RESOLVE_SECONDS)
    except (OSError, FutureTimeout):
        return ()


def _events(given: Sequence[str]) -> tuple[EventType, ...]:
    """Each once, in the order of EVENTS. Raises InvalidError."""
    for index, each in enumerate(given):
        if each not in EVENTS:
            raise InvalidError(f"'events[{index}]' must be one of {', '.join(EVENTS)}", f"events[{index}]")
    if not given:
        raise InvalidError(f"'events' must name at least one of {', '.join(EVENTS)}", "events")
    return tuple(each for each in EVENTS if each in given)


def _told_of(webhook: Webhook) -> tuple[frozenset[str], frozenset[str]]:
    """Which changes of which cohorts are for it."""
    return COHORTS.intersection(webhook.events), frozenset(webhook.cohorts)


def _description(text: str) -> str:
    if len(text) > LONGEST_DESCRIPTION:
        raise InvalidError(f"'description' must have at most {LONGEST_DESCRIPTION} characters", "description")
    return text


def _delivery(found: Delivery) -> DeliveryAnswer:
    return DeliveryAnswer(
        id=found.id,
        type=found.type,
        status=found.status,
        attempts=found.attempts,
        event_id=found.event_id,
        created_at=clock.to_iso(found.created_ms),
        next_attempt_at=clock.iso_or_none(found.next_ms),
        done_at=clock.iso_or_none(found.done_ms),
    )


def _attempt(found: Attempt) -> AttemptAnswer:
    answer = found.answer.decode(errors="replace")
    return AttemptAnswer(clock.to_iso(found.at_ms), found.took_ms, found.status, found.error or None, answer)
