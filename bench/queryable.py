"""From the 200 to queryable: whether a backlog grows at a constant rate, and how soon one event can be asked for."""

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Any
from uuid import UUID

import load
from bodies import Kind
from openloop import at
from servers import Headwater

GROWTH = 0.02
"""A backlog grows when it gains more than this share of the rate, at the median over the run."""
SKIP = 0.2
"""The share of a run, from its begin, that only fills the pipeline."""
KEPT_UP = 0.98
"""The share of offered requests that must be answered in time: else the 200 is what does not keep up."""
LOWEST = 10_000
PROBE_PAUSE, POLL_PAUSE = 0.1, 0.05
"""Seconds. A lookup costs the engine some ten milliseconds of CPU: asking more often would slow what it measures."""

Figures = dict[str, Any]


class Bench:
    """Load of one form on one headwater."""

    def __init__(self, server: Headwater, kind: Kind, bodies: Path) -> None:
        self.server = server
        self.kind = kind
        self.bodies = bodies

    def sustained(self, rate: float, seconds: float) -> Figures:
        """`rate` events/s for so long, the backlog looked at each second."""
        running = self._load(rate, seconds)
        began, samples = time.monotonic(), []
        while (elapsed := time.monotonic() - began) < seconds:
            samples.append((round(elapsed, 2), self.server.backlog()))
            time.sleep(max(0.0, began + len(samples) * min(1.0, seconds / 8) - time.monotonic()))
        figures = running.result()
        began = time.monotonic()
        self.server.drain()
        drained = time.monotonic() - began
        self.server.settle()
        slope = growth([sample for sample in samples if sample[0] >= seconds * SKIP])
        kept_up = figures["answered_per_s"] >= KEPT_UP * figures["offered_per_s"] and not figures["failed"]
        grows = slope > GROWTH * rate
        return {
            "server": self.server.name,
            "rate": rate,
            "seconds": seconds,
            "backlog": samples,
            "slope_per_s": slope,
            "drain_seconds": drained,
            "p99_ms": figures["p99_ms"],
            "kept_up": kept_up,
            "holds": kept_up and not grows,
            "verdict": "not acknowledged in time" if not kept_up else "grows" if grows else "does not grow",
        }

    def freshness(self, rate: float, seconds: float, single: Kind) -> Figures:
        """Single events sent during the load, each asked for until it is processed, one after the other."""
        running = self._load(rate, seconds)
        stop = time.monotonic() + seconds - 0.5
        time.sleep(min(1.0, seconds / 4))
        waits, polls, probes = [], 0, single.bodies(10_000, 1)
        pause = Random(1)
        while time.monotonic() < stop:
            wait, asked = self._probe(single, next(probes))
            waits.append(wait * 1e3)
            polls += asked
            time.sleep(PROBE_PAUSE * pause.uniform(0.5, 1.5))
        figures = running.result()
        self.server.drain()
        self.server.settle()
        waits.sort()
        return {
            "server": self.server.name,
            "rate": rate,
            "acknowledged_per_s": figures["answered_per_s"] * self.kind.events,
            "probes": len(waits),
            "polls": polls,
            "p50_ms": at(waits, 0.5),
            "p99_ms": at(waits, 0.99),
            "max_ms": waits[-1],
        }

    def _probe(self, single: Kind, body: bytes) -> tuple[float, int]:
        """Seconds from its 200 to its outcome, and how often it was asked for."""
        client = self.server.client
        answer = client.post(single.path, content=body, headers={"content-type": "application/json"})
        acknowledged = time.perf_counter()
        answer.raise_for_status()
        event = first_event(answer.headers["headwater-batch"])
        for asked in range(1, 10_000):
            found = client.get(f"/v1/events/{event}")
            found.raise_for_status()
            if found.json()["status"] != "pending":
                return time.perf_counter() - acknowledged, asked
            time.sleep(POLL_PAUSE)
        raise SystemExit(f"{event} never got an outcome")

    def _load(self, rate: float, seconds: float) -> load.Running:
        return load.open_loop(self.server, self.kind.path, self.bodies, rate / self.kind.events, seconds)


def first_event(batch: str) -> str:
    """The id of a batch's first event (BIK's answer names none): the batch's own with 1 as its last byte."""
    return str(UUID(bytes=UUID(batch).bytes[:15] + b"\1"))


def growth(samples: list[tuple[float, int]]) -> float:
    """Events/s that a backlog gains: the median slope over all pairs of samples (Theil and Sen), so that a merge or a
    block caught at the wrong moment does not decide."""
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for number, earlier in enumerate(samples)
        for later in samples[number + 1 :]
    ]
    return median(slopes) if slopes else 0.0


def search(
    bench: Bench, promised: float, most: float, first_seconds: float, seconds: float, steps: int
) -> Iterator[Figures]:
    """Runs at the promised rate, then halves the way to the highest that holds. `most`: what is acknowledged at all."""
    run = bench.sustained(promised, first_seconds)
    yield run
    low, high = (promised, max(most, promised * 1.25)) if run["holds"] else (LOWEST, promised)
    for _ in range(steps):
        rate = round((low + high) / 2, -2)
        run = bench.sustained(rate, seconds)
        yield run
        if run["holds"]:
            low = rate
        else:
            high = rate
