"""Signals: what a workspace says may be sent, frozen as the gateway uses it."""

from typing import Any, Literal

import msgspec

SignalType = Literal["event", "metric", "state"]
Enforcement = Literal["quarantine", "reject"]
Aggregation = Literal["sum", "count", "avg", "min", "max"]
Period = Literal["hour", "day", "week", "month"]
DedupeBy = Literal["reference"]
UnknownSignals = Literal["refuse", "draft"]
"""What becomes of an event whose signal there is not: it is refused, or waits for the signal's approval."""

DEFAULT_LIMITS: dict[str, int] = {"event": 100, "metric": 1000, "state": 30}
"""Events a UTC minute, by signal type, unless the signal sets its own (source: Bigmind, Rate Limiting)."""


class Signal(msgspec.Struct, frozen=True, gc=False):
    """One signal at one moment. An edit makes a new value; records already taken keep what they were given."""

    id: str
    """`sig_` + 8 base62."""
    workspace: str
    slug: str
    """Unique in the workspace; RFC 3986 unreserved characters. BIK's `eventName`."""
    name: str
    type: SignalType
    active: bool
    rate_limit: int | None
    """Events a UTC minute; None means no limit."""
    enforcement: Enforcement
    latest: int | None = None
    """The newest schema version; None when the signal has no schema."""
    aggregation: Aggregation | None = None
    period: Period | None = None
    value: str | None = None
    """Dotted path in `data` to the metric's number or the state's value."""
    preset: str | None = None
    created_ms: int = 0
    archived: bool = False
    dedupe_by: DedupeBy | None = None
    """By what an event that comes again is known; None: each event is one of its own."""
    retention_days: int | None = None
    """How long after it occurred an event is kept; None: for ever."""
    draft: bool = False
    """It was made by an event that named it, and waits for somebody's approval. Its events are rejected until then."""


class SchemaVersion(msgspec.Struct, frozen=True, gc=False):
    """A published JSON Schema (draft 2020-12 unless it says otherwise); immutable."""

    signal_id: str
    version: int
    schema: dict[str, Any]
    created_ms: int
