"""What is answered about cohorts: who is in, who came and went, and why."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from headwater import clock
from headwater.rules import sheet
from headwater.rules.answers import Identity
from headwater.rules.identity import split_identity
from headwater.rules.profile import profile_id

COLUMNS = ("profile_id", "email", "phone", "others", "since")
"""Of a CSV export. `email` and `phone` hold the first of each in the order of their text; `others` the rest as
`type:id`, percent-encoded as in a URL, with blanks between them."""


class CohortAnswer(msgspec.Struct):
    """`GET /v1/cohorts/{id}`."""

    id: str
    name: str
    size: int | None
    """None while its first members are being found."""
    definition: dict[str, Any]
    created_at: str
    as_of: str
    """Events stored until then and the clock until then are in `size`."""


class MemberAnswer(msgspec.Struct, gc=False):
    """One profile of a cohort."""

    profile_id: str
    identities: list[Identity]
    since: str


class SampleAnswer(msgspec.Struct, gc=False):
    """One profile that a definition would take in."""

    profile_id: str
    identities: list[Identity]


class PreviewAnswer(msgspec.Struct):
    """`POST /v1/cohorts/preview`."""

    size: int
    sample: list[SampleAnswer]
    as_of: str


class ConditionAnswer(msgspec.Struct):
    """One condition of a cohort as one profile meets it."""

    condition: dict[str, Any]
    """As in the definition."""
    text: str
    """The same in words."""
    holds: bool
    observed: Any
    """A count, sum or average; the times of a sequence's steps; the value of a state, metric or attribute."""


class ExplainAnswer(msgspec.Struct):
    """`GET /v1/cohorts/{id}/members/{type}:{id}`."""

    member: bool
    since: str | None
    subject: str
    """What the cohort is of; `is_subject`: whether the profile has such an identity."""
    is_subject: bool
    profile_id: str
    identities: list[Identity]
    explain: list[ConditionAnswer]
    as_of: str


class ChangeAnswer(msgspec.Struct, gc=False):
    """Somebody entered or left."""

    at: str
    change: Literal["entered", "left"]
    kind: str
    event_id: str | None
    profile_id: str
    """What the profile is called now; `identities` likewise."""
    identities: list[Identity]


class StepAnswer(msgspec.Struct, gc=False):
    """One step of a cohort's history."""

    at: str
    """When it begins."""
    entered: int
    left: int
    size: int
    """At its end; of the last one, now."""


class HistoryAnswer(msgspec.Struct):
    """`GET /v1/cohorts/{id}/history`."""

    data: list[StepAnswer]


class CohortPage(msgspec.Struct):
    data: list[CohortAnswer]
    next: str | None


class MemberPage(msgspec.Struct):
    data: list[MemberAnswer]
    next: str | None
    as_of: str


class ChangePage(msgspec.Struct):
    data: list[ChangeAnswer]
    next: str | None
    as_of: str


def named(identities: Iterable[str]) -> list[Identity]:
    """Identities (`type:id`) as they are answered."""
    return [Identity(*split_identity(each)) for each in identities]


def member_of(workspace: str, identities: Sequence[str], since_ms: int) -> MemberAnswer:
    """A member by all identities of its profile, sorted."""
    return MemberAnswer(profile_id(workspace, identities), named(identities), clock.to_iso(since_ms))


def cells(member: MemberAnswer) -> tuple[str, ...]:
    """A member as a row of a sheet, by COLUMNS."""
    first: dict[str, str] = {}
    others = []
    for each in member.identities:
        if each.type in ("email", "phone") and each.type not in first:
            first[each.type] = each.id
        else:
            others.append(f"{quote(each.type, safe='')}:{quote(each.id, safe='@')}")
    return member.profile_id, first.get("email", ""), first.get("phone", ""), " ".join(others), member.since


def csv_line(member: MemberAnswer) -> bytes:
    return sheet.line(cells(member)).encode()


CSV_HEAD = sheet.line(COLUMNS).encode()
