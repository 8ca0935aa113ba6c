"""Sign-in links that work once. They live in the gateway's memory alone: a restart ends them."""

import secrets
from hashlib import blake2b

import msgspec

from headwater.clock import MINUTE_MS

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


def _digest(token: str) -> bytes:
    """Looked up by hash: how long that takes tells nothing about the tokens there are."""
    return blake2b(token.encode(errors="replace"), digest_size=32).digest()
