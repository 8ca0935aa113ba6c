"""Webhooks as the OpenAPI document tells them. The answers themselves are `rules.webhook`'s."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

_MOMENT = "2026-11-22T04:05:06.789Z"
_EVENT = "01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01"
_COHORT = "coh_7Hq2Lw0R"

_URL = Field(
    description="Where it is sent: https, to a public address. Plain http, ports below 1024 and private addresses "
    "only in networks that the operator allows.",
    examples=["https://crm.example/hooks/headwater"],
)
_EVENTS = Field(
    description="What it is told: `cohort.entered`, `cohort.left`, `events.rejected` (in digests), "
    "`backfill.finished`.",
    examples=[["cohort.entered", "cohort.left"]],
)
_COHORTS = Field(description="Cohorts whose changes are told; none: all.", examples=[[]])
_DESCRIPTION = Field(description="For people, up to 500 characters.", examples=["CRM"])


class WebhookBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: StrictStr = _URL
    events: list[StrictStr] = _EVENTS
    cohorts: list[StrictStr] = Field(default=[], description="Ids of cohorts; none: all.", examples=[[]])
    description: StrictStr = Field(default="", description="For people, up to 500 characters.", examples=["CRM"])


class WebhookPatch(BaseModel):
    """What is not there stays as it is."""

    model_config = ConfigDict(extra="forbid")

    url: StrictStr | None = Field(default=None, description="As for a new one.", examples=["https://crm.example/hook"])
    events: list[StrictStr] | None = Field(default=None, description="As for a new one.", examples=[["cohort.left"]])
    cohorts: list[StrictStr] | None = Field(default=None, description="As for a new one.", examples=[[]])
    description: StrictStr | None = Field(default=None, description="As for a new one.", examples=["CRM"])
    paused: StrictBool | None = Field(
        default=None, description="true: nothing is sent, and nothing lost; false: as `resume`.", examples=[True]
    )


class RotateBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    overlap_hours: int = Field(
        default=24,
        strict=True,
        ge=0,
        le=168,
        description="How long the old secret goes on signing, too.",
        examples=[24],
    )


class ResumeBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    skip: StrictBool = Field(
        default=False,
        description="true: what happened meanwhile is not told, what waits is given up.",
        examples=[False],
    )


class ReplayBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: StrictStr = Field(description="All that failed and were made since then; ISO 8601.", examples=[_MOMENT])


class WebhookAnswer(BaseModel):
    id: str = Field(examples=["wh_5Qp0cXQk"])
    url: str = _URL
    events: list[str] = _EVENTS
    cohorts: list[str] = _COHORTS
    description: str = _DESCRIPTION
    status: Literal["active", "paused"]
    paused: Literal["by_hand", "failing", "gone"] | None = Field(
        description="Why it is: somebody said so; nothing was taken for a day; its receiver answered 410.",
        examples=[None],
    )
    paused_at: str | None = Field(examples=[None])
    failing_since: str | None = Field(
        description="Since when every attempt failed, pings left aside; null: the last one did not.", examples=[None]
    )
    delivered_at: str | None = Field(description="When something was taken last.", examples=[_MOMENT])
    pending: int = Field(description="Deliveries to be tried, or tried again.", examples=[0])
    old_secret_until: str | None = Field(
        description="Until then the secret before the last rotation signs, too.", examples=[None]
    )
    created_at: str = Field(examples=[_MOMENT])


class WebhookMade(WebhookAnswer):
    secret: str = Field(
        description="What deliveries are signed with: keep it, it is not told again.", examples=["whsec_…"]
    )


class WebhookPage(BaseModel):
    data: list[WebhookAnswer]
    next: str | None = Field(description="Give it as `cursor` for the next page; null on the last one.")


class DeliveryAnswer(BaseModel):
    id: str = Field(description="The header `webhook-id`.", examples=["msg_5Qp0cXQkQ2x0YhV7mB1nZt"])
    type: str = Field(examples=["cohort.entered"])
    status: Literal["pending", "delivered", "failed", "erased"] = Field(
        description="`pending`: to be tried, or tried again; `failed`: given up after a day; `erased`: somebody was "
        "of whom it told."
    )
    attempts: int = Field(description="Since it was made, or replayed, or its webhook resumed.", examples=[1])
    event_id: str | None = Field(description="The event that led to it, where it was one.", examples=[_EVENT])
    created_at: str = Field(examples=[_MOMENT])
    next_attempt_at: str | None = Field(description="null: there is none.", examples=[None])
    done_at: str | None = Field(description="When it came to its end.", examples=[_MOMENT])


class AttemptAnswer(BaseModel):
    at: str = Field(examples=[_MOMENT])
    ms: int = Field(description="How long it took.", examples=[42])
    status: int | None = Field(description="HTTP; null: there was no answer.", examples=[200])
    error: str | None = Field(description="null: a success.", examples=[None])
    answer: str = Field(description="The first 1,000 bytes of what was answered.", examples=["ok"])


class DeliveryDetail(DeliveryAnswer):
    body: dict[str, Any] | None = Field(
        description="What is sent; null once somebody was erased of whom it told.",
        examples=[{"type": "cohort.entered", "timestamp": _MOMENT, "data": {"cohort": {"id": _COHORT, "name": "VIP"}}}],
    )
    log: list[AttemptAnswer] = Field(description="Every attempt, oldest first.")


class DeliveryPage(BaseModel):
    data: list[DeliveryAnswer]
    next: str | None = Field(description="Give it as `cursor` for the next page; null on the last one.")


class Replayed(BaseModel):
    replayed: int = Field(description="Deliveries that are tried again.", examples=[3])
