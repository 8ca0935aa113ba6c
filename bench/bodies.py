"""Request bodies for the race: different events, made once from a seed, written to files that every generator reads."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx

BATCH = 100
PERSONS = 100_000
SLUG, CHECKED_SLUG = "visited-documentation-page", "visited-checked-page"
PAGES = ("/docs/quickstart", "/docs/api-reference", "/pricing", "/blog/events")
PAGE_SCHEMA = {
    "type": "object",
    "required": ["page", "seconds"],
    "properties": {
        "page": {"type": "string"},
        "seconds": {"type": "integer", "minimum": 0},
        "from": {"enum": ["search"]},
    },
}

Event = dict[str, Any]


def bik_event(random: Random) -> Event:
    """Some 310 bytes: seven properties, checked by the preset's schema, an e-mail and a phone number."""
    person = random.randrange(PERSONS)
    return {
        "name": f"Customer {person}",
        "email": f"customer{person}@shop.example",
        "phoneNumber": f"+1949{person:07d}",
        "eventName": "purchasedAProduct",
        "eventProperties": {
            "productId": f"P{random.randrange(5000)}",
            "orderId": f"order-{random.randrange(10**9)}",
            "orderName": "my-order",
            "productName": "my-product",
            "itemPrice": random.randrange(1, 5000),
            "currency": "INR",
            "customerId": f"C{person}",
        },
    }


def bigmind_event(random: Random, slug: str = SLUG) -> Event:
    """Some 190 bytes, about one of a million accounts."""
    return {
        "signal": slug,
        "identity": {"type": "account", "id": f"001ABC{random.randrange(10**6):09d}"},
        "data": {"page": random.choice(PAGES), "seconds": random.randrange(600), "from": "search"},
        "reference": f"evt-{random.randrange(10**6)}",
    }


def checked_event(random: Random) -> Event:
    """As `bigmind_event`, of a signal that has a JSON schema."""
    return bigmind_event(random, CHECKED_SLUG)


def create_signals(client: httpx.Client) -> None:
    """Makes the signals that the bodies name, without limits; BIK's are there from the start."""
    for slug in (SLUG, CHECKED_SLUG):
        asked = {"name": slug, "slug": slug, "type": "event", "rate_limit": None}
        client.post("/v1/signals", json=asked).raise_for_status()
    client.post(f"/v1/signals/{CHECKED_SLUG}/versions", json={"schema": PAGE_SCHEMA}).raise_for_status()


@dataclass(frozen=True)
class Kind:
    """One form of request: where it goes, and how many events it holds."""

    name: str
    path: str
    events: int
    make: Callable[[Random], Event]
    wrap: str = ""
    """The name around a single event; empty when the event is the body."""

    def bodies(self, count: int, seed: int) -> Iterator[bytes]:
        random = Random(f"{self.name} {seed}")
        for _ in range(count):
            if self.events > 1:
                body: Event = {"events": [self.make(random) for _ in range(self.events)]}
            else:
                body = {self.wrap: self.make(random)} if self.wrap else self.make(random)
            yield json.dumps(body).encode()

    def write(self, directory: Path, events: int, seed: int) -> Path:
        """One body a line, `events` events in all."""
        path = directory / f"{self.name.replace(' ', '-')}.bodies"
        path.write_bytes(b"".join(body + b"\n" for body in self.bodies(max(events // self.events, 1), seed)))
        return path


_BIK = "/integrations/bikPlatformFunctions-events/"

BIK_BATCH = Kind("bik batch", _BIK + "sendEvents", BATCH, bik_event)
BIK_SINGLE = Kind("bik single", _BIK + "sendEvent", 1, bik_event, wrap="event")
BIGMIND_BATCH = Kind("bigmind batch", "/v1/events/batch", BATCH, bigmind_event)
BIGMIND_SINGLE = Kind("bigmind single", "/v1/events", 1, bigmind_event)
CHECKED_BATCH = Kind("bigmind batch with schema", "/v1/events/batch", BATCH, checked_event)
KINDS = (BIK_BATCH, BIGMIND_BATCH, CHECKED_BATCH, BIK_SINGLE, BIGMIND_SINGLE)
