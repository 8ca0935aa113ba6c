"""The file in which is written down how far destinations are."""

from collections.abc import Sequence

from headwater.doctor.report import Check, fault, ok, some

_KEPT = (
    "stop headwater, keep a copy of destinations.db, and restore it from a backup; without it destinations begin anew, "
    "so give them an empty place"
)


def file(faults: Sequence[str]) -> Check:
    """What SQLite says of the file; none where the engine never ran."""
    if faults:
        return fault("destinations.file", f"SQLite finds: {some(faults)}", _KEPT, faults=list(faults))
    return ok("destinations.file", "SQLite finds the file of destinations whole")
