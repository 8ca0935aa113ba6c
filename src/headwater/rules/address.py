"""Which addresses a webhook may reach: public ones, and those that the operator allows.

What is not public is listed by IANA's registries of special-purpose addresses (RFC 6890 and what updates it). An IPv6
address that carries an IPv4 one is judged by that as well: where it is translated, that one is reached.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from headwater.errors import SettingsError

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_V4 = tuple(
    (IPv4Network(network), name)
    for network, name in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier's customers (CGNAT)"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "a cloud's own service"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_V6 = tuple(
    (IPv6Network(network), name)
    for network, name in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("64:ff9b:1::/48", "translated inside of a network"),
        ("100::/64", "a black hole"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "for documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
    )
)
_GLOBAL = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)
"""The upper half of an interface's number that carries an IPv4 address (RFC 5214)."""


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks (CIDR) or addresses as settings give them. Raises SettingsError."""
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise SettingsError(f"--webhooks-allow takes networks, as 10.1.0.0/16: {error}") from None


def refusal(text: str, allowed: Sequence[Network] = ()) -> str | None:
    """What keeps an address, as text, from being reached: what it is. None: it is public, or allowed."""
    try:
        address = ip_address(text)
    except ValueError:
        return "no address"
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return "of a zone"
    if is_allowed(text, allowed):
        return None
    inner = [*_carried(address)]
    # A translator's own prefix is judged by what is behind it.
    if isinstance(address, IPv6Address) and (address.ipv4_mapped is not None or address in _NAT64):
        return _kind(inner[0])
    return next((kind for each in (address, *inner) if (kind := _kind(each))), None)


def is_allowed(text: str, allowed: Sequence[Network]) -> bool:
    """Whether the operator allows it, or the IPv4 address that it carries."""
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    each = [address]
    if isinstance(address, IPv6Address) and (address.ipv4_mapped is not None or address in _NAT64):
        each += _carried(address)
    return any(one.version == network.version and one in network for one in each for network in allowed)


def _kind(address: Address) -> str | None:
    """Of one that is not public: what it is."""
    if isinstance(address, IPv4Address):
        return next((name for network, name in _V4 if address in network), None)
    named = next((name for network, name in _V6 if address in network), None)
    return named or (None if address in _GLOBAL else "reserved")


def _carried(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses in an IPv6 one."""
    if isinstance(address, IPv4Address):
        return
    low = int(address) & 0xFFFFFFFF
    if address.ipv4_mapped is not None or address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        yield IPv4Address(low)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(low)
