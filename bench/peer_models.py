"""What the FastAPI peers take and answer: pydantic models of the two wire shapes, and the row that an event becomes.

The models check the shape: no keys, no signals, no schemas, no quotas.
"""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

from pydantic import BaseModel, Field
from pydantic_core import to_json

Row = tuple[str, str, str, datetime, str, str | None]
"""Id, signal, identity, moment, data as JSON, reference."""


class Identity(BaseModel):
    type: str
    id: str


class Signal(BaseModel):
    """An event as Bigmind sends it."""

    signal: str
    identity: Identity
    data: dict[str, Any]
    reference: str | None = None
    timestamp: datetime | None = None


class Signals(BaseModel):
    events: Annotated[list[Signal], Field(min_length=1, max_length=100)]


class ShopEvent(BaseModel):
    """An event as BIK sends it."""

    name: str | None = None
    email: str | None = None
    phone: str | None = Field(None, alias="phoneNumber")
    event: str = Field(alias="eventName")
    properties: dict[str, Any] = Field(alias="eventProperties")
    migration: bool = Field(False, alias="isMigration")
    date: datetime | None = Field(None, alias="eventDate")


class ShopEvents(BaseModel):
    events: Annotated[list[ShopEvent], Field(min_length=1, max_length=100)]


class OneShopEvent(BaseModel):
    event: ShopEvent


class Taken(BaseModel):
    id: str
    status: str = "pending"
    reference: str | None = None


class TakenAll(BaseModel):
    success: bool = True
    data: list[Taken]


class TakenOne(BaseModel):
    success: bool = True
    data: Taken


class Done(BaseModel):
    status: int = 200
    success: bool = True


def signal_row(event: Signal) -> Row:
    identity = f"{event.identity.type}:{event.identity.id}"
    moment = event.timestamp or datetime.now(UTC)
    return str(uuid4()), event.signal, identity, moment, to_json(event.data).decode(), event.reference


def shop_row(event: ShopEvent) -> Row:
    identity = f"email:{event.email} phone:{event.phone}"
    return (
        str(uuid4()),
        event.event,
        identity,
        event.date or datetime.now(UTC),
        to_json(event.properties).decode(),
        None,
    )


def taken(row: Row) -> Taken:
    return Taken(id=row[0], reference=row[5])
