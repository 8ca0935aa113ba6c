"""What is taken and answered about cohorts, as the OpenAPI document tells it. The answers themselves are made by
`rules.membership`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headwater.web.models import IdentityAnswer
from headwater.web.shapes import Body, Name

_ID = "coh_8sKq1ZbT"
_PROFILE = "prf_5Qp0cXQkQ2x0YhV7mB1nZt"
_MOMENT = "2026-11-22T04:05:06.789Z"
_DEFINITION: dict[str, Any] = {
    "subject": "person",
    "where": {
        "all": [
            {"performed": "ordered", "count": {">=": 3}, "within": "30d"},
            {"not": {"performed": "optedOut"}},
        ]
    },
}
_AS_OF = Field(
    description="Events stored until then, and the clock until then, are in this answer.", examples=[_MOMENT]
)
_GRAMMAR = Field(description="Who belongs: `subject` and `where`, a tree of conditions.", examples=[_DEFINITION])
_NOW = "What the profile is called now, all it is named by included."


class CohortBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Regulars", "definition": _DEFINITION}]})

    name: Name
    definition: dict[str, Any] = _GRAMMAR


class CohortPatch(Body):
    name: Name = Field(examples=["Loyal customers"])


class PreviewBody(Body):
    definition: dict[str, Any] = _GRAMMAR


class CohortAnswer(BaseModel):
    """A definition people live by."""

    id: str = Field(examples=[_ID])
    name: str = Field(examples=["Regulars"])
    size: int | None = Field(description="Profiles; null while its first members are being found.", examples=[42])
    definition: dict[str, Any] = Field(description="As it was given.", examples=[_DEFINITION])
    created_at: str = Field(examples=[_MOMENT])
    as_of: str = _AS_OF


class MemberAnswer(BaseModel):
    """One profile of a cohort."""

    profile_id: str = Field(examples=[_PROFILE])
    identities: list[IdentityAnswer]
    since: str = Field(description="When it entered.", examples=[_MOMENT])


class SampleAnswer(BaseModel):
    """One profile that a definition would take in."""

    profile_id: str = Field(examples=[_PROFILE])
    identities: list[IdentityAnswer]


class PreviewAnswer(BaseModel):
    size: int = Field(description="Profiles.", examples=[42])
    sample: list[SampleAnswer] = Field(description="The first few.")
    as_of: str = _AS_OF


class ConditionAnswer(BaseModel):
    """One condition as one profile meets it."""

    condition: dict[str, Any] = Field(
        description="As in the definition.", examples=[{"performed": "ordered", "count": {">=": 3}, "within": "30d"}]
    )
    text: str = Field(description="The same in words.")
    holds: bool
    observed: Any = Field(
        description="A count, a sum, an average (null: of nothing); the times of the steps that a sequence got to; "
        "the value of a state, metric or attribute (null: none).",
        examples=[2],
    )


class ExplainAnswer(BaseModel):
    """Why a profile is in a cohort or is not."""

    member: bool
    since: str | None = Field(description="When it entered; null: it is out.", examples=[_MOMENT])
    subject: str = Field(description="What the cohort is of.", examples=["person"])
    is_subject: bool = Field(description="Whether the profile has an identity of that kind; if not, it is out.")
    profile_id: str = Field(examples=[_PROFILE])
    identities: list[IdentityAnswer]
    explain: list[ConditionAnswer] = Field(description="Every condition, in the order of the definition.")
    as_of: str = _AS_OF


class ChangeAnswer(BaseModel):
    """Somebody entered or left."""

    at: str = Field(examples=[_MOMENT])
    change: Literal["entered", "left"]
    kind: Literal["event", "clock", "profile", "backfill", "retention", "caught_up"] = Field(
        description="An event; a window that moved on; identities connected or cut; a backfill released or reverted; "
        "events kept as long as their signal says; something that came while the engine was away."
    )
    event_id: str | None = Field(description="The event, where it was one.", examples=[None])
    profile_id: str = Field(description=_NOW, examples=[_PROFILE])
    identities: list[IdentityAnswer]


class HistoryStep(BaseModel):
    """One step of a cohort's history."""

    at: str = Field(description="When it begins: a whole UTC hour or day.", examples=["2026-11-22T04:00:00.000Z"])
    entered: int = Field(examples=[3])
    left: int = Field(examples=[1])
    size: int = Field(description="At its end; of the last one, now.", examples=[42])


class HistoryAnswer(BaseModel):
    data: list[HistoryStep] = Field(description="Oldest first, without a gap.")


class CohortPage(BaseModel):
    data: list[CohortAnswer]
    next: str | None = Field(description="Give it as `cursor` for the next page; null on the last one.")


class MemberPage(BaseModel):
    data: list[MemberAnswer]
    next: str | None = Field(description="Give it as `cursor` for the next page; null on the last one.")
    as_of: str = _AS_OF


class ChangePage(BaseModel):
    data: list[ChangeAnswer]
    next: str | None = Field(description="Give it as `cursor` for the next page; null on the last one.")
    as_of: str = _AS_OF
