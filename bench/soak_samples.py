"""What a soak looks at: each process' memory, descriptors, threads and CPU, the disk, and how late events are."""

import itertools
import os
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import machine
from bodies import BIGMIND_SINGLE, PERSONS
from queryable import first_event, growth
from servers import Headwater
from soak_live import event

Figures = dict[str, Any]

WARM_SECONDS = 600.0
"""In which caches fill, and everybody is met for the first time; of a shorter soak a sixth."""
POLL_SECONDS, PAUSE_SECONDS = 0.03, 0.3
"""Between two looks at an event; between two events."""
GIVE_UP_SECONDS = 120.0
GAUGES = ("rss_mib", "pss_mib", "anonymous_mib", "descriptors", "threads")


def process(pid: int) -> Figures:
    """One process as it is now: memory in MiB, counts, CPU seconds so far."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    status = {words[0]: words[1] for words in lines if len(words) > 1}
    memory = machine.memory_mib(pid)
    return {
        "rss_mib": memory["rss"],
        "pss_mib": memory["pss"],
        "anonymous_mib": int(status["RssAnon:"]) / machine.KIB,
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": int(status["Threads:"]),
        "cpu_seconds": machine.cpu_seconds(pid),
    }


def disk(data: Path) -> Figures:
    """MiB below the data directory, and of its parts."""
    return {name: machine.disk_bytes(data / name) / machine.MIB for name in ("", "log", "store")}


def slopes(samples: list[Figures], role: str, warm: float) -> Figures:
    """By gauge of a process: its level at the begin, after `warm` seconds, and at the end, medians of a tenth of the
    samples each; and what it gains in an hour as a share of the first."""
    told = {}
    for gauge in GAUGES:
        series = [(each["at"], each["processes"][role][gauge]) for each in samples if each["at"] >= warm]
        tenth = max(len(series) // 10, 1)
        first, last = (middle([value for _, value in part]) for part in (series[:tenth], series[-tenth:]))
        told[gauge] = {"first": first, "last": last, "per_hour": growth(series) * 3600 / max(first, 1)}
    return told


def middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


class Probes(threading.Thread):
    """Single events sent one after the other, each asked for until it is processed; and what the lanes say then."""

    def __init__(self, server: Headwater, began: float) -> None:
        super().__init__(daemon=True)
        self._server, self._began = server, began
        self._stopping = threading.Event()
        self._chance = Random(1)
        self.found: list[Figures] = []
        self.failures: list[str] = []

    def run(self) -> None:
        for number in itertools.count():
            if self._stopping.wait(PAUSE_SECONDS * self._chance.uniform(0.5, 1.5)):
                return
            try:
                self.found.append(self._probe(number))
            except Exception as error:  # a soak of an hour is not given up for it, but told of it
                self.failures.append(f"{error!r}")

    def stop(self) -> None:
        self._stopping.set()
        self.join(GIVE_UP_SECONDS)

    def _probe(self, number: int) -> Figures:
        begun, body = time.monotonic() - self._began, event(BIGMIND_SINGLE, self._chance, number, "probe-")
        answer = self._server.client.post(BIGMIND_SINGLE.path, json=body)
        acknowledged = time.perf_counter()
        answer.raise_for_status()
        asked = self._outcome(first_event(answer.headers["headwater-batch"]))
        lag = time.perf_counter() - acknowledged
        lanes = {lane["lane"]: lane for lane in self._ask("/v1/pipelines")["data"]}
        return {
            "at": begun,
            "lag_ms": lag * 1e3,
            "asked": asked,
            "oldest_ms": lanes["realtime"]["age_seconds"] * 1e3,
            "waiting": lanes["realtime"]["events"],
            "migrating": lanes["migration"]["events"],
        }

    def _outcome(self, id: str) -> int:
        """Returns once it has one: how often it was asked for."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        for asked in itertools.count(1):
            if self._ask(f"/v1/events/{id}")["status"] != "pending":
                return asked
            if time.monotonic() > deadline:
                raise TimeoutError(f"{id} has no outcome in {GIVE_UP_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)
        raise AssertionError

    def _ask(self, path: str) -> Any:
        answer = self._server.client.get(path)
        answer.raise_for_status()
        return answer.json()


class Reader(threading.Thread):
    """Somebody who looks at the dashboard now and then: asks one question after the other."""

    def __init__(self, server: Headwater, cohort: str, pause: float = 3.0) -> None:
        super().__init__(daemon=True)
        self._server, self._pause = server, pause
        self._stopping = threading.Event()
        self._chance = Random(2)
        self._cohort = cohort
        self.statuses: dict[str, int] = {}

    def run(self) -> None:
        while not self._stopping.wait(self._pause):
            status = str(self._server.client.get(self._question()).status_code)
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def stop(self) -> None:
        self._stopping.set()
        self.join(60)

    def _question(self) -> str:
        one = f"email:customer{self._chance.randrange(PERSONS)}@shop.example"
        return self._chance.choice(
            (
                f"/v1/profiles/{one}/events?limit=20",
                f"/v1/cohorts/{self._cohort}/members?limit=100",
                f"/v1/cohorts/{self._cohort}/changes?limit=100",
                "/v1/events?limit=50&status=processed",
                "/v1/activity",
            )
        )
