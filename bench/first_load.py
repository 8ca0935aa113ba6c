"""What a first visit to a page of the dashboard transfers, and how soon it can be used.

    python bench/first_load.py [--path /ui/] [--times 5] [--json]

Each time a new browser context: nothing is cached. Transferred bytes are those of the network, heads and compression
included. First contentful paint is the browser's; interactive is the end of the last long task after it (the paint
itself when there is none). The server runs on the same machine: its distance is not in the times.
"""

import argparse
import gzip
import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from browser import Seen, chromium, open_context, settle, sign_in
from servers import Headwater

PAGE = "/ui/"
QUIET_MS = 1_000
"""Waited after a page has settled, for tasks that come late."""
_TIMES = """
window.headwaterBenchTasks = []
new PerformanceObserver(list => {
  for (const each of list.getEntries()) headwaterBenchTasks.push([each.startTime, each.duration])
}).observe({ type: "longtask", buffered: true })
"""
_TOLD = """
() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null
  const ends = headwaterBenchTasks.map(([start, duration]) => start + duration).filter(end => end > paint)
  return { paint_ms: paint, interactive_ms: Math.max(paint, ...ends), tasks: headwaterBenchTasks }
}
"""


def visit(browser: Any, origin: str, state: Any, path: str = PAGE) -> Seen:
    """One cold visit: `files` (url, type, transferred, bytes), `paint_ms`, `interactive_ms`."""
    context, watch = open_context(browser, origin, state=state)
    page = context.new_page()
    page.add_init_script(_TIMES)
    files = _listen(context.new_cdp_session(page))
    page.goto(path)
    settle(page)
    page.wait_for_timeout(QUIET_MS)
    times = page.evaluate(_TOLD)
    context.close()
    assert watch.faults == [], watch.faults
    return {**times, "files": [each for each in files.values() if "transferred" in each]}


def _listen(network: Any) -> dict[str, Seen]:
    """What comes over the network from now on, by request; streams that never end are left out."""
    files: dict[str, Seen] = {}

    def responded(told: Seen) -> None:
        files[told["requestId"]] = {"url": told["response"]["url"], "type": told["type"]}

    def finished(told: Seen) -> None:
        if told["requestId"] in files:
            files[told["requestId"]]["transferred"] = told["encodedDataLength"]

    network.on("Network.responseReceived", responded)
    network.on("Network.loadingFinished", finished)
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    return files


def by_type(files: list[Seen]) -> dict[str, int]:
    """Transferred bytes: `Document`, `Script`, `Stylesheet`, `Fetch`, …"""
    sums: dict[str, int] = {}
    for each in files:
        sums[each["type"]] = sums.get(each["type"], 0) + round(each["transferred"])
    return sums


def code_bytes(files: list[Seen]) -> int:
    """Transferred bytes of scripts and styles."""
    sums = by_type(files)
    return sums.get("Script", 0) + sums.get("Stylesheet", 0)


def gzipped(files: list[Seen]) -> dict[str, tuple[int, int]]:
    """Scripts and styles, by name: bytes as they are, and as gzip makes them at its best."""
    sizes = {}
    for url in {each["url"] for each in files if each["type"] in ("Script", "Stylesheet")}:
        body = httpx.get(url, trust_env=False).content
        sizes[url.rpartition("/")[2]] = (len(body), len(gzip.compress(body, 9)))
    return dict(sorted(sizes.items(), key=lambda each: -each[1][1]))


def measured(browser: Any, origin: str, key: str, path: str, times: int) -> Seen:
    state = sign_in(browser, origin, key)
    visits = [visit(browser, origin, state, path) for _ in range(times)]
    return {
        "path": path,
        "visits": len(visits),
        "requests": len(visits[0]["files"]),
        "transferred": by_type(visits[0]["files"]),
        "code": code_bytes(visits[0]["files"]),
        "gzip": gzipped(visits[0]["files"]),
        "paint_ms": median(each["paint_ms"] for each in visits),
        "interactive_ms": median(each["interactive_ms"] for each in visits),
    }


def show(found: Seen) -> None:
    print(f"{found['path']}, cold, median of {found['visits']}: {found['requests']} requests")
    for kind, size in sorted(found["transferred"].items(), key=lambda each: -each[1]):
        print(f"  {kind:<12} {size:>10,} bytes transferred")
    print(f"  {'JS + CSS':<12} {found['code']:>10,} bytes transferred")
    print(f"  first contentful paint {found['paint_ms']:.0f} ms, interactive {found['interactive_ms']:.0f} ms")
    print("  scripts and styles, as they are and gzipped:")
    for name, (whole, packed) in found["gzip"].items():
        print(f"    {name:<40} {whole:>9,} {packed:>9,}")
    print(
        f"    {'':<40} {sum(a for a, _ in found['gzip'].values()):>9,} {sum(b for _, b in found['gzip'].values()):>9,}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", default=PAGE)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hw-bench-") as directory, chromium() as browser:
        server = Headwater("headwater", Path(directory))
        try:
            key = server.authorization.removeprefix("Bearer ")
            found = measured(browser, server.url, key, options.path, options.times)
        finally:
            server.stop()
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        show(found)


if __name__ == "__main__":
    main()
