"""Events: built and written as JSON at once, so that what is sent is what was meant then, however often it is sent."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from headwater_client.errors import EventError

Dialect = Literal["bigmind", "bik"]

PATHS: Final[Mapping[Dialect, str]] = {
    "bigmind": "/v1/events/batch",
    "bik": "/integrations/bikPlatformFunctions-events/sendEvents",
}
"""Where a batch of each dialect is sent."""

ON_RECEIPT: Final = ""
"""As an event's time: the moment at which headwater receives it."""

Moment = datetime | str | None
"""An event's time; without a zone it is UTC. None: now, so that an event that is sent late keeps its time."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event on its way. Made by `signal` or `bik`. Its repr does not show what is in it."""

    dialect: Dialect
    name: str
    """The signal's slug; with BIK the eventName."""
    body: bytes = field(repr=False)
    """As JSON, on one line."""
    reference: str = field(default="", repr=False)
    """Bigmind: what the sender calls it. BIK's events have none."""

    @property
    def fields(self) -> dict[str, Any]:
        """The event as it is sent."""
        found: dict[str, Any] = json.loads(self.body)
        return found


def signal(
    slug: str,
    identity: tuple[str, str],
    data: Mapping[str, Any] | None = None,
    *,
    timestamp: Moment = None,
    reference: str | None = None,
    version: int | Literal["latest"] | None = None,
) -> Event:
    """An event of Bigmind's dialect: `signal("visits", ("account", "001"), {"page": "/docs"})`.

    `identity`: type and id. `reference`: a name of yours; one is made up without it. For a signal with `dedupe_by`
    give what is the same whenever the same thing is reported, as an order's number. Raises EventError.
    """
    type_, id_ = _pair(identity)
    reference = uuid4().hex if reference is None else reference
    event = {
        "signal": _named("signal", slug),
        "identity": {"type": _named("identity.type", type_), "id": _named("identity.id", id_)},
        "version": version,
        "data": None if data is None else _object("data", data),
        "timestamp": _moment("timestamp", timestamp),
        "reference": _named("reference", reference),
    }
    return Event("bigmind", slug, _encode(event), reference)


def bik(
    event_name: str,
    event_properties: Mapping[str, Any] | None = None,
    *,
    email: str | None = None,
    phone_number: str | None = None,
    name: str | None = None,
    created_at: Moment = None,
    is_migration: bool = False,
) -> Event:
    """An event of BIK's dialect: `bik("addToCart", {"productId": "p1", "variantId": "v1"}, email="a@example.com")`.

    `name`: the customer's. Raises EventError.
    """
    if not email and not phone_number:
        raise EventError("either email or phone_number is required")
    event = {
        "eventName": _named("eventName", event_name),
        "eventProperties": _object("eventProperties", event_properties or {}),
        "email": email,
        "phoneNumber": phone_number,
        "name": name,
        "createdAt": _moment("createdAt", created_at),
        "isMigration": True if is_migration else None,
    }
    return Event("bik", event_name, _encode(event))


def restored(dialect: str, body: bytes) -> Event:
    """An event from its JSON. Raises ValueError."""
    event = json.loads(body)
    if dialect == "bigmind":
        return Event("bigmind", str(event["signal"]), body, str(event["reference"]))
    if dialect == "bik":
        return Event("bik", str(event["eventName"]), body)
    raise ValueError("no dialect of this name")


def _pair(identity: tuple[str, str]) -> tuple[str, str]:
    try:
        type_, id_ = identity
    except (TypeError, ValueError):
        raise EventError("identity must be (type, id)") from None
    return type_, id_


def _named(field: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise EventError(f"{field} must be a string that is not empty")
    return value


def _object(field: str, value: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise EventError(f"{field} must be a mapping")
    return dict(value)


def _moment(field: str, value: Moment) -> str | None:
    if value is None:
        value = datetime.now(UTC)
    if isinstance(value, datetime):
        value = value if value.tzinfo else value.replace(tzinfo=UTC)
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    if not isinstance(value, str):
        raise EventError(f"{field} must be a datetime or ISO 8601 text")
    return value or None


def _encode(event: dict[str, Any]) -> bytes:
    """Fields that are None are left out; those within data and properties stay."""
    sent = {name: value for name, value in event.items() if value is not None}
    try:
        text = json.dumps(sent, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
        return text.encode()
    except UnicodeEncodeError:
        raise EventError("the event has text that is not valid Unicode") from None
    except RecursionError:
        raise EventError("the event is nested too deeply, or holds itself") from None
    except (TypeError, ValueError) as error:
        raise EventError(f"the event cannot be written as JSON: {_told(error)}") from None


def _told(error: Exception) -> str:
    """What was wrong without the value itself."""
    return "a number that is not finite" if "JSON compliant" in str(error) else str(error).partition(":")[0]


def _plain(value: object) -> Any:
    """What JSON has no form for, as people mean it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal) and math.isfinite(value):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"nothing of the type {type(value).__name__} is allowed")
