"""Fields of an event, read one by one, for dialects that name everything that is wrong with it."""

from collections.abc import Mapping
from typing import Any

from headwater.clock import parse_iso
from headwater.dialects.base import Fault
from headwater.rules.identity import MAX_ID


class Fields:
    """One event of a request. Each reading notes a fault in the request's list when the field is not as it must be."""

    def __init__(self, index: int, item: Mapping[str, Any], faults: list[Fault]) -> None:
        self.item = item
        self._index = index
        self._faults = faults
        self._before = len(faults)

    @property
    def wrong(self) -> int:
        """How many faults were found."""
        return len(self._faults) - self._before

    def fault(self, field: str, code: str, text: str) -> None:
        """`field` is empty for the event as a whole."""
        self._faults.append(Fault(self._index, (field,) if field else (), code, text))

    def text(self, field: str, *, required: bool = False, most: int = MAX_ID) -> str | None:
        """A string of up to `most` characters; an empty one is as none."""
        value = self.item.get(field)
        if value is None or value == "":
            if required:
                self.fault(field, "required", "is required")
            return None
        if not isinstance(value, str):
            self.fault(field, "type", "must be a string")
        elif len(value) > most:
            self.fault(field, "value", f"must be at most {most} characters")
        else:
            return value
        return None

    def id(self, field: str, *, required: bool = False) -> str | None:
        """The same, or a whole number, which is meant as its digits."""
        value = self.item.get(field)
        if not isinstance(value, int) or isinstance(value, bool):
            return self.text(field, required=required)
        digits = str(value)
        if len(digits) > MAX_ID:
            self.fault(field, "value", f"must be at most {MAX_ID} characters")
            return None
        return digits

    def object(self, field: str) -> dict[str, Any]:
        """An object; none is an empty one."""
        value = self.item.get(field)
        if value is not None and not isinstance(value, dict):
            self.fault(field, "type", "must be an object")
        return value if isinstance(value, dict) else {}

    def moment(self, field: str) -> int | None:
        """A date, in UTC ms."""
        text = self.text(field, most=100)
        moment = None if text is None else parse_iso(text)
        if text is not None and moment is None:
            self.fault(field, "date", "must be an ISO 8601 date and time")
        return moment


def beside(properties: Mapping[str, Any], own: Mapping[str, Any], aside: str) -> dict[str, Any]:
    """An event's data: its properties, and beside them what the message says itself, under names of the dialect's.

    A property that has one of those names is found in an object `aside`; nothing is lost.
    """
    clashing = own.keys() & properties.keys()
    if not clashing:
        return {**properties, **own}
    clashing |= {aside} & properties.keys()
    rest = {name: value for name, value in properties.items() if name not in clashing}
    return {**rest, aside: {name: properties[name] for name in properties if name in clashing}, **own}
