"""Fills a stopped headwater's store, through log and pipeline as they are, and measures what more events cost then:

    python bench/flat_store.py DATA_DIR EVENTS TURNS MORE

until EVENTS are stored, then TURNS times MORE events. Prints JSON. Everybody has some EVENTS_A_PERSON events within a
while and then none: as in a shop, whoever is asked about has no longer a history where there are more people.
"""

import asyncio
import json
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import closing
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from headwater.catalog.reading import CatalogReader
from headwater.clock import now_ms
from headwater.config import Settings
from headwater.events import Batch, Lane, Part, event_ids, new_batch_id
from headwater.live.live import Live
from headwater.log.files import FilesAppender, FilesReader
from headwater.people import People
from headwater.pipeline import Pipeline
from headwater.state.base import Link
from headwater.state.cohorts_sqlite import SqliteMemberships
from headwater.state.sqlite import SqliteState
from headwater.store.clickhouse import ChdbStore

BATCH = 100
EVENTS_A_PERSON, AT_ONCE = 25, 10_000
"""People whose events come at the same time."""
ROUND = 500_000
"""Events that are appended before they are stored."""
ASKED = 200
"""Events and people to ask for."""
SIGNALS = ("productViewed", "addToCart", "ordered")

Figures = dict[str, Any]


def person(number: int) -> list[str]:
    return [f"email:customer{number}@shop.example", f"phone:+1949{number:07d}"]


def people(first: int, count: int = BATCH) -> Iterator[int]:
    """Whose the events of a batch are, by the number of its first event."""
    random = Random(first)
    return (first // EVENTS_A_PERSON + int(random.random() * AT_ONCE) for _ in range(count))


class Shop:
    """Events from one number on, a batch after the other."""

    def __init__(self, workspace: str, signals: dict[str, str]) -> None:
        """`signals`: ids by slug."""
        self._workspace = workspace
        random = Random(1)
        forms = [
            (
                random.choice(SIGNALS),
                {
                    "productId": f"P{random.randrange(5000)}",
                    "orderId": f"order-{random.randrange(10**9)}",
                    "itemPrice": random.randrange(1, 5000),
                    "currency": "INR",
                },
            )
            for _ in range(50_000)
        ]
        said = [(f'"{slug}","{signals[slug]}"', msgspec.json.encode(data).decode()) for slug, data in forms]
        self._forms = cycle(said)

    def batch(self, first: int, count: int = BATCH) -> Batch:
        ms = now_ms()
        id_ = new_batch_id(ms)
        lines = [self._line(*each, ms) for each in zip(event_ids(id_, count), people(first, count), strict=True)]
        return Batch(id_, self._workspace, "bik", (Part(Lane.REALTIME, count, ms, ms, "".join(lines).encode()),))

    def _line(self, id_: str, number: int, ms: int) -> str:
        email, phone = person(number)
        signal, data = next(self._forms)
        return f'["{id_}",{signal},1,{ms},"","",["{email}","{phone}"],"Some One",{data},null,"",null]\n'


class Filling:
    """An engine's parts, without the processes around them."""

    def __init__(self, data_dir: Path) -> None:
        self.settings = settings = Settings(data_dir=data_dir, log_keep_seconds=0)
        self.appender, self.reader = FilesAppender(settings.log_dir), FilesReader(settings.log_dir)
        self.state, self.store = SqliteState(settings.state_path), ChdbStore(settings.store_dir)
        self.catalog, memberships = CatalogReader(settings.catalog_path), SqliteMemberships(settings.cohorts_path)
        self.people = People(self.state, self.catalog.excluded)
        self.live = Live(self.reader, self.store, self.state, self.people, self.catalog, memberships)
        self.follows = False
        self.pipeline = Pipeline(
            self.reader, self.store, self.state, settings, linger=0, stored=self._noted, needed=self._needs
        )
        self.pipeline.recover()
        workspace = next(each.id for each in self.catalog.workspaces())
        known = {slug: signal.id for slug, signal in self.catalog.ever(workspace).items()}
        self.shop = Shop(workspace, known)

    def _noted(self, links: Collection[Link]) -> None:
        self.people.note(links)
        self.live.stored(self.state.cursors())

    def _needs(self) -> int | None:
        return self.live.needs() if self.follows else None

    def stored(self) -> int:
        return sum(sum(account.months.values()) for account in self.state.ledger().values())

    def append(self, first: int, events: int) -> None:
        async def all_of() -> None:
            for begin in range(first, first + events, 20_000):
                numbers = range(begin, min(first + events, begin + 20_000), BATCH)
                await asyncio.gather(*(self.appender.append(self.shop.batch(number)) for number in numbers))

        asyncio.run(all_of())

    def drain(self) -> None:
        while self.pipeline.step():
            pass

    def fill(self, events: int) -> None:
        while (known := self.stored()) < events:
            self.append(known, min(ROUND, events - known))
            self.drain()
            print(f"{self.stored():,} events", file=sys.stderr)

    def follow(self) -> float:
        """Has the cohorts live from here on; seconds until they did."""
        began = time.monotonic()
        self.live.start()
        self.follows = True
        return time.monotonic() - began

    def turn(self, events: int) -> Figures:
        first, used, began = self.stored(), time.process_time(), time.monotonic()
        self.append(first, events)
        appended = time.process_time() - used
        used, began = time.process_time(), time.monotonic()
        self.drain()
        stored, seconds = time.process_time() - used, time.monotonic() - began
        used = time.thread_time()
        self.live.step()
        followed = time.thread_time() - used
        return {
            "append_cpu_us_per_batch": appended / events * 1e8,
            "insert_cpu_s_per_million": stored / events * 1e6,
            "events_per_s": events / seconds,
            "cohort_cpu_us_per_person": followed
            / len({each for begin in range(first, first + events, BATCH) for each in people(begin)})
            * 1e6,
        }

    def asked(self) -> Figures:
        """Who and what to ask for, from the whole history."""
        some = f"cityHash64(id) % {max(1, self.stored() // 1000)} = 0"
        sample = f"SELECT toString(id) AS id, identities[1] AS person FROM events WHERE {some} LIMIT {ASKED}"
        found = self.store.columns(sample, {})
        return {"events": found["id"].tolist(), "people": found["person"].tolist()}


def main(data_dir: Path, events: int, turns: int, more: int) -> None:
    filling = Filling(data_dir)
    with closing(filling.store), closing(filling.state), closing(filling.appender):
        filling.fill(events)
        loading = filling.follow()
        filling.turn(more // 10)  # code that was never run
        taken = [filling.turn(more) for _ in range(turns)]
        told = {"events": filling.stored(), "cohorts_loaded_s": loading, "turns": taken, "asked": filling.asked()}
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
