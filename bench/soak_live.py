"""Live traffic of a soak: batches and singles of both dialects in an open loop, each event with a number of its own.

    python bench/soak_live.py PORT AUTHORIZATION --rate 2000 --seconds 3600 --every 300

A process of its own; prints JSON: what was acknowledged, answers by status, and latencies in each `--every` seconds.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import uvloop

from bodies import BIGMIND_BATCH, BIGMIND_SINGLE, BIK_BATCH, BIK_SINGLE, PERSONS, Event, Kind
from openloop import Connection, Generator, at

SHARES = {BIK_BATCH: 0.4, BIGMIND_BATCH: 0.4, BIK_SINGLE: 0.1, BIGMIND_SINGLE: 0.1}
"""Of the events."""
NAME = "live-"
"""Before an event's number, where its own words are: `orderId`, `reference`."""


class Request(bytes):
    """With the numbers of its events."""

    first: int
    events: int


def quantiles(values: list[float]) -> dict[str, float]:
    """Of milliseconds."""
    ordered = sorted(values)
    told = {name: at(ordered, share) for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99))} if ordered else {}
    return {"count": len(ordered), **told, **({"max_ms": ordered[-1]} if ordered else {})}


def event(kind: Kind, random: Random, number: int, name: str = NAME) -> Event:
    """One that can be told from all others. All are about the same people and accounts: a crowd that grew would take
    memory by right."""
    made = kind.make(random)
    if "identity" in made:
        made["identity"]["id"] = f"001ABC{random.randrange(PERSONS):09d}"
        made["reference"] = f"{name}{number}"
    else:
        made["eventProperties"]["orderId"] = f"{name}{number}"
    return made


class Live(Generator):
    """`options.rate` is of events."""

    period_ns = 1_000_000

    def __init__(self, options: argparse.Namespace) -> None:
        self.slots: list[list[float]] = [[] for _ in range(int(options.seconds // options.every) + 2)]
        self.statuses: Counter[str] = Counter()
        self.open: dict[int, int] = {}
        """First number and count of the events of requests that were not acknowledged."""
        self.numbers = self.acknowledged = 0
        self.every = options.every
        options.rate *= sum(share / kind.events for kind, share in SHARES.items())
        super().__init__(options)

    def made(self) -> Iterator[bytes]:
        random, kinds = Random(self.options.seed), list(SHARES)
        heads = {kind: self.head(kind.path) for kind in kinds}
        weights = [share / kind.events for kind, share in SHARES.items()]
        while True:
            (kind,) = random.choices(kinds, weights)
            events = [event(kind, random, self.numbers + n) for n in range(kind.events)]
            wrapped: Event = {"events": events} if kind.events > 1 else events[0]
            body = json.dumps({kind.wrap: wrapped} if kind.wrap else wrapped).encode()
            request = Request((heads[kind] % len(body)).encode() + body)
            request.first, request.events = self.numbers, kind.events
            self.open[request.first] = request.events
            self.numbers += request.events
            yield request

    def answered(self, connection: Connection, due: float, ok: bool) -> None:
        request = connection.request
        assert isinstance(request, Request)
        self.statuses[connection.status.decode()] += 1
        self.slots[int((due - self.began) // self.every)].append((time.perf_counter() - due) * 1e3)
        if ok:
            self.acknowledged += self.open.pop(request.first)
        super().answered(connection, due, ok)

    def result(self) -> dict[str, Any]:
        told = super().result()
        return told | {
            "numbers": self.numbers,
            "acknowledged": self.acknowledged,
            "in_doubt": sorted(self.open.items()),
            "statuses": dict(self.statuses),
            "slots": [quantiles(slot) for slot in self.slots if slot],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("authorization")
    parser.add_argument("--rate", type=float, default=2000, help="events/s")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--every", type=float, default=300, help="seconds of one slot of latencies")
    parser.add_argument("--connections", type=int, default=64, help="at most")
    parser.add_argument("--seed", type=int, default=7)
    print(json.dumps(uvloop.run(Live(parser.parse_args()).run())))


if __name__ == "__main__":
    main()
