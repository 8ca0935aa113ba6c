"""What a long test found: a line for whoever runs it (`-rP` shows it) and, on demand, a record for docs/torture.md."""

import json
import os
import subprocess
import time
from enum import StrEnum
from functools import cache
from pathlib import Path

from tools import SHARE

REPORT = "HEADWATER_TORTURE_REPORT"
"""Names the file that records are appended to, one JSON object a line; `bench/torture_report.py` makes tables of it."""

Figure = int | float | str


class Section(StrEnum):
    """What a test does to headwater: the sections of docs/torture.md."""

    KILLS = "kills"
    POWER = "power cuts"
    LIMITS = "disk, limits, clock"
    CLIENTS = "clients"
    TENANTS = "tenants"
    SOAK = "soak"
    TRUTH = "truth"
    """Random workspaces beside an evaluator of their own."""


_began = time.monotonic()


def begin() -> None:
    """A test starts: its seconds count from here."""
    global _began
    _began = time.monotonic()


def tell(section: Section, what: str, /, seed: int | None = None, **figures: Figure) -> None:
    """`what` was done, in a few words that are the same each time, and what came of it.

    A figure's name is what is counted (`kills=200, lost=0`); an underscore in it is read as a space.
    """
    shown = ", ".join(f"{name.replace('_', ' ')} {_shown(figure)}" for name, figure in figures.items())
    print(f"\n{section} · {what}: {shown}" + (f" (seed {seed})" if seed is not None else ""))
    if path := os.environ.get(REPORT):
        _record(Path(path), {"section": section, "what": what, "figures": figures, "seed": seed})


def _shown(figure: Figure) -> str:
    return figure if isinstance(figure, str) else f"{figure:,.3f}" if isinstance(figure, float) else f"{figure:,}"


def _record(path: Path, told: dict[str, object]) -> None:
    """In one write: workers of one run share the file."""
    told |= {
        "test": os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0],
        "percent": int(os.environ.get(SHARE, "100")),
        "seconds": round(time.monotonic() - _began, 1),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": _commit(),
    }
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(fd, json.dumps(told).encode() + b"\n")
    finally:
        os.close(fd)


@cache
def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=10", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
