"""What a signal measures in an event's data: the number of a metric, the value of a state."""

from functools import lru_cache
from typing import Any

import msgspec

from headwater.rules.numbers import billionths, text
from headwater.signals import Signal

Path = tuple[str, ...]

_encode = msgspec.json.Encoder(order="deterministic").encode


@lru_cache(1 << 12)
def path_of(dotted: str) -> Path:
    """`usage.calls` as ("usage", "calls")."""
    return tuple(dotted.split("."))


def at(data: Any, path: Path) -> Any:
    """The value below these keys, one inside the other; None when it is missing or null. Lists are not entered."""
    for key in path:
        if type(data) is not dict:
            return None
        data = data.get(key)
    return data


def canonical(value: Any) -> str:
    """JSON with keys sorted and no blanks: equal values have one text. Raises RecursionError when nested too deeply."""
    return _encode(value).decode()


def value_of(signal: Signal, data: dict[str, Any]) -> str | None:
    """A metric's number as a decimal, exact, or a state's value as canonical JSON; None when it is not there.

    To be asked only of a signal with a path. Raises RecursionError for a state nested too deeply.
    """
    assert signal.value is not None
    found = at(data, path_of(signal.value))
    if signal.type == "state":
        return None if found is None else canonical(found)
    number = billionths(found)
    return None if number is None else text(number)
