"""Which pages a browser's cookie may act for: this server's own, and no others.

Browsers attach a cookie to whatever a page asks for, whoever wrote the page. They also say where a request comes from:
in `Sec-Fetch-Site`, which no page can set, or, older ones, in `Origin`. Another port of the same host counts as another
origin here, although it shares the cookies and passes `SameSite`.
"""

from urllib.parse import urlsplit

from headwater.errors import ForbiddenError
from headwater.web.answers import Scope
from headwater.web.forwarded import Clients

_SAFE = ("GET", "HEAD")
_PORTS = {"http": ":80", "https": ":443"}
"""Which browsers leave out of an origin."""
_ASKED_BY = {True: (b"same-origin", b"none"), False: (b"same-origin",)}
"""`none`: somebody typed the address, or opened a bookmark; nothing is changed that way."""


class Origins:
    """Tells our own pages from others. `public_url`: where they are served, when a proxy changes `Host`."""

    def __init__(self, clients: Clients, public_url: str | None) -> None:
        self._clients = clients
        self._public = _origin_of(public_url) if public_url else None

    def check(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """For a request that a cookie speaks for. Raises ForbiddenError."""
        if scope["method"] not in _SAFE and not {b"sec-fetch-site", b"origin"} & headers.keys():
            raise ForbiddenError("A session may change something from the dashboard's own pages alone; or use a key.")
        self.check_told(scope, headers)

    def check_told(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """For a request without one: only a page of another origin is refused. Raises ForbiddenError."""
        site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
        if site is not None:
            own = site in _ASKED_BY[scope["method"] in _SAFE]
        else:
            own = origin is None or self._is_own(scope, headers, origin.decode("latin-1"))
        if not own:
            raise ForbiddenError("This is for the dashboard's own pages, not for those of other origins.")

    def _is_own(self, scope: Scope, headers: dict[bytes, bytes], origin: str) -> bool:
        """By host and port; a page that came in the clear does not speak for one that came over TLS."""
        host = headers.get(b"host", b"").strip().decode("latin-1").lower()
        if origin == self._public or (host and origin == f"https://{host}"):
            return True
        return bool(host) and origin == f"http://{host}" and not self._clients.is_encrypted(scope)


def _origin_of(url: str) -> str:
    parts = urlsplit(url.lower())
    return f"{parts.scheme}://{parts.netloc.removesuffix(_PORTS.get(parts.scheme, ''))}"
