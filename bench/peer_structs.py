"""What the peers without FastAPI take and answer: the two wire shapes as msgspec structs, which check the shape only.
`floor.py` reads bodies into the same ones.

Where the store numbers what it takes, an event's id is made of that number: none is drawn for each.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct


class Identity(Struct, gc=False):
    type: str
    id: str


class Signal(Struct, gc=False):
    """An event as Bigmind sends it."""

    signal: str
    identity: Identity
    data: dict[str, Any]
    reference: str | None = None
    timestamp: str | None = None


class Signals(Struct, gc=False):
    events: Annotated[list[Signal], Meta(min_length=1, max_length=100)]


class ShopEvent(Struct, gc=False, rename="camel"):
    """An event as BIK sends it."""

    event_name: str
    event_properties: dict[str, Any]
    name: str | None = None
    email: str | None = None
    phone_number: str | None = None
    is_migration: bool = False
    event_date: str | None = None


class ShopEvents(Struct, gc=False):
    events: Annotated[list[ShopEvent], Meta(min_length=1, max_length=100)]


class OneShopEvent(Struct, gc=False):
    event: ShopEvent


class Taken(Struct, gc=False):
    id: str
    status: str = "pending"
    reference: str | None = None


class TakenAll(Struct, gc=False):
    data: list[Taken]
    success: bool = True


class TakenOne(Struct, gc=False):
    data: Taken
    success: bool = True


class Done(Struct, gc=False):
    status: int = 200
    success: bool = True
