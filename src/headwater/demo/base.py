"""One event of the story, and how a story is written down as the two dialects want it."""

from random import Random
from typing import Any, Literal, NamedTuple

from headwater.clock import DAY_MS, to_iso

DAYS = 90
HOUR_MS = DAY_MS // 24
RECENT_MS = HOUR_MS
"""What is younger is sent as happening now; well inside the window of the realtime lane, for sending takes a while."""

_BY_HOUR = (2, 1, 1, 1, 1, 2, 4, 6, 8, 9, 10, 10, 11, 10, 9, 9, 10, 11, 13, 15, 16, 14, 9, 5)
"""How busy each hour of a day is, UTC, as shoppers are."""
_HOURS = range(24)

Dialect = Literal["bik", "bigmind"]


class Sent(NamedTuple):
    """An event as a client sends it."""

    ms: int
    """When it happened, UTC. What says otherwise (a clock that is wrong) is in `body` only."""
    dialect: Dialect
    body: dict[str, Any]
    wrong: str | None = None
    """The reason it will be rejected for, when something is wrong with it on purpose."""


class Span(NamedTuple):
    """The time a story takes, UTC milliseconds."""

    begin_ms: int
    end_ms: int


def dice(seed: str) -> Random:
    return Random(seed)  # noqa: S311  a story, no secret


def moment(random: Random, day_ms: int) -> int:
    """A time of that day (which begins at `day_ms`), likelier when people are awake."""
    hour = random.choices(_HOURS, _BY_HOUR)[0]
    return day_ms + hour * HOUR_MS + random.randrange(HOUR_MS)


def shop_event(
    span: Span, ms: int, name: str | None, contact: dict[str, str], event: str, data: dict[str, Any]
) -> Sent:
    """As BIK's clients send it: history with its date and `isMigration`."""
    body: dict[str, Any] = {"eventName": event, "eventProperties": data, "createdAt": to_iso(ms), **contact}
    if name is not None:
        body["name"] = name
    if ms < span.end_ms - RECENT_MS:
        body["isMigration"] = True
    return Sent(ms, "bik", body)


def crm_event(ms: int, signal: str, type_: str, id_: str, data: dict[str, Any]) -> Sent:
    """As Bigmind's clients send it."""
    identity = {"type": type_, "id": id_}
    return Sent(ms, "bigmind", {"signal": signal, "identity": identity, "data": data, "timestamp": to_iso(ms)})
