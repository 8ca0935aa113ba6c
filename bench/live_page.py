"""What an open Live page costs the ingest, and how it feels itself, at 5,000 events/s.

    python bench/live_page.py [--rate 5000] [--seconds 30] [--turns 2] [--json PATH]

Batches of a hundred, open loop, half of them in each dialect. Each turn has a phase without a page and one with the
Live page open in Chromium, in one run of one server: without, with, without, with. The load comes from the last core;
the servers and the browser may use all, so on a small machine the browser's own drawing is part of what the ingest
feels (`--reader` adds a phase in which a client only reads the page's stream).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Any

import httpx

import bodies
import load
from browser import Seen, chromium, open_context, settle, sign_in
from servers import Headwater

KINDS = (bodies.BIK_BATCH, bodies.BIGMIND_BATCH)
SETTLE_SECONDS = 3.0
"""After a page was opened, before its phase begins: a first load is first_load.py's subject."""
DROPPED_MS = 25
_FEEL = """
window.headwaterBench = { long: [], frames: 0, dropped: 0, longestGap: 0 }
new PerformanceObserver(list => {
  for (const each of list.getEntries()) headwaterBench.long.push(each.duration)
}).observe({ type: "longtask", buffered: false })
let last = performance.now()
requestAnimationFrame(function frame(now) {
  const gap = now - last
  last = now
  headwaterBench.frames++
  if (gap > DROPPED_MS) headwaterBench.dropped++
  headwaterBench.longestGap = Math.max(headwaterBench.longestGap, gap)
  requestAnimationFrame(frame)
})
""".replace("DROPPED_MS", str(DROPPED_MS))


class Bench:
    """One headwater under constant load, phase after phase."""

    def __init__(self, options: argparse.Namespace, directory: Path, browser: Any) -> None:
        self.options = options
        self.browser = browser
        self.server = Headwater("headwater", directory / "headwater")
        self.bodies = {kind: kind.write(directory, 20_000, 7) for kind in KINDS}
        self.state = sign_in(browser, self.server.url, self.server.authorization.removeprefix("Bearer "))

    def run(self) -> list[Seen]:
        self._load(2.0)  # caches, connections, code that was never run
        phases: list[tuple[str, Callable[[], Any]]] = [("without a page", _nobody), ("with the Live page", self._page)]
        if self.options.reader:
            phases.append(("with a reader of the stream", self._reader))
        return [self._phase(name, begin) for _ in range(self.options.turns) for name, begin in phases]

    def _phase(self, name: str, begin: Callable[[], Any]) -> Seen:
        self.server.drain()
        self.server.settle()
        with begin() as feel:
            cpu, began = self.server.cpu(), time.monotonic()
            figures = self._load(self.options.seconds)
            used, seconds = self.server.cpu(), time.monotonic() - began
            spent = {role: used[role] - cpu[role] for role in ("gateway", "engine")}
            felt = feel()
        print(f"{name}: p50 {figures['p50_ms']:.2f} ms, p99 {figures['p99_ms']:.2f} ms", file=sys.stderr)
        return {"phase": name, "seconds": seconds, **figures, "cpu": spent, "page": felt}

    def _load(self, seconds: float) -> Seen:
        """Both dialects at once; the worse of the two latencies, both's requests."""
        rate = self.options.rate / bodies.BATCH / len(KINDS)
        running = [load.open_loop(self.server, kind.path, self.bodies[kind], rate, seconds) for kind in KINDS]
        found = [each.result() for each in running]
        if any(each["refused"] or each["failed"] for each in found):
            raise SystemExit(f"not all was acknowledged: {found}")
        return {
            "p50_ms": max(each["p50_ms"] for each in found),
            "p99_ms": max(each["p99_ms"] for each in found),
            "max_ms": max(each["max_ms"] for each in found),
            "acknowledged_per_s": sum(each["answered_per_s"] for each in found) * bodies.BATCH,
            "late_p99_ms": max(each["late_p99_ms"] for each in found),
        }

    @contextmanager
    def _page(self) -> Iterator[Callable[[], Seen]]:
        """The Live page, at 1440 x 900; gives what tells how it felt since."""
        context, watch = open_context(self.browser, self.server.url, state=self.state)
        page = context.new_page()
        tools = context.new_cdp_session(page)
        page.goto("/ui/")
        settle(page)
        page.wait_for_timeout(SETTLE_SECONDS * 1000)
        before, began = _heap(tools), time.monotonic()
        page.evaluate(f"() => {{ {_FEEL} }}")

        def felt() -> Seen:
            seconds = time.monotonic() - began
            found: Seen = page.evaluate("() => headwaterBench")
            after = _heap(tools)
            return {
                "longest_task_ms": max(found["long"], default=0),
                "long_tasks": len(found["long"]),
                "frames": found["frames"],
                "frames_per_s": found["frames"] / seconds,
                "dropped": found["dropped"],
                "longest_gap_ms": found["longestGap"],
                "heap_before": before["heap"],
                "heap_after": after["heap"],
                "nodes_before": before["nodes"],
                "nodes_after": after["nodes"],
            }

        yield felt
        context.close()
        if watch.faults:
            raise SystemExit(f"the page had faults: {watch.faults}")

    @contextmanager
    def _reader(self) -> Iterator[Callable[[], Seen]]:
        """A client that takes the page's stream and does nothing with it."""
        command = [sys.executable, __file__, "--read", self.server.url, self.server.authorization]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as reader:
            time.sleep(SETTLE_SECONDS)
            yield dict
            reader.terminate()


@contextmanager
def _nobody() -> Iterator[Callable[[], Seen]]:
    yield dict


def _heap(tools: Any) -> Seen:
    """Bytes of JavaScript's heap and number of DOM nodes, after a collection."""
    tools.send("HeapProfiler.enable")
    tools.send("HeapProfiler.collectGarbage")
    tools.send("HeapProfiler.disable")
    return {
        "heap": tools.send("Runtime.getHeapUsage")["usedSize"],
        "nodes": tools.send("Memory.getDOMCounters")["nodes"],
    }


def read(url: str, authorization: str) -> None:
    """Takes the stream until it is told to end."""
    headers = {"authorization": authorization}
    with httpx.stream("GET", f"{url}/v1/live", headers=headers, timeout=None, trust_env=False) as answer:
        for _ in answer.iter_raw():
            pass


def told(phases: list[Seen]) -> Seen:
    """Means by phase, and how each compares with the one without a page."""
    names = list(dict.fromkeys(each["phase"] for each in phases))
    means = {name: _mean([each for each in phases if each["phase"] == name]) for name in names}
    alone = means[names[0]]
    ratios = {
        name: {figure: each[figure] / alone[figure] for figure in alone if alone[figure]}
        for name, each in means.items()
        if name != names[0]
    }
    return {"phases": phases, "means": means, "ratios": ratios}


def _mean(phases: list[Seen]) -> Seen:
    figures = {name: mean(each[name] for each in phases) for name in ("p50_ms", "p99_ms", "acknowledged_per_s")}
    for role in ("gateway", "engine"):
        figures[f"{role}_cpu_s"] = mean(each["cpu"][role] for each in phases)
    return figures


def show(found: Seen) -> None:
    for each in found["phases"]:
        print(
            f"{each['phase']:<28} p50 {each['p50_ms']:7.2f} ms  p99 {each['p99_ms']:7.2f} ms  "
            f"{each['acknowledged_per_s']:8,.0f} events/s  gateway {each['cpu']['gateway']:5.2f} s  "
            f"engine {each['cpu']['engine']:5.2f} s of CPU in {each['seconds']:.1f} s"
        )
        if page := each["page"]:
            print(
                f"  the page: longest task {page['longest_task_ms']:.0f} ms, {page['long_tasks']} over 50 ms; "
                f"{page['frames']} frames ({page['frames_per_s']:.1f}/s), {page['dropped']} gaps over {DROPPED_MS} ms, "
                f"the longest {page['longest_gap_ms']:.0f} ms; heap {page['heap_before'] / 1e6:.1f} to "
                f"{page['heap_after'] / 1e6:.1f} MB, nodes {page['nodes_before']} to {page['nodes_after']}"
            )
    for name, ratios in found["ratios"].items():
        print(f"{name} / without: " + ", ".join(f"{figure} {ratio:.2f}" for figure, ratio in ratios.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=5000, help="events/s")
    parser.add_argument("--seconds", type=float, default=30, help="of each phase")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--reader", action="store_true", help="also with a client that only reads the stream")
    parser.add_argument("--json", type=Path, help="where to write everything measured")
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        return read(*options.read)
    with tempfile.TemporaryDirectory(prefix="hw-bench-") as directory, chromium() as browser:
        load.pin()  # after the browser has begun: that may use every core
        bench = Bench(options, Path(directory), browser)
        try:
            found = told(bench.run())
        finally:
            bench.server.stop()
    show(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return None


if __name__ == "__main__":
    main()
