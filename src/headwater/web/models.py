"""What questions answer, as the OpenAPI document tells it. The answers themselves are made by `rules.answers`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_ID = "01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01"
_MOMENT = "2026-11-22T04:05:06.789Z"

LaneName = Literal["realtime", "migration"]


class IdentityAnswer(BaseModel):
    type: str = Field(examples=["email"])
    id: str = Field(examples=["ada@example.com"])


class EventAnswer(BaseModel):
    """One event, from the 200 that acknowledged it on."""

    id: str = Field(description="UUIDv7", examples=[_ID])
    signal: str = Field(description="The slug as sent; BIK's `eventName`.", examples=["addToCart"])
    signal_id: str = Field(examples=["sig_bFyqj0qg"])
    schema_version: int | None = Field(description="null: the signal had no schema.", examples=[1])
    dialect: str = Field(description="The wire language it came in.", examples=["bik"])
    identities: list[IdentityAnswer] = Field(description="Whom it is about.")
    profile_id: str | None = Field(
        description="Of the connected identities; null for a rejected event.", examples=["prf_5Qp0cXQkQ2x0YhV7mB1nZt"]
    )
    name: str | None = Field(examples=["Ada"])
    occurred_at: str = Field(
        description="When it happened: the sender's time, or that of its receipt.", examples=[_MOMENT]
    )
    received_at: str = Field(examples=[_MOMENT])
    lane: LaneName
    status: Literal["pending", "processed", "rejected", "reverted"] = Field(
        description="`pending` until it is stored.", examples=["processed"]
    )
    reason: str | None = Field(
        description="Why it was rejected: `outside_realtime_window`, `timestamp_in_future` or `schema_violation`.",
        examples=[None],
    )
    detail: str | None = Field(description="What a rejected event failed on, for people.", examples=[None])
    data: dict[str, Any] = Field(description="As sent.", examples=[{"productId": "P1", "variantId": "V1"}])
    reference: str | None = Field(description="As sent.", examples=[None])
    backfill_id: str | None = Field(examples=[None])


class ProfileAnswer(BaseModel):
    """One person or object: all identities that events named together. Only processed events count."""

    id: str = Field(examples=["prf_5Qp0cXQkQ2x0YhV7mB1nZt"])
    name: str | None = Field(description="The newest one given.", examples=["Ada"])
    identities: list[IdentityAnswer]
    events: int = Field(description="How many.", examples=[3])
    first_seen: str = Field(description="When the earliest event occurred.", examples=[_MOMENT])
    last_seen: str = Field(description="When the latest event occurred.", examples=[_MOMENT])
    states: dict[str, Any] = Field(examples=[{}])
    metrics: dict[str, Any] = Field(examples=[{}])
    cohorts: list[Any] = Field(examples=[[]])


class PipelineAnswer(BaseModel):
    """What a lane has still to do."""

    lane: LaneName
    events: int = Field(description="Acknowledged and without an outcome yet.", examples=[0])
    bytes: int = Field(description="What they take in the log.", examples=[0])
    age_seconds: float = Field(
        description="Since the oldest of them was received; 0 when there is none.", examples=[0.0]
    )


class PipelinesAnswer(BaseModel):
    data: list[PipelineAnswer]


class Problem(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Bad Request"])
    status: int = Field(examples=[400])
    detail: str | None = Field(default=None, examples=["'lane' must be one of realtime, migration"])
    path: str | None = Field(default=None, description="The place of the fault.", examples=["lane"])
