"""Cohorts held against the events they are made from, and the file that their members are written down in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headwater.doctor.report import Check, fault, ok, some, unchecked

_KEPT = (
    "stop headwater, keep a copy of cohorts.db, and restore it from a backup; without it cohorts have to be made "
    "again, and nothing else is lost: who belongs is found anew from the events"
)


def file(faults: Sequence[str]) -> Check:
    """What SQLite says of the file; none where no cohort was ever made."""
    if faults:
        return fault("cohorts.file", f"SQLite finds: {some(faults)}", _KEPT, faults=list(faults))
    return ok("cohorts.file", "SQLite finds the file of cohorts whole")


def members(engine: int | None, verify: Callable[[], Mapping[str, Any]], quick: bool) -> Check:
    """`verify` has the engine find all members anew from the stored events: cohorts, members, differences;
    nothing when it could not be asked."""
    name = "cohorts.members"
    if quick:
        return ok(name, "left out: it reads every event a cohort looks at")
    if engine is None:
        return ok(name, "left out: the engine does not run, and finds all members anew when it starts")
    found = verify()
    if not found:
        return unchecked(name, "the engine does not answer", "run the doctor again; if it stays so, see its log")
    figures = {key: found[key] for key in ("cohorts", "members")}
    said = f"{figures['cohorts']} cohorts with {figures['members']} members, found anew from the stored events"
    if found["differences"]:
        advice = "restart the engine: it finds all members anew and writes down what differs; keep this report"
        return fault(name, f"{said}: {some(found['differences'])}", advice, differences=found["differences"], **figures)
    return ok(name, f"{said}, are the same", **figures)
