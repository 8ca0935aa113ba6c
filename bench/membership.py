"""From an event to its membership while 10,000 others arrive each second, and how late the clock's leavers are."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import httpx

import load
from cohort_kinds import PROBED
from headwater.clock import now_ms, parse_iso, to_iso
from history import PATHS, chunk, chunks_of
from openloop import at
from servers import Headwater

Figures = dict[str, Any]

BATCH = 100
DIFFERENT = 100_000
"""Events of the load, over and over."""
POLL_SECONDS, GIVE_UP_SECONDS = 0.01, 30.0
WINDOW_MS = 10_000
"""Of the cohort that people leave by the clock."""
PAGES = 10
"""Of a thousand changes each, looked at for their times."""


@dataclass(frozen=True)
class Probe:
    """An event that makes somebody whom nobody knew a member."""

    kind: str
    cohort: str
    event: str
    data: dict[str, Any]


PROBES = (
    Probe("count", "ordered 1 times in 1d", "ordered", {"orderId": "probe"}),
    Probe("count with a property", "bought a shirt", "purchasedAProduct",
          {"productId": "probe", "orderId": "probe", "category": "shirt"}),
    Probe("sum", "sum", "purchasedAProduct", {"productId": "probe", "orderId": "probe", "itemPrice": 9000}),
    Probe("sequence", "sequence of two", "ordered", {"orderId": "probe"}),
    Probe("state", "state", "loyalty-tier", {"tier": "gold"}),
    Probe("metric", "ordered for 20000.005 in two months", "order-value", {"total": 30_000}),
    Probe("attribute", "from Berlin", "customerCreated", {"city": "Berlin"}),
    Probe("window of ten seconds", PROBED, "keywordSearched", {"keyword": "headwater"}),
)  # fmt: skip


def bodies(path: Path, events: int, end_ms: int) -> Path:
    """What the shop's people do now: events of those who are in the history, without dates; one batch a line."""
    chunks, random, told = chunks_of(events), Random(1), []
    share = -(-DIFFERENT // min(len(chunks), 20))
    for number in random.sample(chunks, min(len(chunks), 20)):
        lived = [sent.body for sent in chunk(number, events, end_ms) if sent.dialect == "bik"]
        told += random.sample(lived, min(share, len(lived)))
    random.shuffle(told)
    for body in told:
        body.pop("createdAt"), body.pop("isMigration", None)
    with path.open("w") as file:
        for begin in range(0, len(told) - BATCH + 1, BATCH):
            file.write(json.dumps({"events": told[begin : begin + BATCH]}) + "\n")
    return path


class Latency:
    """Probes sent one after the other by a few senders during the load."""

    def __init__(self, server: Headwater, cohorts: dict[str, str]) -> None:
        """`cohorts`: ids by name."""
        self._server = server
        self._cohorts = cohorts
        self._numbers = count()

    def measure(self, path: Path, rate: float, seconds: float, senders: int) -> Figures:
        """`rate` events/s for so long."""
        began_ms, backlog, cpu, began = now_ms(), [], self._server.cpu(), time.monotonic()
        running = load.open_loop(self._server, PATHS["bik"], path, rate / BATCH, seconds)
        stop = time.monotonic() + seconds - 1
        with ThreadPoolExecutor(senders) as pool:
            found = [pool.submit(self._probe_until, stop, number) for number in range(senders)]
            while time.monotonic() < stop:
                backlog.append(self._server.backlog())
                time.sleep(1)
            waits = [each for sender in found for each in sender.result()]
        figures = running.result()
        used, wall = self._server.cpu(), time.monotonic() - began
        self._server.drain()
        return {
            "rate": rate,
            "acknowledged_per_s": figures["answered_per_s"] * BATCH,
            "seconds": seconds,
            "backlog": backlog,
            "cores": {role: (used[role] - cpu[role]) / wall for role in used},
            "memory": self._server.memory(),
            "kinds": [
                {"kind": probe.kind, **spread([ms for kind, ms in waits if kind == probe.kind])} for probe in PROBES
            ],
            "all": spread([ms for kind, ms in waits if kind != "left"]),
            "left": spread([ms for kind, ms in waits if kind == "left"]),
            "recorded": spread(list(self._recorded(began_ms))),
        }

    def _probe_until(self, stop: float, sender: int) -> list[tuple[str, float]]:
        waits = []
        with httpx.Client(
            base_url=self._server.url,
            headers={"authorization": self._server.authorization},
            timeout=30,
            trust_env=False,
        ) as client:
            for number in count(sender):
                if time.monotonic() >= stop:
                    return waits
                probe = PROBES[number % len(PROBES)]
                person, sent_ms, ms = self._probe(client, probe)
                waits.append((probe.kind, ms))
                if probe.cohort == PROBED and ms < WINDOW_MS:
                    self._wait(client, probe.cohort, person, member=False)
                    waits.append(("left", now_ms() - sent_ms - WINDOW_MS))
        raise AssertionError

    def _probe(self, client: httpx.Client, probe: Probe) -> tuple[str, int, float]:
        """The new person, when the event happened, and milliseconds from its sending to its membership."""
        person, sent_ms = f"probe{next(self._numbers)}.{now_ms()}@bench.example", now_ms()
        events = [(probe.event, probe.data, sent_ms)]
        if probe.kind == "sequence":
            events.insert(0, ("addToCart", {"productId": "probe", "variantId": "probe"}, sent_ms - 60_000))
        body = [
            {"eventName": event, "email": person, "eventProperties": data, "createdAt": to_iso(ms)}
            for event, data, ms in events
        ]
        began = time.perf_counter()
        client.post(PATHS["bik"], json={"events": body}).raise_for_status()
        self._wait(client, probe.cohort, person, member=True)
        return person, sent_ms, (time.perf_counter() - began) * 1e3

    def _wait(self, client: httpx.Client, cohort: str, person: str, member: bool) -> None:
        """Half a minute at most: who came too late for a window of ten seconds was never seen in it."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            answer = client.get(f"/v1/cohorts/{self._cohorts[cohort]}/members/email:{person}")
            answer.raise_for_status()
            if answer.json()["member"] == member:
                return
            time.sleep(POLL_SECONDS)

    def _recorded(self, began_ms: int) -> Iterator[float]:
        """From an event's receipt (in its id) to the time written down for the change that it caused."""
        for name in (
            "ordered 1 times in 1d",
            "addToCart 1 times in 1d",
            "sum",
            "sequence of two",
            "came back within 3d",
        ):
            cursor = None
            for _ in range(PAGES):
                params = {"limit": 1000} | ({"cursor": cursor} if cursor else {})
                page = self._server.client.get(f"/v1/cohorts/{self._cohorts[name]}/changes", params=params).json()
                for change in page["data"]:
                    happened = parse_iso(change["at"]) or 0
                    if change["event_id"] and happened >= began_ms:
                        yield happened - (UUID(change["event_id"]).int >> 80)
                cursor = page["next"]
                if cursor is None:
                    break


def spread(waits: list[float]) -> Figures:
    """Of milliseconds."""
    waits = sorted(waits)
    if not waits:
        return {"count": 0}
    return {"count": len(waits), "p50_ms": at(waits, 0.5), "p99_ms": at(waits, 0.99), "max_ms": waits[-1]}
