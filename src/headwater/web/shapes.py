"""What the management calls take and give, for FastAPI: strict types, and no field that is not known."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from headwater.catalog.base import Change, Key, Scope, Workspace
from headwater.clock import iso_or_none, to_iso
from headwater.rules.names import MAX_NAME
from headwater.rules.signal import MAX_DAYS, MAX_RATE, MAX_VALUE
from headwater.signals import (
    Aggregation,
    DedupeBy,
    Enforcement,
    Period,
    SchemaVersion,
    Signal,
    SignalType,
    UnknownSignals,
)

T = TypeVar("T")

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME, description="For people.")]
Rate = Annotated[int | None, Field(ge=1, le=MAX_RATE, description="Events a UTC minute; null for no limit.")]
Value = Annotated[
    str | None, Field(max_length=MAX_VALUE, description="Dotted path in data to the metric's number or state's value.")
]
Dedupe = Annotated[
    DedupeBy | None,
    Field(
        description="`reference`: an event whose reference was taken before is a duplicate, and not stored; null: none "
        "is."
    ),
]
Days = Annotated[
    int | None,
    Field(ge=1, le=MAX_DAYS, description="Events are deleted so many days after they occurred; null: never."),
]
When = Annotated[str, Field(description="ISO 8601, UTC.")]


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    data: list[T]
    next: str | None = Field(description="Give it as `cursor` for the next page; null on the last one.")


# --- signals -------------------------------------------------------------------------------------------------------

_METRIC: JsonDict = {
    "name": "API calls",
    "type": "metric",
    "aggregation": "sum",
    "period": "day",
    "value": "usage.calls",
}


class SignalBody(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Visited documentation page", "type": "event"}, _METRIC]}
    )

    name: Name
    type: SignalType
    slug: str | None = Field(default=None, description="A-Z a-z 0-9 - . _ ~; made from the name when absent.")
    rate_limit: Rate = Field(
        default=None, description="Absent: event 100, metric 1000, state 30 a UTC minute; null: no limit."
    )
    enforcement: Enforcement | None = Field(
        default=None,
        description="What becomes of an event that violates its schema: taken, then rejected and kept; or 400.",
    )
    aggregation: Aggregation | None = Field(default=None, description="For a metric.")
    period: Period | None = Field(default=None, description="For a metric.")
    value: Value = None
    dedupe_by: Dedupe = None
    retention_days: Days = None


class SignalPatch(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"active": False}, {"rate_limit": None}]})

    name: Name | None = None
    active: bool | None = Field(default=None, description="An inactive signal's events are refused.")
    rate_limit: Rate = None
    enforcement: Enforcement | None = None
    aggregation: Aggregation | None = None
    period: Period | None = None
    value: Value = None
    dedupe_by: Dedupe = None
    retention_days: Days = None


class SignalAnswer(BaseModel):
    id: str = Field(examples=["sig_bFyqj0qg"])
    slug: str = Field(examples=["visited-documentation-page"])
    name: str = Field(examples=["Visited documentation page"])
    type: SignalType
    active: bool = Field(examples=[True])
    rate_limit: int | None = Field(description="Events a UTC minute; null: no limit.", examples=[100])
    enforcement: Enforcement
    aggregation: Aggregation | None = Field(examples=[None])
    period: Period | None = Field(examples=[None])
    value: str | None = Field(examples=[None])
    dedupe_by: Dedupe = Field(examples=[None])
    retention_days: Days = Field(examples=[None])
    latest_version: int | None = Field(description="Of its schema; null: it has none.", examples=[None])
    preset: str | None = Field(description="What it came with.", examples=[None])
    draft: bool = Field(
        description="It was made because an event named it; its events are kept, and rejected until it is approved.",
        examples=[False],
    )
    created_at: When

    @classmethod
    def of(cls, signal: Signal) -> "SignalAnswer":
        return cls(
            id=signal.id,
            slug=signal.slug,
            name=signal.name,
            type=signal.type,
            active=signal.active,
            rate_limit=signal.rate_limit,
            enforcement=signal.enforcement,
            aggregation=signal.aggregation,
            period=signal.period,
            value=signal.value,
            dedupe_by=signal.dedupe_by,
            retention_days=signal.retention_days,
            latest_version=signal.latest,
            preset=signal.preset,
            draft=signal.draft,
            created_at=to_iso(signal.created_ms),
        )


_SCHEMA: dict[str, Any] = {"type": "object", "required": ["page"], "properties": {"page": {"type": "string"}}}


class VersionBody(Body):
    schema_: dict[str, Any] = Field(
        alias="schema", description="JSON Schema, draft 2020-12 unless it says otherwise.", examples=[_SCHEMA]
    )


class VersionAnswer(BaseModel):
    version: int = Field(examples=[1])
    schema_: dict[str, Any] = Field(alias="schema", examples=[_SCHEMA])
    created_at: When

    @classmethod
    def of(cls, version: SchemaVersion) -> "VersionAnswer":
        return cls(version=version.version, schema=version.schema, created_at=to_iso(version.created_ms))


# --- keys ----------------------------------------------------------------------------------------------------------


class KeyBody(Body):
    name: Annotated[str, Field(max_length=MAX_NAME)] | None = Field(default=None, examples=["shop front"])
    scopes: Annotated[list[Scope], Field(min_length=1)] | None = Field(
        default=None, description="Absent: ingest and read.", examples=[["ingest"]]
    )
    expires_at: str | None = Field(default=None, description="ISO 8601; absent: never.", examples=[None])


class RotateBody(Body):
    grace_seconds: int | None = Field(
        default=None,
        ge=0,
        le=30 * 86_400,
        description="How long the old key still works; absent: a day.",
        examples=[3600],
    )


class KeyAnswer(BaseModel):
    id: str = Field(examples=["key_9XbC01zK"])
    name: str
    prefix: str = Field(description="The key's first characters.", examples=["sk_4fQz"])
    scopes: list[Scope]
    created_at: When
    expires_at: When | None
    revoked_at: When | None

    @classmethod
    def of(cls, key: Key) -> "KeyAnswer":
        return cls(**_key(key))


class NewKeyAnswer(KeyAnswer):
    key: str = Field(description="The secret itself, told this once.", examples=["sk_…"])

    @classmethod
    def made(cls, key: Key, text: str) -> "NewKeyAnswer":
        return cls(**_key(key), key=text)


def _key(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "created_at": to_iso(key.created_ms),
        "expires_at": iso_or_none(key.expires_ms),
        "revoked_at": iso_or_none(key.revoked_ms),
    }


# --- workspaces ----------------------------------------------------------------------------------------------------


class WorkspaceBody(Body):
    name: Name = Field(examples=["acme"])
    preset: str | None = Field(default="ecommerce", description="Signals it starts with; null: none.")


class WorkspacePatch(Body):
    default_region: str | None = Field(
        default=None, description="Where phone numbers without a country code are from; null: nowhere.", examples=["IN"]
    )
    never_connect: list[str] | None = Field(
        default=None,
        description="Values that never connect two people: e-mail addresses, phone numbers, identities as `type:id`. "
        "The whole list; at most 1,000.",
        examples=[["noreply@shop.com", "+19999999999"]],
    )
    max_identities: int | None = Field(
        default=None, description="The most identities of one profile, from 2 to 1,000.", examples=[100]
    )
    unknown_signals: UnknownSignals | None = Field(
        default=None,
        description="What becomes of an event whose signal there is not: it is refused, or makes a draft signal.",
        examples=["draft"],
    )


class WorkspaceAnswer(BaseModel):
    id: str = Field(examples=["ws_K3n9QpZ1"])
    name: str = Field(examples=["acme"])
    default_region: str | None
    never_connect: list[str] = Field(description="Identities that never connect two people.")
    max_identities: int = Field(description="The most identities of one profile.")
    unknown_signals: UnknownSignals = Field(description="What becomes of an event whose signal there is not.")
    created_at: When

    @classmethod
    def of(cls, workspace: Workspace) -> "WorkspaceAnswer":
        return cls(**_workspace(workspace))


class NewWorkspaceAnswer(WorkspaceAnswer):
    api_key: str = Field(description="Its first key, told this once.", examples=["sk_…"])

    @classmethod
    def made(cls, workspace: Workspace, key: str) -> "NewWorkspaceAnswer":
        return cls(**_workspace(workspace), api_key=key)


def _workspace(workspace: Workspace) -> dict[str, Any]:
    return {
        "id": workspace.id,
        "name": workspace.name,
        "default_region": workspace.default_region,
        "never_connect": list(workspace.never_connect),
        "max_identities": workspace.max_identities,
        "unknown_signals": workspace.unknown_signals,
        "created_at": to_iso(workspace.created_ms),
    }


class AuditAnswer(BaseModel):
    """One thing somebody changed."""

    at: When
    actor: str = Field(
        description="A key's id, or `command-line`, `first-start` or `gateway`.", examples=["key_9XbC01zK"]
    )
    action: str = Field(examples=["signal.create"])
    target: str = Field(description="The id of what was changed.", examples=["sig_bFyqj0qg"])
    detail: dict[str, Any]
    address: str | None = Field(
        description="Where the request came from; null: there was none, or it is not known.", examples=["203.0.113.7"]
    )

    @classmethod
    def of(cls, change: Change) -> "AuditAnswer":
        return cls(
            at=to_iso(change.at_ms),
            actor=change.actor,
            action=change.action,
            target=change.target,
            detail=change.detail,
            address=change.address,
        )
