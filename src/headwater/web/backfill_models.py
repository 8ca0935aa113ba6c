"""What the calls about backfills take and give, as the OpenAPI document tells it."""

from pydantic import BaseModel, ConfigDict, Field

from headwater.signals import Aggregation
from headwater.web.shapes import Body, Name

_MOMENT = "2026-11-22T04:05:06.789Z"


class BackfillBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "orders of 2025"}]})

    name: Name
    hold: bool = Field(
        default=False,
        description="Its events are stored and stay `pending`, counting for nothing, until it is released.",
    )


class BackfillAnswer(BaseModel):
    """A load of history that is looked at, and taken back, as one."""

    id: str = Field(examples=["bf_7Hq2Lw0R"])
    name: str = Field(examples=["orders of 2025"])
    status: str = Field(
        description="`open`: it takes events; `closed`; `releasing` and `reverting`: what counts is being changed; "
        "`reverted`.",
        examples=["open"],
    )
    held: bool = Field(description="Its events count for nothing until it is released.", examples=[False])
    day: str | None = Field(
        description="Of the standing one, which events join that say `isMigration` and name none: the UTC day of their "
        "receipt.",
        examples=[None],
    )
    events: int | None = Field(
        description="How many are stored, rejected ones too; null: the engine cannot say now.", examples=[1204]
    )
    rejected: int | None = Field(description="How many of them were rejected.", examples=[24])
    created_at: str = Field(examples=[_MOMENT])
    closed_at: str | None = Field(examples=[None])
    released_at: str | None = Field(examples=[None])
    reverted_at: str | None = Field(examples=[None])


class BackfillPage(BaseModel):
    data: list[BackfillAnswer]
    next: str | None = Field(description="Give it as `cursor` for the next page; null on the last one.")


class DayOfBackfill(BaseModel):
    day: str = Field(description="UTC, of when they occurred.", examples=["2025-11-22"])
    signal: str = Field(examples=["ordered"])
    events: int = Field(description="Rejected ones too.", examples=[310])
    rejected: int = Field(examples=[4])


class SampleOfRejects(BaseModel):
    id: str = Field(examples=["01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01"])
    detail: str = Field(examples=["'orderId' is required"])


class RejectsOfBackfill(BaseModel):
    signal: str = Field(examples=["ordered"])
    reason: str = Field(examples=["schema_violation"])
    events: int = Field(examples=[24])
    sample: SampleOfRejects = Field(description="The newest of them.")


class ProfilesWithBackfill(BaseModel):
    named: int = Field(description="That its events are about.", examples=[280])
    new: int = Field(description="Of these, known by its events alone.", examples=[40])
    joined: int = Field(description="Of these, put together of several by its events.", examples=[3])


class MetricWithBackfill(BaseModel):
    """Over all times."""

    signal: str = Field(examples=["revenue"])
    aggregation: Aggregation
    with_: float | None = Field(alias="with", examples=[91250.5])
    without: float | None = Field(examples=[80000])


class StatesWithBackfill(BaseModel):
    signal: str = Field(examples=["plan"])
    changed: int = Field(description="Identities whose newest value is another one with it.", examples=[12])


class CohortWithBackfill(BaseModel):
    """Null where there was no time to look."""

    id: str = Field(examples=["coh_7Hq2Lw0R"])
    name: str = Field(examples=["Loyal customers"])
    with_: int | None = Field(alias="with", description="Members with it.", examples=[61])
    without: int | None = Field(examples=[55])
    enter: int | None = Field(description="Are members because of it.", examples=[7])
    leave: int | None = Field(description="Are none because of it.", examples=[1])


class ChangesByBackfill(BaseModel):
    profiles: ProfilesWithBackfill
    metrics: list[MetricWithBackfill] = Field(description="Those it has events of.")
    states: list[StatesWithBackfill]
    cohorts: list[CohortWithBackfill] = Field(description="All of the workspace.")


class BackfillPreview(BackfillAnswer):
    """A backfill with what is in it, and what is otherwise with it."""

    counts: bool = Field(
        description="Whether its events do: then `changes` are what it has changed, else what it would change.",
        examples=[True],
    )
    days: list[DayOfBackfill] = Field(description="By signal and day, the newest first: the first 1,000.")
    rejects: list[RejectsOfBackfill] = Field(description="Why some of these were rejected.")
    changes: ChangesByBackfill
