"""Who asks: the key in a request's Authorization header or, without such a header, the session in its cookie.

A key is looked up by its keyed hash in a dictionary: how long that takes tells nothing about the keys there are, and a
key that is revoked, expired, unknown or malformed is the same None here, so that all 401s are one.
"""

import base64
import binascii

from headwater.catalog.base import Catalog, Principal
from headwater.web.answers import Scope
from headwater.web.session import Sessions


class Door:
    """Tells who is at it."""

    def __init__(self, catalog: Catalog, sessions: Sessions) -> None:
        self._catalog = catalog
        self._sessions = sessions

    def asking(self, scope: Scope, headers: dict[bytes, bytes]) -> Principal | None:
        """None when there is neither a good key nor a good session. Who sends a key means it: with one, good or bad,
        no cookie is looked at. Raises ForbiddenError for a cookie that a page of another origin sent along."""
        header = headers.get(b"authorization")
        if header is not None:
            return authenticate(self._catalog, header)
        return self._sessions.asking(scope, headers) if b"cookie" in headers else None


def authenticate(catalog: Catalog, header: bytes | None) -> Principal | None:
    """The principal of `Bearer KEY` or `Basic X`; None when there is no good key.

    X is the key itself, or base64 of `user:pass` with the key as user or as password. The scheme's name is
    case-insensitive (RFC 9110).
    """
    if not header:
        return None
    scheme, _, rest = header.partition(b" ")
    scheme = scheme.lower()
    if scheme == b"bearer":
        return _principal(catalog, rest.strip())
    if scheme != b"basic":
        return None
    return _principal(catalog, rest.strip()) or _from_pair(catalog, rest.strip())


def _from_pair(catalog: Catalog, encoded: bytes) -> Principal | None:
    try:
        user, _, password = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return _principal(catalog, user) or _principal(catalog, password)


def _principal(catalog: Catalog, key: bytes) -> Principal | None:
    return catalog.principal(key.decode()) if key.isascii() else None
