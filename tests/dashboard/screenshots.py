"""Pictures of every page, light and dark, wide and narrow, of a new server full of the demo. `make screenshots`, or

    python tests/dashboard/screenshots.py [--out build/screenshots] [--only NAME] [--write-docs]

The demo is always the same, but tells of the ninety days before now: dates differ from run to run, what is relative to
now does not. `--write-docs` renews the README's three pictures in docs/images.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from threading import Event, Thread
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import shown
from browsing import NARROW, ROOT, WIDE, Scheme, Size, chromium, open_context, settle, sign_in
from harness import Server, keyed, running
from headwater.clock import now_ms
from headwater.demo.base import Dialect
from headwater.demo.story import batches, story
from shown import DETAILS, LISTS, SIGN_IN, Place, Shown

SIZES = {"1440": WIDE, "380": NARROW}
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
EVENTS = 40_000
IN_README = {"live": "live", "cohort-builder": "cohort", "profile-person": "profile"}
"""The names of places, and of their pictures in docs/images."""
PATHS: dict[Dialect, str] = {
    "bik": "/integrations/bikPlatformFunctions-events/sendEvents",
    "bigmind": "/v1/events/batch",
}
TRAFFIC_SECONDS = 20
"""Before the first picture, so that the Live page has something to draw."""


@contextmanager
def traffic(workspace: Shown) -> Iterator[None]:
    """Somebody sends: some ten requests a second of a few events each, until the end of the block."""
    end = Event()

    def send() -> None:
        told = story(60_000, now_ms() + 1_000_000, seed="traffic", tag="7")
        with keyed(workspace.url, workspace.key) as client:
            for number, (dialect, sent) in enumerate(batches(told)):
                # As happening now: without their times, and without what marks a history.
                bodies = [_now(each.body) for each in sent[: 5 + number * 7 % 23]]
                client.post(PATHS[dialect], json={"events": bodies})
                if end.wait(0.06 + number % 5 * 0.02):
                    return

    sender = Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        end.set()
        sender.join()


def _now(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in ("createdAt", "isMigration", "timestamp")}


def take(browser: Any, workspace: Shown, state: Any, place: Place, size: Size, stem: Path) -> None:
    """Pictures of all of a page, however long, light and dark."""
    context, watch = open_context(browser, workspace.url, size, state=state)
    watch.expect("401")
    page = context.new_page()
    page.goto(place.of(workspace.facts))
    settle(page)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(1_000 if place.name == "live" else 300)
        path = stem.with_name(f"{stem.name}-{scheme}.png")
        page.screenshot(path=path, full_page=place.name not in IN_README, animations="disabled", caret="hide")
    context.close()
    for fault in watch.faults:
        print(f"{stem.name}: {fault}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "screenshots")
    parser.add_argument("--only", action="append", help="the name of a place, as in shown.py; may be given again")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--write-docs", action="store_true", help="renew docs/images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    places = [each for each in (*LISTS, *DETAILS, SIGN_IN) if not options.only or each.name in options.only]
    with (
        tempfile.TemporaryDirectory(prefix="headwater-") as directory,
        running(Server(Path(directory) / "data")) as server,
        chromium() as browser,
    ):
        workspace = shown.filled(server.url, server.key, options.events)
        with keyed(server.url, server.key) as client:
            bare = client.post("/v1/workspaces", json={"name": "new shop", "preset": None}).json()
        empty = Shown(server.url, bare["api_key"], {})
        with traffic(workspace):
            _all(browser, workspace, places, options.out, "")
        _all(browser, empty, [each for each in places if each in LISTS], options.out, "-empty")
        if options.write_docs:
            for name, image in IN_README.items():
                source = options.out / f"{name}-1440-light.png"
                (ROOT / "docs" / "images").mkdir(exist_ok=True)
                (ROOT / "docs" / "images" / f"{image}.png").write_bytes(source.read_bytes())
    print(f"{len(list(options.out.glob('*.png')))} pictures in {options.out}")


def _all(browser: Any, workspace: Shown, places: list[Place], out: Path, suffix: str) -> None:
    state = sign_in(browser, workspace.url, workspace.key)
    if not suffix:
        Event().wait(TRAFFIC_SECONDS)
    for place, (width, size) in product(places, SIZES.items()):
        signed = None if place is SIGN_IN else state
        take(browser, workspace, signed, place, size, out / f"{place.name}{suffix}-{width}")


if __name__ == "__main__":
    main()
