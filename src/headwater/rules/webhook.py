"""What webhooks deliver, and what is answered about them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headwater import clock
from headwater.rules.answers import Identity

PING = "ping"


class Body(msgspec.Struct, frozen=True):
    """What is sent, as Standard Webhooks has it."""

    type: str
    timestamp: str
    """When it happened."""
    data: Any


class CohortData(msgspec.Struct, frozen=True):
    """`cohort.entered`, `cohort.left`."""

    cohort: Mapping[str, str]
    """Its id and name."""
    profile: Mapping[str, Any]
    """Its id, and all identities that it had when this was written down."""
    kind: str
    """Why: `state.cohorts.Kind`."""
    event_id: str | None


class RejectedKind(msgspec.Struct, frozen=True):
    signal: str
    reason: str
    hint: str
    events: int
    samples: Sequence[str]
    """Ids of some of them, the newest first."""


class RejectedData(msgspec.Struct, frozen=True):
    """`events.rejected`: what was rejected since the last one."""

    events: int
    kinds: Sequence[RejectedKind]
    """The most frequent first."""
    more: bool
    """Whether there are kinds that are left out, and not counted."""


class WebhookAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/webhooks/{id}`."""

    id: str
    url: str
    events: Sequence[str]
    cohorts: Sequence[str]
    description: str
    status: str
    """`active` or `paused`."""
    paused: str | None
    """Why it is."""
    paused_at: str | None
    failing_since: str | None
    delivered_at: str | None
    """When something was taken last."""
    pending: int
    old_secret_until: str | None
    created_at: str
    secret: str | msgspec.UnsetType = msgspec.UNSET
    """Only where it was made just now."""


class WebhookPage(msgspec.Struct, frozen=True):
    data: Sequence[WebhookAnswer]
    next: str | None


class DeliveryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `GET /v1/webhooks/{id}/deliveries`."""

    id: str
    type: str
    status: str
    attempts: int
    event_id: str | None
    created_at: str
    next_attempt_at: str | None
    done_at: str | None


class AttemptAnswer(msgspec.Struct, frozen=True):
    at: str
    ms: int
    status: int | None
    error: str | None
    answer: str


class DeliveryDetail(DeliveryAnswer, frozen=True, kw_only=True):
    """`GET /v1/webhooks/{id}/deliveries/{msg}`."""

    body: msgspec.Raw | None
    """None once somebody was erased whom it told of."""
    log: Sequence[AttemptAnswer]
    """Every attempt, oldest first."""


class DeliveryPage(msgspec.Struct, frozen=True):
    data: Sequence[DeliveryAnswer]
    next: str | None


def body_of(type: str, at_ms: int, data: Any) -> bytes:
    """The bytes that are signed and sent."""
    return msgspec.json.encode(Body(type, clock.to_iso(at_ms), data))


def profile_of(id: str, identities: Sequence[Identity]) -> dict[str, Any]:
    return {"id": id, "identities": list(identities)}
