"""Sign-in links that work once. One machine's live in the gateway's memory alone: a restart ends them. Where there are
several gateways a link says itself what it stands for, under a seal, and any of them may spend it: the catalog knows
which are spent."""

import base64
import hmac
import secrets
from hashlib import blake2b
from typing import Protocol

import msgspec

from headwater.catalog.base import Actor, Catalog
from headwater.clock import MINUTE_MS
from headwater.rules.ids import new_id

LIFE_MS = 15 * MINUTE_MS

_BYTES = 32
_MOST = 1000
_EACH = 20


class Link(msgspec.Struct, frozen=True, gc=False):
    """For whom a link signs in."""

    key_id: str
    expires_ms: int
    until_ms: int | None
    """The session's end at the latest: of one that a session made, its own; else a link a week would never end."""


class Links(Protocol):
    def make(self, key_id: str, now_ms: int, until_ms: int | None = None) -> tuple[str, Link]:
        """The token, which is told this once, and what it stands for."""

    def find(self, token: str, now_ms: int) -> Link | None:
        """What it stands for; None for what is none, was used, or is too old."""

    def spend(self, token: str, now_ms: int) -> Link | None:
        """The same, for the first who brings it. May take as long as a change of the catalog does."""


class OneTimeLinks:
    """Bounded in number: a new one drives out the oldest of its key's, or of all."""

    def __init__(self) -> None:
        self._links: dict[bytes, Link] = {}

    def make(self, key_id: str, now_ms: int, until_ms: int | None = None) -> tuple[str, Link]:
        """The token, 256 bits, which is told this once and kept as a hash; and what it stands for."""
        self._links = {digest: link for digest, link in self._links.items() if link.expires_ms > now_ms}
        own = [digest for digest, link in self._links.items() if link.key_id == key_id]
        if len(own) >= _EACH:
            del self._links[own[0]]
        elif len(self._links) >= _MOST:
            del self._links[next(iter(self._links))]
        token, link = secrets.token_urlsafe(_BYTES), Link(key_id, now_ms + LIFE_MS, until_ms)
        self._links[_digest(token)] = link
        return token, link

    def find(self, token: str, now_ms: int) -> Link | None:
        """What it stands for; None for what is none, was used, or is too old."""
        link = self._links.get(_digest(token))
        return link if link is not None and now_ms < link.expires_ms else None

    def spend(self, token: str, now_ms: int) -> Link | None:
        """The same, for the first who brings it."""
        link = self.find(token, now_ms)
        self._links.pop(_digest(token), None)
        return link


class SharedLinks:
    """As many as were asked for: nothing is kept of one until it is spent. `secret`: 32 bytes for them alone, the same
    in all gateways.

        link_bFyqj0qg.key_9XbC01zK.1795372800000.0.HMAC-SHA256(secret, what stands before it)

    Any thread may use it where the catalog allows that.
    """

    def __init__(self, catalog: Catalog, secret: bytes) -> None:
        self._catalog, self._secret = catalog, secret

    def make(self, key_id: str, now_ms: int, until_ms: int | None = None) -> tuple[str, Link]:
        link = Link(key_id, now_ms + LIFE_MS, until_ms)
        text = f"{new_id('link')}.{key_id}.{link.expires_ms}.{until_ms or 0}"
        return f"{text}.{self._mark(text)}", link

    def find(self, token: str, now_ms: int) -> Link | None:
        found = self._opened(token, now_ms)
        return None if found is None or self._catalog.ended(found[0]) else found[1]

    def spend(self, token: str, now_ms: int) -> Link | None:
        """Raises UnavailableError when it cannot be known that nobody else does."""
        found = self._opened(token, now_ms)
        if found is None or (key := self._catalog.key(found[1].key_id)) is None:
            return None
        return found[1] if self._catalog.end(Actor(key.id), key.workspace, found[0]) else None

    def _opened(self, token: str, now_ms: int) -> tuple[str, Link] | None:
        """The link's id and what it stands for; None for what was not made here, or has expired."""
        text, _, mark = token.rpartition(".")
        if not hmac.compare_digest(self._mark(text).encode(), mark.encode(errors="replace")):
            return None
        id, key_id, expires, until = text.split(".")
        link = Link(key_id, int(expires), int(until) or None)
        return (id, link) if now_ms < link.expires_ms else None

    def _mark(self, text: str) -> str:
        digest = hmac.digest(self._secret, text.encode(errors="replace"), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _digest(token: str) -> bytes:
    """Looked up by hash: how long that takes tells nothing about the tokens there are."""
    return blake2b(token.encode(errors="replace"), digest_size=32).digest()
