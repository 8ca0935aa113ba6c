"""Where a webhook is sent: a URL that can be read in one way only, by whoever reads it.

Addresses are judged by `rules.address`; whatever a name resolves to is judged when it is resolved.
"""

import re
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import urlsplit

import msgspec

from headwater.errors import InvalidError
from headwater.rules.address import Network, is_allowed, refusal

LONGEST = 2048
"""Characters of a URL."""

_PORTS = {"https": 443, "http": 80}
_UNRESERVED_PORTS = 1024
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_BRACKETED = re.compile(r"\[[^\[\]]*\](:[0-9]*)?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HOSTED_HERE = ("localhost", "localdomain")


class Target(msgspec.Struct, frozen=True):
    scheme: str
    host: str
    """A name in lower case, or an address, without brackets."""
    port: int
    path: str
    """With the query."""
    is_address: bool

    @property
    def authority(self) -> str:
        """What the header Host says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_target(url: str, allowed: Sequence[Network] = ()) -> Target:
    """Raises InvalidError for what must not be sent to, as far as the URL tells. `allowed`: the operator's networks:
    only there may it be plain HTTP, and any port."""
    _check_text(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused("is malformed") from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise _refused("must begin with https://")
    if "@" in parts.netloc:
        raise _refused("must not hold a user or a password")
    if "#" in url:
        raise _refused("must not hold a fragment (#…)")
    if parts.netloc.endswith(":") or port == 0:
        raise _refused("has no valid port")
    host, is_address = _host(parts.netloc, parts.hostname or "", allowed)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = Target(scheme, host, port or _PORTS[scheme], path, is_address)
    if not allowed:
        check_way(target, False)
    elif is_address:
        check_address(target, host, allowed)
    return target


def check_address(target: Target, address: str, allowed: Sequence[Network]) -> None:
    """Raises InvalidError when the target must not be reached at this address."""
    kind = refusal(address, allowed)
    if kind is not None:
        said = "is" if target.is_address else "resolves to"
        raise _refused(f"must lead to a public address; its host {said} one that is {kind}")
    check_way(target, is_allowed(address, allowed))


def check_way(target: Target, is_inside: bool) -> None:
    """Plain HTTP and other services' ports are for networks that the operator allows."""
    if is_inside:
        return
    if target.scheme != "https":
        raise _refused("must begin with https://; http:// is for networks that the operator allows")
    if target.port != _PORTS["https"] and target.port < _UNRESERVED_PORTS:
        raise _refused(f"must not name port {target.port}: below {_UNRESERVED_PORTS} only 443")


def _check_text(url: str) -> None:
    if len(url) > LONGEST:
        raise _refused(f"must have at most {LONGEST} characters")
    if not all("!" <= character <= "~" for character in url):
        raise _refused("must be ASCII without spaces: a name as xn--…, the rest percent-encoded")
    if "\\" in url:
        raise _refused("must not hold a backslash")


def _host(netloc: str, hostname: str, allowed: Sequence[Network]) -> tuple[str, bool]:
    """The host, and whether it is an address."""
    if netloc.startswith("["):
        if not _BRACKETED.fullmatch(netloc):  # Python's parser leaves out what stands behind the bracket
            raise _refused("has no valid host")
        return _checked(_v6(hostname), allowed), True
    host = hostname.removesuffix(".")
    labels = host.split(".")
    if "%" in host or len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise _refused("has no valid host")
    # What ends in a number some read as an address: 2130706433, 0x7f.1, 127.1, 0177.0.0.1.
    if _NUMBER.fullmatch(labels[-1]):
        return _checked(_v4(host), allowed), True
    if labels[-1] in _HOSTED_HERE and not allowed:
        raise _refused("must lead to a public address; its host is this machine itself")
    return host, False


def _checked(address: str, allowed: Sequence[Network]) -> str:
    kind = refusal(address, allowed)
    if kind is not None:
        raise _refused(f"must lead to a public address; its host is one that is {kind}")
    return address


def _v4(host: str) -> str:
    try:
        return str(IPv4Address(host))
    except AddressValueError:
        raise _refused("must write an IPv4 address as four decimal numbers, as 198.41.0.4") from None


def _v6(host: str) -> str:
    try:
        address = IPv6Address(host)
    except AddressValueError:
        raise _refused("has no valid host") from None
    if address.scope_id is not None:
        raise _refused("must not name a zone")
    return str(address)


def _refused(why: str) -> InvalidError:
    return InvalidError(f"'url' {why}", "url")
