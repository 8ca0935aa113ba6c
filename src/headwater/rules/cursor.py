"""Cursors: a place in a list as text that says nothing and survives a URL."""

import base64
import binascii

from headwater.errors import InvalidError


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


def refused() -> InvalidError:
    return InvalidError("'cursor' is not the `next` of a page", "cursor")
