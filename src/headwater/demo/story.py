"""The whole story: so many events of customers and accounts, ordered by time, some of them wrong."""

from collections.abc import Callable, Iterable, Iterator
from itertools import count as numbers
from random import Random
from typing import Any

from headwater.clock import DAY_MS, to_iso
from headwater.demo import crm, shop
from headwater.demo.base import DAYS, RECENT_MS, Dialect, Sent, Span, dice
from headwater.events import MAX_BATCH

SEED = "marigold"
CRM_SHARE = 0.2
"""Of all events; the rest is the shop's."""
WRONG_SHARE = 0.015
_CARELESS = {"support-ticket-opened": 0.1, "health-score": 0.05, "deal-stage": 0.05}
"""Who sends these is wrong more often."""

Life = Callable[[str, int, str, Span], list[Sent]]


def story(count: int, end_ms: int, seed: str = SEED, tag: str = "") -> list[Sent]:
    """Exactly `count` events of the ninety days before `end_ms` (UTC milliseconds), the oldest first.

    `tag`: up to four digits in every id and address, so that the people of several stories are not the same.
    """
    span = Span(end_ms - DAYS * DAY_MS, end_ms)
    from_crm = round(count * CRM_SHARE)
    lived = [*_lives(crm.life, from_crm, seed, tag, span), *_lives(shop.life, count - from_crm, seed, tag, span)]
    lived.sort(key=lambda sent: sent.ms)
    random = dice(f"{seed} wrong")
    return [_spoilt(random, sent, span) if random.random() < _share(sent) else sent for sent in lived]


def batches(story: Iterable[Sent]) -> Iterator[tuple[Dialect, list[Sent]]]:
    """The story as requests: up to a hundred events of one dialect each, nearly in order of time."""
    waiting: dict[Dialect, list[Sent]] = {"bik": [], "bigmind": []}
    for sent in story:
        held = waiting[sent.dialect]
        held.append(sent)
        if len(held) == MAX_BATCH:
            yield sent.dialect, held
            waiting[sent.dialect] = []
    yield from ((dialect, held) for dialect, held in waiting.items() if held)


def _lives(life: Life, count: int, seed: str, tag: str, span: Span) -> list[Sent]:
    """The first lives that make `count` events; the last one ends early."""
    lived: list[Sent] = []
    for number in numbers():
        if len(lived) >= count:
            break
        lived += life(seed, number, tag, span)
    return lived[:count]


def _share(sent: Sent) -> float:
    return _CARELESS.get(sent.body["signal"], WRONG_SHARE) if sent.dialect == "bigmind" else WRONG_SHARE


def _spoilt(random: Random, sent: Sent, span: Span) -> Sent:
    """The event with the mistake that its sender could have made; as it was when there is none."""
    body: dict[str, Any] = dict(sent.body)
    if sent.dialect == "bik":
        if sent.ms > span.end_ms - DAY_MS or not body.pop("isMigration", False):
            return sent
        return sent._replace(body=body, wrong="outside_realtime_window")
    if sent.ms > span.end_ms - RECENT_MS:
        return sent
    return _spoilt_crm(random, sent, body, span)


def _spoilt_crm(random: Random, sent: Sent, body: dict[str, Any], span: Span) -> Sent:
    data, wrong = dict(body["data"]), _MISTAKES.get(body["signal"])
    if wrong is None or random.random() < 0.2:
        body["timestamp"] = to_iso(span.end_ms + random.randrange(1, 30) * DAY_MS)
        return sent._replace(body=body, wrong="timestamp_in_future")
    reason, field, value = wrong
    data[field] = value
    return sent._replace(body=body | {"data": data}, wrong=reason)


_MISTAKES: dict[str, tuple[str, str, Any]] = {
    "api-calls": ("metric_value_missing", "calls", "1,204"),
    "seats": ("metric_value_missing", "seats", {"active": None}),
    "order-value": ("metric_value_missing", "total", None),
    "first-response": ("metric_value_missing", "hours", "2h"),
    "health-score": ("state_value_missing", "score", None),
    "plan": ("state_value_missing", "plan", {}),
    "loyalty-tier": ("state_value_missing", "tier", None),
    "deal-stage": ("state_value_missing", "stage", None),
    "support-ticket-opened": ("schema_violation", "priority", "ASAP!!"),
}
"""What goes wrong with a signal's data: the reason it is rejected for, the field, and what stands there."""
