"""The catalog: workspaces, their keys, signals and schemas. Written by the gateway, which answers from memory.

Whatever a verb below changed is durable when it returns, and the next call of any other verb obeys it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from headwater.config import Settings
from headwater.rules.connect import CAP
from headwater.rules.schema import Validator
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

Scope = Literal["ingest", "read", "admin", "operator"]
"""Send events; ask; change signals and keys; make workspaces."""

WORKSPACE_SCOPES: frozenset[Scope] = frozenset(("ingest", "read", "admin"))
"""What the first key of a workspace may do."""
ALL_SCOPES: frozenset[Scope] = WORKSPACE_SCOPES | {"operator"}
"""What the first key of an installation may do."""

SESSION_ENDED = "session.end"
"""The action that the audit tells the end of a session by, and `Catalog.ended` knows it from."""

DEFAULT_WORKSPACE = "default"
"""The name of the workspace that the first start makes."""


class Actor(msgspec.Struct, frozen=True, gc=False):
    """Who changes something."""

    id: str
    """A key's id; `command-line`, `first-start` or `gateway` where no key was used."""
    address: str | None = None
    """Where the request came from."""


By = Actor | str
"""Who changes something; an id alone where there was no request."""


class Principal(msgspec.Struct, frozen=True, gc=False):
    """Who asks: one workspace's key, and what it may do."""

    workspace: str
    """`ws_` + 8 base62."""
    key_id: str
    scopes: frozenset[Scope]
    address: str | None = None
    """Where the request came from; told only of requests that may change something."""

    @property
    def actor(self) -> Actor:
        return Actor(self.key_id, self.address)


class Workspace(msgspec.Struct, frozen=True, gc=False):
    """One tenant."""

    id: str
    name: str
    """Unique in the installation."""
    default_region: str | None
    """Where phone numbers without a country code are from: ISO 3166, as `IN`."""
    created_ms: int
    never_connect: tuple[str, ...] = ()
    """Identities that connect nobody, sorted: addresses and numbers that many people give."""
    max_identities: int = CAP
    """Of one profile."""
    unknown_signals: UnknownSignals = "refuse"


class Key(msgspec.Struct, frozen=True, gc=False):
    """An API key without its secret."""

    id: str
    """`key_` + 8 base62."""
    workspace: str
    digest: bytes
    """`rules.ids.key_digest` of the key."""
    prefix: str
    """The key's first characters, for people to recognise it by."""
    name: str
    scopes: frozenset[Scope]
    created_ms: int
    expires_ms: int | None = None
    """It is refused from then on."""
    revoked_ms: int | None = None

    @property
    def principal(self) -> Principal:
        """Who asks with it."""
        return Principal(self.workspace, self.id, self.scopes)

    def has_ended(self, now_ms: int) -> bool:
        """Whether it was revoked, or has expired."""
        return self.revoked_ms is not None or (self.expires_ms is not None and self.expires_ms <= now_ms)


BackfillStatus = Literal["open", "closed", "reverted"]


class Backfill(msgspec.Struct, frozen=True, gc=False):
    """A load of history that is looked at, and taken back, as one."""

    id: str
    """`bf_` + 8 base62."""
    workspace: str
    name: str
    """Unique in the workspace, also among those that are closed or reverted."""
    status: BackfillStatus
    """Only an open one takes events. Reverted is for good."""
    held: bool
    """Its events are stored and count for nothing until it is released."""
    day: str | None
    """`2026-11-22`: the workspace's standing one for what is received that UTC day; None: somebody made it."""
    created_ms: int
    closed_ms: int | None = None
    released_ms: int | None = None
    """When it ceased to be held; None when it never did, or never was."""
    reverted_ms: int | None = None

    @property
    def counts(self) -> bool:
        """Whether its events do."""
        return not self.held and self.status != "reverted"


class Change(msgspec.Struct, frozen=True, gc=False):
    """One row of the audit: who did what, and when."""

    id: int
    """Grows with time."""
    workspace: str
    actor: str
    """A key's id; `command-line`, `first-start` or `gateway` where no key was used."""
    action: str
    """`signal.create`, `key.revoke`, …"""
    target: str
    """The id of what was changed."""
    detail: dict[str, Any]
    at_ms: int
    address: str | None = None
    """Where the request came from; None where there was none."""


class Credentials(msgspec.Struct, frozen=True):
    """What credentials.json says."""

    workspace: str
    """The workspace's name."""
    api_key: str
    url: str


class Definitions(Protocol):
    """The catalog as the engine sees it: what the gateway wrote, at once. Safe to ask from any thread."""

    def signals_of(self, workspace: str) -> Mapping[str, Signal]:
        """The workspace's signals by slug, archived ones left out. Later changes make a new mapping."""

    def ever(self, workspace: str) -> Mapping[str, Signal]:
        """The same with archived ones: a slug is never given twice."""

    def signal(self, workspace: str, slug: str) -> Signal | None:
        """The signal, active or not; None when there is none or it is archived."""

    def workspace(self, id: str) -> Workspace:
        """NotFoundError when there is none."""

    def workspaces(self) -> Sequence[Workspace]:
        """All of them, by name."""

    def backfills(self, workspace: str) -> Sequence[Backfill]:
        """The newest first."""

    def backfill(self, workspace: str, id: str) -> Backfill | None: ...

    def excluded(self, workspace: str) -> frozenset[str]:
        """The backfills whose events count for nothing: reverted, or held and not released."""

    def revision(self) -> int:
        """Grows when a workspace or signal was made or changed; 0 as long as the gateway has made no catalog."""

    def close(self) -> None: ...


class NewSignal(msgspec.Struct, frozen=True, kw_only=True):
    """A signal as it is asked for."""

    name: str
    type: SignalType
    slug: str | None = None
    """None: made from the name."""
    rate_limit: int | UnsetType | None = UNSET
    """Unset: the type's default; None: no limit."""
    enforcement: Enforcement = "quarantine"
    aggregation: Aggregation | None = None
    period: Period | None = None
    value: str | None = None
    preset: str | None = None
    schema: dict[str, Any] | None = None
    """Its version 1."""
    dedupe_by: DedupeBy | None = None
    retention_days: int | None = None
    draft: bool = False


class WorkspaceChanges(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be changed of a workspace; what is unset stays."""

    default_region: str | UnsetType | None = UNSET
    never_connect: Sequence[str] | UnsetType = UNSET
    """Identities, or bare e-mail addresses and phone numbers."""
    max_identities: int | UnsetType = UNSET
    unknown_signals: UnknownSignals | UnsetType = UNSET


class SignalChanges(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be changed of a signal; what is unset stays."""

    name: str | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    rate_limit: int | UnsetType | None = UNSET
    enforcement: Enforcement | UnsetType = UNSET
    aggregation: Aggregation | UnsetType = UNSET
    period: Period | UnsetType = UNSET
    value: str | UnsetType = UNSET
    dedupe_by: DedupeBy | UnsetType | None = UNSET
    retention_days: int | UnsetType | None = UNSET


class Approval(SignalChanges, frozen=True, kw_only=True, omit_defaults=True):
    """What a draft becomes."""

    type: SignalType | UnsetType = UNSET


class Catalog(Protocol):
    """One owner, one thread. Everything that changes raises UnavailableError when it cannot be made durable."""

    # --- the hot path, from memory ---

    def principal(self, key: str) -> Principal | None:
        """Who the key belongs to; None when it is none, unknown, expired or revoked. Microseconds."""

    def key(self, id: str) -> Key | None:
        """The key of this id; None when there is none, or it has expired or was revoked. Microseconds."""

    def signal(self, workspace: str, slug: str) -> Signal | None:
        """The signal, active or not; None when there is none or it is archived."""

    def signals_of(self, workspace: str) -> Mapping[str, Signal]:
        """The workspace's signals by slug, archived ones left out. Later changes make a new mapping."""

    def has_version(self, signal_id: str, version: int) -> bool: ...

    def versions(self, signal_id: str) -> Sequence[SchemaVersion]:
        """Published schemas, oldest first."""

    def validator(self, signal_id: str, version: int) -> Validator:
        """Compiled once. NotFoundError when there is no such version."""

    def workspace(self, id: str) -> Workspace:
        """NotFoundError when there is none."""

    def backfill(self, workspace: str, id: str) -> Backfill | None: ...

    def standing_backfill(self, workspace: str, now_ms: int) -> Backfill:
        """The open one of this UTC day, made when there is none; those of other days are closed then."""

    # --- managing ---

    def workspaces(self) -> Sequence[Workspace]:
        """All of them, by name."""

    def create_workspace(
        self,
        actor: By,
        name: str,
        preset: str | None = "ecommerce",
        scopes: frozenset[Scope] = WORKSPACE_SCOPES,
        key: str | None = None,
    ) -> tuple[Workspace, str]:
        """The workspace and its first key (`key`, or a new one). ConflictError when the name is taken."""

    def update_workspace(self, actor: By, workspace: str, changes: "WorkspaceChanges") -> Workspace: ...

    def create_signal(self, actor: By, workspace: str, new: NewSignal) -> Signal:
        """ConflictError when the slug is taken, even by an archived signal."""

    def update_signal(self, actor: By, workspace: str, slug: str, changes: SignalChanges) -> Signal: ...

    def ensure_signals(self, workspace: str, wanted: Sequence[NewSignal]) -> Mapping[str, Signal]:
        """By slug, those that are wanted: what is not there yet is made, by the gateway itself. A slug that was
        archived is left out. Waits for nobody."""

    def is_taken(self, workspace: str, slug: str) -> bool:
        """Whether there is a signal of that slug, or was one that is archived."""

    def approve_signal(self, actor: By, workspace: str, slug: str, changes: "Approval") -> Signal:
        """A draft becomes a signal like any other. ConflictError when it is none."""

    def archive_signal(self, actor: By, workspace: str, slug: str) -> None:
        """It is as if it had never been, but its slug stays taken."""

    def add_version(self, actor: By, workspace: str, slug: str, schema: object) -> SchemaVersion:
        """Publishes the next version. InvalidError when it is no schema we take."""

    def keys(self, workspace: str) -> Sequence[Key]:
        """All of them, revoked ones too, oldest first."""

    def create_key(
        self, actor: By, workspace: str, name: str, scopes: frozenset[Scope], expires_ms: int | None = None
    ) -> tuple[Key, str]:
        """The key, and its text, which is told this once."""

    def revoke_key(self, actor: By, workspace: str, key_id: str) -> Key:
        """Idempotent."""

    def rotate_key(self, actor: By, workspace: str, key_id: str, grace_seconds: int) -> tuple[Key, str]:
        """A new key of the same name and scopes; the old one ends after the grace. ConflictError if it has ended."""

    def backfills(self, workspace: str) -> Sequence[Backfill]:
        """The newest first."""

    def create_backfill(self, actor: By, workspace: str, name: str, hold: bool = False) -> Backfill:
        """ConflictError when the name is taken, even by one that is closed or reverted."""

    def close_backfill(self, actor: By, workspace: str, id: str) -> Backfill:
        """It takes no more events. Idempotent, also for one that is reverted."""

    def release_backfill(self, actor: By, workspace: str, id: str) -> Backfill:
        """Its events count from now on. Idempotent; ConflictError when it was never held, or is reverted."""

    def revert_backfill(self, actor: By, workspace: str, id: str) -> Backfill:
        """It takes no more events, and none of it counts: for good. Idempotent."""

    def note(self, actor: By, workspace: str, action: str, target: str) -> None:
        """Writes into the audit what was changed elsewhere."""

    def end(self, actor: By, workspace: str, session: str) -> bool:
        """Notes `session.end` of it, and tells whether it was the first to: of several that do, whichever gateways they
        ask, one is. Waits for nobody. Of sessions, and of links that sign in once."""

    def ended(self, session: str) -> bool:
        """Whether `session.end` was noted of it, by whichever gateway; from memory. Others know of it some milliseconds
        after `note` returned, or say nothing, but do not keep it waiting."""

    def noted(self, action: str, since_ms: int) -> Sequence[tuple[str, int]]:
        """The targets of that action in every workspace's audit since then, each with its moment."""

    def audit(self, workspace: str, limit: int, before: int | None = None) -> Sequence[Change]:
        """The newest first; with `before`, those whose id is smaller."""

    # --- an installation ---

    def first_start(self, settings: Settings) -> Credentials | None:
        """Makes the workspace `default` and credentials.json unless there is one. See `catalog.credentials`."""

    def close(self) -> None: ...
