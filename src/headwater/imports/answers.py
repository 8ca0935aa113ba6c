"""What a server said about a batch, event by event."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from headwater.imports.base import Flaw

_INVALID = "invalid"
"""The code where the answer has none."""


class Verdicts(NamedTuple):
    """What became of the events of one request, by their places in it."""

    taken: int
    duplicates: int
    limited: list[int]
    """Over a rate limit: to be sent again."""
    refused: dict[int, Flaw]


def body_of(content: bytes) -> dict[str, Any]:
    """The answer's JSON; empty when it is none."""
    try:
        said = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def accepted(said: dict[str, Any], sent: Sequence[bytes], signal_id: Callable[[str], str | None]) -> Verdicts:
    """Of a 200. `signal_id`: of a signal's slug."""
    refused, limited = _flaws(said), []
    for index, flaw in list(refused.items()):
        if flaw.code == "rate_limited":
            del refused[index]
            limited.append(index)
    if said.get("rate_limited"):
        limited += _limited(said, [index for index in range(len(sent)) if index not in refused], sent, signal_id)
    duplicates = sum(1 for each in said.get("data", ()) if each.get("duplicate"))
    return Verdicts(len(sent) - len(refused) - len(limited), duplicates, sorted(limited), refused)


def refused(said: dict[str, Any], count: int) -> dict[int, Flaw] | None:
    """Of a 400 or 404, which took nothing; None when it does not speak of every event."""
    flaws = _flaws(said)
    return flaws if len(flaws) == count else None


def alone(said: dict[str, Any], status: int) -> Flaw:
    """The same for a request with one event, whatever its shape."""
    flaws = _flaws(said)
    if flaws:
        return next(iter(flaws.values()))
    code = "too_large" if status == 413 else _INVALID
    return Flaw(code, "", message(said).replace("events[0].", "") or f"the server answered {status}")


def message(said: dict[str, Any]) -> str:
    """An error's words, in whichever shape it comes."""
    errors = said.get("errors")
    if isinstance(errors, list):
        return "; ".join(str(each.get("message")) for each in errors if isinstance(each, dict))
    return str(said.get("error") or said.get("detail") or "")


def _flaws(said: dict[str, Any]) -> dict[int, Flaw]:
    """The first thing said about each event, and the words of the others."""
    found: dict[int, Flaw] = {}
    errors = said.get("errors")
    for each in errors if isinstance(errors, list) else ():
        if not isinstance(each, dict) or not isinstance(each.get("index"), int):
            continue
        index, text = each["index"], str(each.get("message", ""))
        if (known := found.get(index)) is not None:
            found[index] = known._replace(message=f"{known.message}; {text}")
        else:
            path = str(each.get("path", "")).removeprefix(f"events[{index}]").removeprefix(".")
            found[index] = Flaw(each.get("code", _INVALID), path, text, each.get("hint", ""))
    return found


def _limited(
    said: dict[str, Any], places: list[int], sent: Sequence[bytes], signal_id: Callable[[str], str | None]
) -> list[int]:
    """The places of the events that the answer lists as limited.

    It names them by signal and reference alone. Both lists are in the batch's order, and of a signal's events the
    first are taken: so an event that could stand in either is the next of those taken.
    """
    events = {place: msgspec.json.decode(sent[place]) for place in places}
    taken, over = (deque(map(_named, said.get(field, ()))) for field in ("data", "rate_limited"))
    slugs, found = {str(event.get("signal")) for event in events.values()}, []
    ids = {slug: over[0][0] if len(slugs) == 1 else signal_id(slug) for slug in slugs}
    for place, event in events.items():
        name = (ids[str(event.get("signal"))], event.get("reference"))
        if taken and taken[0] == name:
            taken.popleft()
        elif over and over[0] == name:
            over.popleft()
            found.append(place)
        else:
            raise ValueError("the answer's events are not those that were sent")
    return found


def _named(entry: dict[str, Any]) -> tuple[Any, Any]:
    return entry.get("signal_id"), entry.get("reference")
