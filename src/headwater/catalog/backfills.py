"""What a backfill may become, as values; the catalog writes them down."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from headwater.catalog.base import Backfill
from headwater.clock import DAY_MS, iso_or_none, to_iso
from headwater.errors import ConflictError
from headwater.rules.ids import new_id
from headwater.rules.names import check_name


def made(workspace: str, name: str, hold: bool, now_ms: int) -> Backfill:
    """A new one that somebody asked for. InvalidError for a name that cannot be."""
    return Backfill(new_id("bf"), workspace, check_name(name), "open", hold, None, now_ms)


def standing(workspace: str, now_ms: int, known: Iterable[Backfill]) -> Backfill:
    """A new one for what is received this day and names none; `known`: the workspace's."""
    day, taken = day_of(now_ms), {each.name for each in known}
    name, number = f"migration {day}", 1
    while name in taken:
        number += 1
        name = f"migration {day} ({number})"
    return Backfill(new_id("bf"), workspace, name, "open", False, day, now_ms)


def day_of(now_ms: int) -> str:
    """The UTC day, as `2026-11-22`."""
    return _day(now_ms // DAY_MS)


@lru_cache(maxsize=4)
def _day(number: int) -> str:
    return to_iso(number * DAY_MS)[:10]


def closed(known: Backfill, now_ms: int) -> Backfill:
    """It takes no more events."""
    return replace(known, status="closed", closed_ms=now_ms) if known.status == "open" else known


def released(known: Backfill, now_ms: int) -> Backfill:
    """Its events count. ConflictError when it was never held, or is reverted."""
    if known.status == "reverted":
        raise ConflictError(f"the backfill '{known.name}' is reverted")
    if not known.held and known.released_ms is None:
        raise ConflictError(f"the backfill '{known.name}' was not held")
    return replace(known, held=False, released_ms=now_ms) if known.held else known


def reverted(known: Backfill, now_ms: int) -> Backfill:
    """It takes no more events, and none of it counts."""
    if known.status == "reverted":
        return known
    return replace(closed(known, now_ms), status="reverted", reverted_ms=now_ms)


def answer(backfill: Backfill, events: int | None, rejected: int | None, settled: bool = True) -> dict[str, Any]:
    """What is told of one. `events`, `rejected`: how many are stored, None: nobody can say now.

    `settled`: whether what its release or revert has to change is changed.
    """
    status: str = backfill.status
    if not settled and status == "reverted":
        status = "reverting"
    elif not settled and backfill.released_ms is not None:
        status = "releasing"
    return {
        "id": backfill.id,
        "name": backfill.name,
        "status": status,
        "held": backfill.held,
        "day": backfill.day,
        "events": events,
        "rejected": rejected,
        "created_at": to_iso(backfill.created_ms),
        "closed_at": iso_or_none(backfill.closed_ms),
        "released_at": iso_or_none(backfill.released_ms),
        "reverted_at": iso_or_none(backfill.reverted_ms),
    }
