"""Where a request came from: its peer, or what a proxy says that the operator has listed.

`X-Forwarded-For` is read from its end: every proxy appends the address it saw, so the last one that is no listed proxy
is the client, and what stands before it is the client's own claim. `Forwarded` is never read, for common proxies hand
a client's own one on; `X-Forwarded-Host` is not, because nothing here depends on it. `X-Forwarded-Proto` is, of
listed proxies, and only ever makes a check of origins stricter.
"""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from headwater.errors import SettingsError
from headwater.web.answers import Scope

_HEADER = b"x-forwarded-for"
_PROTO = b"x-forwarded-proto"


class Clients:
    """Tells addresses. `proxies`: networks or single addresses that are believed. Raises SettingsError."""

    def __init__(self, proxies: Collection[str]) -> None:
        try:
            self._proxies = [ip_network(each) for each in proxies]
        except ValueError as error:
            raise SettingsError(f"a trusted proxy must be an address or a network, as 10.0.0.0/8: {error}") from None

    def address(self, scope: Scope) -> str | None:
        """The client's address; None when the peer has none."""
        peer = scope.get("client")
        found = _parsed(peer[0]) if peer else None
        if found is None or not self._believes(found):
            return str(found) if found else None
        said = b",".join(value for name, value in scope["headers"] if name == _HEADER)
        for item in reversed(said.split(b",")):
            next_ = _parsed(item.decode("latin-1"))
            if next_ is None:
                break  # nothing was said, or nothing of use: whoever said it is as far as we know
            found = next_
            if not self._believes(found):
                break
        return str(found)

    def is_encrypted(self, scope: Scope) -> bool:
        """Whether the client speaks TLS, as far as is known: to us, or to a listed proxy."""
        if scope["scheme"] == "https":
            return True
        peer = scope.get("client")
        found = _parsed(peer[0]) if peer else None
        if found is None or not self._believes(found):
            return False
        said = [value for name, value in scope["headers"] if name == _PROTO]
        return bool(said) and said[-1].rpartition(b",")[2].strip().lower() == b"https"

    def _believes(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._proxies)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: bare, or with a port, IPv6 then in brackets."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        return found.ipv4_mapped or found
    return found
