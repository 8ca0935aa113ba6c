"""Signals as they are asked for, made to what is kept."""

from msgspec import UNSET

from headwater.catalog.base import NewSignal
from headwater.catalog.rows import Record
from headwater.clock import now_ms
from headwater.errors import InvalidError
from headwater.rules import names
from headwater.rules import schema as schemas
from headwater.rules import signal as signal_rules
from headwater.rules.ids import new_id
from headwater.signals import DEFAULT_LIMITS, SchemaVersion, Signal


def slug_of(new: NewSignal) -> str:
    """Raises InvalidError where none is given and none can be made."""
    slug = new.slug if new.slug is not None else names.slug_of(new.name)
    if not slug:
        raise InvalidError("no slug can be made from this name: give 'slug'", "slug")
    return slug


def made(workspace: str, new: NewSignal) -> list[Record]:
    """A signal and, when it comes with a schema, its version 1. Raises InvalidError."""
    slug = slug_of(new)
    limit = DEFAULT_LIMITS[new.type] if new.rate_limit is UNSET else new.rate_limit
    now = now_ms()
    signal = Signal(
        id=new_id("sig"),
        workspace=workspace,
        slug=slug,
        name=names.check_name(new.name),
        type=new.type,
        active=True,
        rate_limit=limit,
        enforcement=new.enforcement,
        aggregation=new.aggregation,
        period=new.period,
        value=new.value,
        preset=new.preset,
        created_ms=now,
        dedupe_by=new.dedupe_by,
        retention_days=new.retention_days,
        draft=new.draft,
    )
    if new.schema is not None:
        schemas.compile(new.schema)
    versions = [] if new.schema is None else [SchemaVersion(signal.id, 1, new.schema, now)]
    return [signal_rules.check(signal), *versions]
