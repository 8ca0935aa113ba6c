"""A soak: live traffic of both dialects for an hour, and a million events of history beside it, in turns.

    python bench/soak.py [--seconds 3600] [--rate 2000] [--backfill 1000000] [--turns 6] [--write-docs]

A real `headwater serve` on an empty directory, with cohorts and a webhook. Each turn has two halves of the same length:
live traffic alone, then the same with `headwater import` runs beside it, so that what a backfill does to the lag of the
realtime lane is seen side by side. Afterwards every acknowledged event is looked for in the export: it is there once.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import machine
import report
import soak_report
from bodies import BIK_BATCH, SLUG, Event
from headwater.clock import DAY_MS, now_ms, to_iso
from receiver import Receiver
from servers import HERE, Headwater
from soak_counting import count
from soak_live import event
from soak_samples import WARM_SECONDS, Probes, Reader, disk, process

LAST = HERE.parent / "build" / "bench-soak.json"
PERSON, ACCOUNT = "person", "account"
BOUGHT, LOOKED = {"performed": "purchasedAProduct"}, {"performed": SLUG}
COHORTS: dict[str, tuple[str, Event]] = {
    "spent much within five minutes": (PERSON, BOUGHT | {"sum": {"of": "itemPrice", ">=": 15_000}, "within": "5m"}),
    "bought three times within five minutes": (PERSON, BOUGHT | {"count": {">=": 3}, "within": "5m"}),
    "a purchase of 4,990 within a minute": (PERSON, BOUGHT | {"filter": {"itemPrice": {">=": 4990}}, "within": "1m"}),
    "bought the first product": (PERSON, BOUGHT | {"filter": {"productId": {"=": "P0"}}}),
    "bought ten times": (PERSON, BOUGHT | {"count": {">=": 10}}),
    "looked at prices": (ACCOUNT, LOOKED | {"filter": {"page": {"=": "/pricing"}}, "within": "5m"}),
    "looked five times": (ACCOUNT, LOOKED | {"count": {">=": 5}}),
}
TOLD = "a purchase of 4,990 within a minute"
"""The cohort that a webhook is told of: some come and go each second."""
HISTORY, IMPORTED = "history", "back-"
"""The backfill's name, and what its events' numbers begin with."""

Figures = dict[str, Any]


def history(path: Path, first: int, events: int) -> Path:
    """Purchases of the year before, by the same people, as NDJSON."""
    chance, now = Random(first), now_ms()
    with path.open("w") as file:
        for number in range(first, first + events):
            made = event(BIK_BATCH, chance, number, IMPORTED)
            made["createdAt"] = to_iso(now - chance.randrange(365 * DAY_MS))
            file.write(json.dumps(made) + "\n")
    return path


class Soak:
    """One server, and what was seen so far."""

    def __init__(self, options: argparse.Namespace, directory: Path) -> None:
        self.options, self.directory = options, directory
        self.half = options.seconds / options.turns / 2
        self.samples: list[Figures] = []
        self.imports: list[Figures] = []

    def run(self) -> Figures:
        conditions = machine.conditions(self.directory)
        files = list(self._files())
        with Receiver() as receiver:
            self.server = Headwater("soak", self.directory / "server", "--webhooks-allow", "127.0.0.1")
            try:
                self._prepare(receiver.url)
                live, seen = self._soaked(files)
                say("counting")
                counted = count(self.server, live, self.imports)
                figures = self._figures(live, seen, counted, receiver)
            finally:
                self.server.stop()
        options = {name: value for name, value in vars(self.options).items() if not isinstance(value, Path)}
        return {"conditions": conditions, "options": options, "half": self.half, **figures}

    def _files(self) -> Iterator[Path]:
        """One for each import: `--bursts` in each turn."""
        parts = self.options.turns * self.options.bursts
        for part in range(parts):
            first, end = (self.options.backfill * n // parts for n in (part, part + 1))
            yield history(self.directory / f"{part}.ndjson", first, end - first)

    def _prepare(self, url: str) -> None:
        self.cohorts = {}
        for name, (subject, condition) in COHORTS.items():
            body = {"name": name, "definition": {"subject": subject, "where": condition}}
            self.cohorts[name] = self._post("/v1/cohorts", body)["id"]
        hook = {"url": url, "events": ["cohort.entered", "cohort.left"], "cohorts": [self.cohorts[TOLD]]}
        self._post("/v1/webhooks", hook)
        self.backfill = self._post("/v1/backfills", {"name": HISTORY})["id"]

    def _post(self, path: str, body: Figures) -> Figures:
        answer = self.server.client.post(path, json=body)
        answer.raise_for_status()
        return dict(answer.json())

    def _soaked(self, files: list[Path]) -> tuple[Figures, Figures]:
        """The hour itself: what the live traffic tells of itself, and what was seen beside it."""
        self.pids = self.server.pids
        self.began = time.monotonic()
        live = self._live()
        probes, reader = Probes(self.server, self.began), Reader(self.server, self.cohorts[TOLD])
        history = threading.Thread(target=self._import, args=(files,), daemon=True)
        for thread in (probes, reader, history):
            thread.start()
        try:
            self._watch(live)
            told, _ = live.communicate(timeout=120)
        finally:
            live.kill()
        history.join(120)
        for thread in (probes, reader):
            thread.stop()
        self.server.drain()
        self.sample()
        return json.loads(told), {"probes": probes.found, "failures": probes.failures, "questions": reader.statuses}

    def _live(self) -> "subprocess.Popen[str]":
        options = self.options
        command = [sys.executable, str(HERE / "soak_live.py"), str(self.server.port), self.server.authorization]
        command += ["--rate", str(options.rate), "--seconds", str(options.seconds), "--every", str(self.half)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def _watch(self, live: "subprocess.Popen[str]") -> None:
        for number in range(1, int(self.options.seconds // self.options.sample) + 1):
            self.sample()
            time.sleep(max(0.0, self.began + number * self.options.sample - time.monotonic()))
            if live.poll() is not None and self.elapsed() < self.options.seconds - 5:
                raise SystemExit(f"the live traffic ended after {self.elapsed():.0f} s")

    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def sample(self) -> None:
        """Of each process and the disk. Says how it goes once a minute."""
        try:
            processes = {role: process(pid) for role, pid in self.pids.items()}
        except FileNotFoundError:
            raise SystemExit(f"a process ended:\n{self.server.log.read_text()[-5000:]}") from None
        found = {"at": self.elapsed(), "processes": processes, "disk_mib": disk(self.server.data)}
        self.samples.append(found)
        if len(self.samples) % max(round(60 / self.options.sample), 1) == 1:
            sizes = ", ".join(f"{role} {each['rss_mib']:.0f} MiB" for role, each in processes.items())
            say(f"{found['at']:.0f} s: {sizes}, disk {found['disk_mib']['']:.0f} MiB")

    def _import(self, files: list[Path]) -> None:
        """In each turn's second half some imports, evenly from its begin on, so that the last has time to be stored."""
        bursts = self.options.bursts
        for number, file in enumerate(files):
            turn, burst = divmod(number, bursts)
            due = self.half * (2 * turn + 1) + self.half * burst / bursts
            time.sleep(max(0.0, due - self.elapsed()))
            begun = self.elapsed()
            self.imports.append({"begun": begun, **self._imported(file), "ended": self.elapsed()})
            file.unlink()

    def _imported(self, file: Path) -> Figures:
        command = [sys.executable, "-m", "headwater", "import", str(file), "--dialect", "bik", "--json"]
        command += ["--backfill", HISTORY, "--url", self.server.url]
        command += ["--key", self.server.authorization.removeprefix("Bearer ")]
        ran = subprocess.run(command, capture_output=True, text=True)
        if ran.returncode:
            return {"rows": 0, "failed": ran.stderr[-1000:]}
        told = json.loads(ran.stdout)
        return {"rows": told["taken"], "seconds": told["seconds"]}

    def _figures(self, live: Figures, seen: Figures, counted: Figures, receiver: Receiver) -> Figures:
        lines = self.server.client.get("/metrics").text.splitlines()
        answers: dict[str, float] = {}
        for line in lines:
            if line.startswith("headwater_ingest_requests_total{"):
                status = line.partition('status="')[2].partition('"')[0]
                answers[status] = answers.get(status, 0) + float(line.split()[-1])
        said = self.server.client.get(f"/v1/backfills/{self.backfill}").json()
        return {
            "warm_seconds": min(WARM_SECONDS, self.options.seconds / 6),
            "live": live,
            **seen,
            "imports": self.imports,
            "samples": self.samples,
            "counted": counted,
            "answers": answers,
            "backfill_said": said["events"],
            "webhooks": receiver.taken,
            "warnings": self.server.log.read_text().splitlines()[:50],
        }


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> None:
    options = parsed()
    if options.source:
        results = json.loads(options.source.read_text())
    else:
        with tempfile.TemporaryDirectory(dir=options.dir, prefix="soak-") as directory:
            results = report.rounded(Soak(options, Path(directory)).run())
        report.write(results, options.json)
    results = report.rounded(soak_report.summed(results))
    soak_report.tell(results, options.json.parent, options.write_docs)
    if broken := soak_report.broken(results):
        raise SystemExit("not held: " + "; ".join(broken))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--seconds", type=float, default=3600)
    add("--rate", type=float, default=2000, help="live events/s")
    add("--backfill", type=int, default=1_000_000, help="events of history in all")
    add("--turns", type=int, default=6, help="each of live traffic alone, then with imports")
    add("--bursts", type=int, default=5, help="imports in each turn")
    add("--sample", type=float, default=10, help="seconds between two looks at the processes")
    add("--dir", type=Path, help="where the server keeps its data: the disk that is measured")
    add("--json", type=Path, default=LAST, help="where to write everything measured; its plot beside it")
    add("--from", dest="source", type=Path, help="tell what this file holds instead of measuring")
    add("--write-docs", action="store_true", help="renew the table and the plot of docs/torture.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
