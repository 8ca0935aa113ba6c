"""What a server would say about the form of an event, without asking one."""

from headwater.dialects import DIALECTS
from headwater.dialects.base import BodyError, Fault, dotted
from headwater.imports.base import Dialect, Flaw


def flaw(dialect: Dialect, event: bytes) -> Flaw | None:
    """Only what can be known without the workspace's signals; its region for phone numbers is not known either."""
    speaks = next(each for each in DIALECTS if each.name == dialect)
    try:
        request = speaks.decode(b'{"events":[' + event + b"]}", False, None)
    except BodyError as error:
        return Flaw("json", error.path.removeprefix("events[0].").removeprefix("events[0]"), error.message)
    return next((_flaw(fault) for fault in request.faults if not _by_region(fault)), None)


def _flaw(fault: Fault) -> Flaw:
    return Flaw(fault.code, dotted(fault.path).removeprefix("."), fault.text)


def _by_region(fault: Fault) -> bool:
    return fault.code == "identity" and "phone number" in fault.text
