"""Cursors: a place in a list as text that says nothing and survives a URL."""

import base64
import binascii
from collections.abc import Sequence
from typing import Protocol, TypeVar

from headwater.errors import InvalidError


class Named(Protocol):
    """What stands in a list under its id."""

    @property
    def id(self) -> str: ...


N = TypeVar("N", bound=Named)


def encoded(place: str) -> str:
    """The cursor of a place."""
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def decoded(cursor: str | None) -> str:
    """The place; empty when there is no cursor. Raises InvalidError for what `encoded` cannot have made."""
    try:
        text = (cursor or "").encode("ascii")
        return base64.b64decode(text + b"=" * (-len(text) % 4), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise refused() from None


def numbered(cursor: str | None) -> int | None:
    """The same where places are numbers; None when there is no cursor."""
    text = decoded(cursor)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise refused()
    return int(text)


def page_of(known: Sequence[N], limit: int, cursor: str | None) -> tuple[Sequence[N], str | None]:
    """Up to `limit` of a list behind the cursor, in its order, and the cursor of the next page. Raises InvalidError."""
    after, ids = decoded(cursor), [each.id for each in known]
    if after and after not in ids:
        raise refused()
    start = ids.index(after) + 1 if after else 0
    shown = known[start : start + limit]
    return shown, encoded(shown[-1].id) if len(known) > start + limit else None


def refused() -> InvalidError:
    return InvalidError("'cursor' is not the `next` of a page", "cursor")
