"""The file of claims held against the log that they come from, and what long work has left behind."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from headwater import tombstones
from headwater.clock import MINUTE_MS, to_iso
from headwater.doctor.report import Check, fault, ok, some, warning
from headwater.errors import CorruptionError
from headwater.state.base import Job

_DIGITS = 64
"""Of a tombstone's hash."""
LONG_MS = 60 * MINUTE_MS
"""An open job that is older than this is worth a word."""

_KEPT = (
    "stop headwater, keep a copy of claims.db and remove it; requests that were answered before may then be taken "
    "again when they are sent again, and nothing else is lost"
)


class Examined(Protocol):
    """The file, opened to be read. Raises CorruptionError when it is damaged."""

    def position(self) -> int: ...

    def count(self) -> int: ...

    def faults(self, quick: bool) -> Sequence[str]: ...


def file(claims: Examined, quick: bool) -> Check:
    """What SQLite says of it."""
    faults = claims.faults(quick)
    if faults:
        return fault("claims.file", f"SQLite finds: {some(faults)}", _KEPT, faults=list(faults))
    count = claims.count()
    return ok("claims.file", f"SQLite finds its file whole; {count} claims", claims=count)


def reach(position: int, oldest: int, durable: Callable[[], int]) -> Check:
    """Whether file and log together have every claim. `oldest` was read before the position, `durable` is read after:
    the log grows."""
    end = durable()
    said = f"claims up to position {position} are in their file; the log has {oldest} to {end}"
    figures = {"position": position, "oldest": oldest, "durable": end}
    if position > end:
        advice = "claims.db is of a later moment than the log: restore both of one backup"
        return fault("claims.log", f"{said}: the log ends before", advice, **figures)
    if 0 < position < oldest:
        advice = (
            "what was claimed in between is forgotten: a request of that time that is sent again is taken again; "
            "restore claims.db from the backup that the log is of"
        )
        return fault("claims.log", f"{said}: nobody has those in between", advice, **figures)
    return ok("claims.log", f"{said}; together they have all", **figures)


def jobs(found: Iterable[Job], now_ms: int, running: bool) -> Check:
    """Reverts, erasures and the like that fail, or take long."""
    all_of = [*found]
    open_ = [job for job in all_of if job.done_ms is None]
    said = f"{len(all_of)} jobs, {len(open_)} of them not done"
    figures = {"jobs": len(all_of), "open": len(open_)}
    failing = [f"{job.id} ({job.kind}) at '{job.step}': {job.failure}" for job in open_ if job.failure]
    if failing:
        advice = "see what the engine logged; it is tried again by itself, a minute later at most"
        return warning("state.jobs", f"{said}; failing: {some(failing)}", advice, failing=failing, **figures)
    late = [f"{job.id} ({job.kind}), since {to_iso(job.begun_ms)}" for job in open_ if now_ms - job.begun_ms > LONG_MS]
    if late:
        advice = "see what the engine logs" if running else "start headwater: it goes on with them"
        return warning("state.jobs", f"{said}; for long: {some(late)}", advice, late=late, **figures)
    return ok("state.jobs", said, **figures)


def erased(path: Path) -> Check:
    """The list of who was erased: what a restore of an older backup goes by."""
    name = "files.tombstones"
    try:
        found = tombstones.read(path)
    except CorruptionError as error:
        advice = "restore it from the newest backup: without it a restore may bring back who was erased"
        return fault(name, str(error), advice)
    wrong = [each for each in found if len(each.hash) != _DIGITS]
    if wrong:
        return fault(name, f"{len(wrong)} of {len(found)} tombstones are cut", "restore it from the newest backup")
    return ok(name, f"{len(found)} identities were erased", tombstones=len(found))
