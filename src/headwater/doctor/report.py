"""What a doctor says: one verdict a check, the figures it rests on, and what to do."""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any

import msgspec


class Verdict(StrEnum):
    """From best to worst."""

    OK = "ok"
    WARNING = "warning"
    """Nothing is wrong yet, or nothing that headwater does not mend by itself."""
    UNCHECKED = "unchecked"
    """What it needs could not be read; another check says why."""
    FAULT = "fault"
    """Events are lost, doubled, unreadable or in danger."""


class Check(msgspec.Struct, frozen=True):
    """One comparison and what came of it."""

    name: str
    """`part.what`, as in `log.records`; docs/doctor.md has a paragraph for each."""
    verdict: Verdict
    said: str
    """What was compared, with figures, for people."""
    figures: dict[str, Any] = {}
    """The same for programs."""
    advice: str = ""
    """What to do; for everything that is not ok."""


Tell = Callable[[str, int, int], None]
"""Progress: what is being done, how much of it is done, of how much (0: not known)."""

EXAMPLES = 5
"""Of many things that are wrong, so many are named."""


def ok(name: str, said: str, **figures: Any) -> Check:
    return Check(name, Verdict.OK, said, figures)


def warning(name: str, said: str, advice: str, **figures: Any) -> Check:
    return Check(name, Verdict.WARNING, said, figures, advice)


def fault(name: str, said: str, advice: str, **figures: Any) -> Check:
    return Check(name, Verdict.FAULT, said, figures, advice)


def unchecked(
    name: str, why: str, advice: str = "mend what the other checks found, then run the doctor again"
) -> Check:
    return Check(name, Verdict.UNCHECKED, f"could not be checked: {why}", {}, advice)


def some(things: Sequence[object]) -> str:
    """The first of them, for people: `a, b, c and 17 more`."""
    shown = ", ".join(map(str, things[:EXAMPLES]))
    return f"{shown} and {len(things) - EXAMPLES} more" if len(things) > EXAMPLES else shown


def exit_code(checks: Iterable[Check]) -> int:
    """0: all is ok, but for warnings. 1: there is a fault. 2: no fault was found, but not all could be looked at."""
    verdicts = {check.verdict for check in checks}
    if Verdict.FAULT in verdicts:
        return 1
    return 2 if Verdict.UNCHECKED in verdicts or not verdicts else 0
