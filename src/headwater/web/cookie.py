"""The session cookie: who signed in and until when, readable by anyone and changeable by nobody.

    __Host-headwater=v1.ses_bFyqj0qg.key_9XbC01zK.1795372800000.HMAC-SHA256(secret, what stands before it)

Nothing is kept of it but the ids of those that signed out: the key behind it is looked up with every request, so that
its end is the session's. The prefix `__Host-` has browsers take it over TLS (or from this very machine) alone, for one
host, from no sub-domain.
"""

import base64
import hmac

import msgspec

NAME = "__Host-headwater"
_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"
CLEARED = f"{NAME}=; {_ATTRIBUTES}; Max-Age=0"
"""A `Set-Cookie` that takes it away."""

_VERSION = "v1"
_LONGEST = 200
_NAME = NAME.encode()


class Session(msgspec.Struct, frozen=True, gc=False):
    """One browser that signed in."""

    id: str
    """`ses_` + 8 base62."""
    key_id: str
    expires_ms: int


class Seal:
    """Writes and reads cookies under a secret (32 bytes)."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def closed(self, session: Session) -> str:
        """The cookie's value."""
        text = f"{_VERSION}.{session.id}.{session.key_id}.{session.expires_ms}"
        return f"{text}.{self._mark(text)}"

    def opened(self, value: str, now_ms: int) -> Session | None:
        """None for what was not closed here, or has expired."""
        text, _, mark = value.rpartition(".")
        if len(value) > _LONGEST or not hmac.compare_digest(self._mark(text).encode(), mark.encode()):
            return None
        version, *parts = text.split(".")
        if version != _VERSION or len(parts) != 3:
            return None
        session = Session(parts[0], parts[1], int(parts[2]))
        return session if now_ms < session.expires_ms else None

    def _mark(self, text: str) -> str:
        digest = hmac.digest(self._secret, text.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def value_in(header: bytes) -> str | None:
    """Our cookie's value in a `Cookie` header; None when there is none, or more than one: a browser keeps one."""
    pairs = (pair.strip(b" \t").partition(b"=") for pair in header.split(b";"))
    found = [value for name, _, value in pairs if name == _NAME]
    return found[0].decode("latin-1") if len(found) == 1 else None


def set_cookie(value: str, seconds: int) -> str:
    """A `Set-Cookie` for so long."""
    return f"{NAME}={value}; {_ATTRIBUTES}; Max-Age={seconds}"
