"""What a signal's definition may be."""

import re

from headwater.errors import InvalidError
from headwater.rules.names import slug_is_valid
from headwater.signals import Signal

MAX_RATE = 1_000_000_000
MAX_VALUE = 200
MAX_DAYS = 36_500

_VALUE = re.compile(r"[^.\s]+(\.[^.\s]+)*")


def check(signal: Signal) -> Signal:
    """The same signal, or InvalidError naming the field that does not go with its type."""
    if not slug_is_valid(signal.slug):
        raise InvalidError("'slug' must be 1 to 100 of the characters A-Z a-z 0-9 - . _ ~", "slug")
    if signal.value is not None and (len(signal.value) > MAX_VALUE or not _VALUE.fullmatch(signal.value)):
        raise InvalidError("'value' must be a dotted path into the event's data, as in 'usage.calls'", "value")
    if signal.rate_limit is not None and not 1 <= signal.rate_limit <= MAX_RATE:
        raise InvalidError("'rate_limit' must be a whole number from 1 on, or null for none", "rate_limit")
    if signal.retention_days is not None and not 1 <= signal.retention_days <= MAX_DAYS:
        raise InvalidError(f"'retention_days' must be from 1 to {MAX_DAYS}, or null for ever", "retention_days")
    for field in _needed(signal):
        if getattr(signal, field) is None:
            raise InvalidError(f"'{field}' is required for a signal of type {signal.type}", field)
    for field in _foreign(signal):
        if getattr(signal, field) is not None:
            raise InvalidError(f"'{field}' is not allowed for a signal of type {signal.type}", field)
    return signal


def _needed(signal: Signal) -> tuple[str, ...]:
    if signal.type == "metric":
        return ("aggregation", "period") if signal.aggregation == "count" else ("aggregation", "period", "value")
    return ("value",) if signal.type == "state" else ()


def _foreign(signal: Signal) -> tuple[str, ...]:
    return {"event": ("aggregation", "period", "value"), "state": ("aggregation", "period"), "metric": ()}[signal.type]
