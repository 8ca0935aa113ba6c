"""The same questions of headwater, DuckDB and PostgreSQL in one run, taking turns, each question warm."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from cohort_kinds import kinds, named
from cohort_rivals import DuckDB, Postgres, Rival
from headwater.clock import parse_iso

ROUNDS = 5
"""Times that each is asked each question, after a first one that does not count."""

Figures = dict[str, Any]
Step = Callable[..., Callable[[int], None]]
"""A new line of progress: its text, and of how many; gives what moves it on."""


def started(directory: Path, patience: float) -> tuple[list[Rival], dict[str, str]]:
    """Those that run here, and why the others do not."""
    found: list[Rival] = []
    missing = {}
    makers: dict[str, Callable[[], Rival]] = {
        "DuckDB": lambda: DuckDB(directory / "events.duckdb", patience),
        "PostgreSQL": lambda: Postgres(patience),
    }
    for name, make in makers.items():
        try:
            found.append(make())
        except BaseException as error:  # a test's "skipped" is none of Exception's
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            missing[name] = str(error).splitlines()[0]
    return found, missing


def filled(rivals: Sequence[Rival], table: Path, count: int, step: Step) -> dict[str, Figures]:
    """Fills each, and says how long it took and how big it is."""
    told = {}
    for rival in rivals:
        tell, began = step(f"filling {rival.name}", count), time.monotonic()
        rival.fill(table, tell)
        told[rival.name] = {
            "seconds": time.monotonic() - began,
            "bytes": rival.size(),
            "version": rival.version(),
        }
    return told


def asked(client: httpx.Client, rivals: Sequence[Rival], dates: tuple[int, int], step: Step) -> list[Figures]:
    """Each question in turns; the databases are told the moment that headwater's answer was about."""
    asking = [kinds(*dates, rival.words) for rival in rivals]
    return [
        _question(client, dict(zip(rivals, each, strict=True)), kind, dates, step)
        for kind, *each in zip(kinds(*dates), *asking, strict=True)
    ]


def _question(client: httpx.Client, asking: dict[Rival, Any], kind: Any, dates: tuple[int, int], step: Step) -> Figures:
    tell = step(f"in turns: {kind.name}", 1 + ROUNDS)
    sizes: list[dict[str, int | None]] = []
    times: dict[str, list[float]] = {}
    for turn in range(1 + ROUNDS):
        answer, ms = _preview(client, kind.definition)
        size: dict[str, int | None] = {"headwater": answer["size"]}
        times.setdefault("headwater", []).append(ms)
        moment = named(parse_iso(answer["as_of"]), *dates)
        for rival, theirs in asking.items():
            if sizes and sizes[-1].get(rival.name) is None:  # given up once is enough
                continue
            size[rival.name], ms = rival.ask(theirs.told(moment))
            times.setdefault(rival.name, []).append(ms)
        sizes.append(size)
        tell(1 if turn else 0)
    warm = {name: median(taken[1:] or taken) for name, taken in times.items()}
    return {"kind": kind.name, "sizes": sizes, "ms": warm, "most_ms": {name: max(each) for name, each in times.items()}}


def _preview(client: httpx.Client, definition: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    answer = client.post("/v1/cohorts/preview", json={"definition": definition})
    ms = (time.perf_counter() - began) * 1e3
    if answer.is_error:
        raise SystemExit(f"a preview: {answer.status_code} {answer.text[:1000]}")
    return answer.json(), ms
