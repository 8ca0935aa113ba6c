"""What questions answer, as the OpenAPI document tells it. The answers themselves are made by `rules.answers`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headwater.outcomes import Reason
from headwater.rules.connect import Reason as WhyNot
from headwater.signals import Aggregation, Period

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
        description="Of the connected identities; null for a rejected event, and for one that made a merge which was "
        "undone.",
        examples=["prf_5Qp0cXQkQ2x0YhV7mB1nZt"],
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
        description=f"Why it was rejected: {', '.join(f'`{reason}`' for reason in Reason)}.",
        examples=[None],
    )
    detail: str | None = Field(description="What a rejected event failed on, for people.", examples=[None])
    data: dict[str, Any] = Field(description="As sent.", examples=[{"productId": "P1", "variantId": "V1"}])
    reference: str | None = Field(description="As sent.", examples=[None])
    backfill_id: str | None = Field(examples=[None])


class StateOfProfile(BaseModel):
    value: Any = Field(description="Any JSON but null.", examples=["at-risk"])
    since: str = Field(description="When the event occurred that set it.", examples=[_MOMENT])
    event_id: str = Field(examples=[_ID])


class MetricOfProfile(BaseModel):
    aggregation: Aggregation
    period: Period
    period_start: str = Field(description="Of the UTC period that runs now.", examples=["2026-11-16T00:00:00.000Z"])
    value: float | None = Field(
        description="In that period. Without a number in it a sum or count is 0, anything else null.", examples=[12.5]
    )
    total: float | None = Field(description="Over all times.", examples=[99])


class CohortOfProfile(BaseModel):
    id: str = Field(examples=["coh_7Hq2Lw0R"])
    name: str = Field(examples=["Loyal customers"])


class FoundProfile(BaseModel):
    """A profile as a search shows it."""

    id: str = Field(examples=["prf_5Qp0cXQkQ2x0YhV7mB1nZt"])
    name: str | None = Field(description="The newest that its events gave.", examples=["Ada"])
    identities: list[IdentityAnswer] = Field(description="All of its own.")


class FoundAnswer(BaseModel):
    data: list[FoundProfile]
    next: None = Field(description="There is one page: a longer text finds the rest.")


class NotConnectedAnswer(BaseModel):
    """Two identities that events named together, and that are not connected by it all the same."""

    identities: list[IdentityAnswer] = Field(description="The two.")
    reason: WhyNot = Field(
        description="`never_connect`: one is on the workspace's list; `severed`: an unmerge cut them apart; "
        "`shared_value`: one of them is named together with more than 1,000 others, or is a device of several people; "
        "`profile_full`: the profile would have more identities than the workspace allows."
    )


class ProfileAnswer(BaseModel):
    """One person or object: all identities that events named together. Only processed events count, each for one
    profile: that of its first identity which may connect."""

    id: str = Field(examples=["prf_5Qp0cXQkQ2x0YhV7mB1nZt"])
    name: str | None = Field(description="The newest one given.", examples=["Ada"])
    identities: list[IdentityAnswer]
    attributes: dict[str, Any] = Field(
        description="The newest value of each property of its `customerCreated` events, and of each trait of its "
        "`identify` events: the first 1,000 by name.",
        examples=[{"plan": "gold"}],
    )
    events: int = Field(description="How many.", examples=[3])
    first_seen: str | None = Field(
        description="When the earliest event occurred; null without events.", examples=[_MOMENT]
    )
    last_seen: str | None = Field(description="When the latest event occurred.", examples=[_MOMENT])
    states: dict[str, StateOfProfile] = Field(description="By signal.")
    metrics: dict[str, MetricOfProfile] = Field(description="By signal; those it has events of.")
    cohorts: list[CohortOfProfile] = Field(description="It is in, oldest cohort first.")


class ConnectionsAnswer(BaseModel):
    """What is connected to a profile, and what is not."""

    id: str = Field(examples=["prf_5Qp0cXQkQ2x0YhV7mB1nZt"])
    identities: list[IdentityAnswer]
    set_aside: int = Field(
        description="Events that belong to nobody, for they made a merge with one of its identities that was undone.",
        examples=[0],
    )
    not_connected: list[NotConnectedAnswer] = Field(
        description="Pairs that name one of its identities and connect nothing: the 100 oldest."
    )


class UnmergeAnswer(BaseModel):
    severed: list[list[IdentityAnswer]] = Field(
        description="The pairs that connect nothing from now on, also when events name them again."
    )
    profiles: list[ProfileAnswer] = Field(
        description="What the profile came apart into; first that of the identity which was cut."
    )


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
