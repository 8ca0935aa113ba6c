"""The file that webhooks and their deliveries are written down in."""

from collections.abc import Sequence

from headwater.doctor.report import Check, fault, ok, some

_KEPT = (
    "stop headwater, keep a copy of webhooks.db, and restore it from a backup; without it webhooks have to be made "
    "again, and what waited to be delivered is not"
)


def file(faults: Sequence[str]) -> Check:
    """What SQLite says of the file; none where no webhook was ever made."""
    if faults:
        return fault("webhooks.file", f"SQLite finds: {some(faults)}", _KEPT, faults=list(faults))
    return ok("webhooks.file", "SQLite finds the file of webhooks whole")
