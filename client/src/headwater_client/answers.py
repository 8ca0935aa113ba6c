"""Reads an answer into what is to be done. Pure.

| answer | verdict |
|---|---|
| 200 | taken, but for the events it names: over their limit, or refused |
| 410 | taken: it was before, and has been erased since |
| 400, 404 that names events | those are refused; nothing was taken |
| 400 that names none, 413 | split, until the event is alone that is to blame |
| 422 | refused: the key is that of another request |
| 408, 409, 425, 429, 5xx | again |
| 413 of something in front of headwater | split; an event that is alone again, slowly |
| 401, 403, any other, what is no answer of headwater's | again, slowly: somebody has to mend something |

What settles or divides a batch counts in headwater's own shape alone: whatever stands in between (a firewall, a proxy
that was asked in the wrong way) may answer with any status.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from headwater_client.events import Dialect, Event

LONGEST_WAIT = 3600.0
"""Seconds: a Retry-After of more is not believed."""

_FINAL = (400, 410, 413, 422)
"""Statuses that settle events, or divide a batch."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an event of a batch was refused."""

    index: int
    code: str
    path: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """All of it was taken, but for some places."""

    limited: tuple[int, ...] = ()
    """To be sent again, under another key."""
    refused: tuple[Refusal, ...] = ()
    wait: float = 0.0
    """Seconds until those limited have a chance."""


@dataclass(frozen=True, slots=True)
class Again:
    """The same request is to be sent again."""

    why: str
    wait: float = 0.0
    """Seconds, at least."""
    alone: bool = False
    """The others need not wait."""
    slow: bool = False
    """Somebody has to mend something first."""
    unknown: bool = True
    """It may have been taken all the same."""


@dataclass(frozen=True, slots=True)
class Split:
    """Nothing was taken; to be sent in two halves, under other keys. Of a single event this is the refusal."""

    refusal: Refusal


Verdict = Taken | Again | Split


def read(status: int, headers: Mapping[str, str], content: bytes, events: Sequence[Event], wall: float) -> Verdict:
    """`headers`: names in lower case, or any case. `wall`: seconds since 1970."""
    said = _document(content)
    if status == 200:
        return _taken(said, headers, events, wall)
    ours = _is_error(status, said, events[0].dialect)
    if status in _FINAL and not ours:
        return _foreign(status, headers, events, wall)
    if status == 410:
        return Taken()
    refused = refusals(said) if ours else ()
    if status in (400, 404) and [each.index for each in refused] == list(range(len(events))):
        return Taken(refused=refused)
    if status == 422:
        text = message(said) or "the Idempotency-Key is that of another request"
        return Taken(refused=tuple(Refusal(index, "idempotency_key", "", text) for index in range(len(events))))
    if status in (400, 413):
        return Split(_alone(status, said, refused))
    return _again(status, headers, wall)


def refusals(said: Mapping[str, Any]) -> tuple[Refusal, ...]:
    """The first fault of each event that an answer names, by place."""
    found: dict[int, Refusal] = {}
    errors = said.get("errors")
    for each in errors if isinstance(errors, list) else ():
        if isinstance(each, dict) and isinstance(index := each.get("index"), int):
            found.setdefault(index, _refusal(index, each))
    return tuple(found[index] for index in sorted(found))


def message(said: Mapping[str, Any]) -> str:
    """An error's words, in whichever shape they come."""
    errors = said.get("errors")
    if isinstance(errors, list):
        return "; ".join(str(each.get("message", "")) for each in errors if isinstance(each, dict))
    return str(said.get("error") or said.get("detail") or "")


def wait_of(headers: Mapping[str, str], wall: float) -> float:
    """Seconds until the time that Retry-After or X-RateLimit-Reset names; 0 without them."""
    if (text := headers.get("retry-after")) is not None:
        seconds = _seconds(text)
        return _bounded(_until(text, headers, wall) if seconds is None else seconds)
    return _bounded(_until(headers.get("x-ratelimit-reset", ""), headers, wall))


def _is_error(status: int, said: Mapping[str, Any], dialect: Dialect) -> bool:
    """It is in the shape in which headwater tells errors to that dialect."""
    if dialect == "bigmind":
        return said.get("success") is False and isinstance(said.get("error"), str)
    errors = said.get("errors")
    listed = errors if isinstance(errors, list) else ()
    told = [isinstance(each, dict) and isinstance(each.get("message"), str) for each in listed]
    return said.get("status") == status and bool(told) and all(told)


def _foreign(status: int, headers: Mapping[str, str], events: Sequence[Event], wall: float) -> Verdict:
    """A 413 has come from in front of headwater, which did not see the request: smaller ones may pass."""
    if status == 413 and len(events) > 1:
        return Split(_alone(status, {}, ()))
    return Again(f"HTTP {status} that is not headwater's", wait_of(headers, wall), slow=True, unknown=status != 413)


def _document(content: bytes) -> dict[str, Any]:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _taken(said: dict[str, Any], headers: Mapping[str, str], events: Sequence[Event], wall: float) -> Verdict:
    named = refusals(said)
    limited = {each.index for each in named if each.code == "rate_limited"} | _limited(said, events)
    refused = tuple(each for each in named if each.index not in limited)
    told = [each.index for each in refused] + list(limited)
    ours = said.get("success") is True and (events[0].dialect == "bigmind" or said.get("status") == 200)
    if not ours or any(not 0 <= index < len(events) for index in told):
        return Again("the answer is not headwater's", slow=True)
    if events[0].dialect == "bigmind" and _count(said, "data") != len(events) - len(told):
        return Again("the answer does not fit the batch", slow=True)
    return Taken(tuple(sorted(limited)), refused, wait_of(headers, wall) if limited else 0.0)


def _limited(said: dict[str, Any], events: Sequence[Event]) -> set[int]:
    """Bigmind names them by reference, which a batch has each once."""
    entries = said.get("rate_limited")
    listed = entries if isinstance(entries, list) else ()
    references = {str(each.get("reference")) for each in listed if isinstance(each, dict)}
    return {index for index, event in enumerate(events) if event.reference and event.reference in references}


def _count(said: dict[str, Any], name: str) -> int:
    entries = said.get(name)
    return len(entries) if isinstance(entries, list) else 0


def _refusal(index: int, each: dict[str, Any]) -> Refusal:
    path = str(each.get("path", "")).removeprefix(f"events[{index}]").removeprefix(".")
    text = str(each.get("message", "")).replace(f"events[{index}].", "")
    return Refusal(index, str(each.get("code", "invalid")), path, text, str(each.get("hint", "")))


def _alone(status: int, said: dict[str, Any], refused: Sequence[Refusal]) -> Refusal:
    if refused:
        return refused[0]
    code = "too_large" if status == 413 else "invalid"
    return Refusal(0, code, "", message(said).replace("events[0].", "") or f"the server answered {status}")


def _again(status: int, headers: Mapping[str, str], wall: float) -> Again:
    why, wait = f"HTTP {status}", wait_of(headers, wall)
    if status in (409, 429):
        return Again(why, wait, alone=True, unknown=status == 409)
    if status in (408, 425) or status >= 500:
        return Again(why, wait)
    return Again(why, wait, slow=True, unknown=status not in (401, 403, 404, 407))


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _until(text: str, headers: Mapping[str, str], wall: float) -> float:
    """By the server's own clock, where it tells that: the sender's may be wrong."""
    when = _moment(text)
    now = _moment(headers.get("date", ""))
    return 0.0 if when is None else when - (wall if now is None else now)


def _moment(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 or an HTTP date."""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = parse(text)
        except (ValueError, TypeError, IndexError):
            continue
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT) if math.isfinite(seconds) else 0.0
