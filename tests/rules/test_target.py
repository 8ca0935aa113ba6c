"""Where webhooks may go: a corpus of ways to name an address that is not public, and what must go on to work."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import InvalidError, SettingsError
from headwater.rules.address import networks, refusal
from headwater.rules.target import check_address, parse_target

INSIDE = (
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.1.2.3",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
)
OUTSIDE = ("1.1.1.1", "8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1")
OWN_V6 = (
    "::",
    "::1",
    "::2",
    "100::1",
    "64:ff9b:1::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:102:304::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff::1",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
)
PUBLIC_V6 = ("2606:4700:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888")


def carried(address: str) -> list[str]:
    """An IPv4 address in every form that an IPv6 one can carry it in."""
    low = int(IPv4Address(address))
    high, rest = low >> 16, low & 0xFFFF
    return [
        f"::ffff:{address}",
        f"::ffff:{high:x}:{rest:x}",
        f"0:0:0:0:0:ffff:{address}",
        f"::{high:x}:{rest:x}" if low > 1 else "::",
        f"64:ff9b::{high:x}:{rest:x}",
        f"64:ff9b::{address}",
        f"2002:{high:x}:{rest:x}::",
        f"2002:{high:x}:{rest:x}::1",
        f"2001:0:{high:x}:{rest:x}::1",
        f"2001:0:101:101::{~high & 0xFFFF:x}:{~rest & 0xFFFF:x}",
        f"2606:4700::5efe:{high:x}:{rest:x}",
        f"2606:4700::200:5efe:{high:x}:{rest:x}",
    ]


def spelled(address: str) -> list[str]:
    """An IPv4 address as some parsers take it."""
    number = int(IPv4Address(address))
    a, b, c, d = (int(each) for each in address.split("."))
    return [
        str(number),
        f"0x{number:x}",
        f"0X{number:08X}",
        f"0{number:o}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}",
        f"{a}.{b << 16 | c << 8 | d}",
        f"{a}.{b}.{c << 8 | d}",
        f"0{a}.{b}.{c}.{d}",
        f"{a}.{b}.{c}.{d:03}" if d < 100 else f"{a}.{b}.{c}.0{d}",
        f"{address}.",
        f"{address}..",
        f"{a}.{b}.{c}.{d + 256}",
        f"{a}%2e{b}%2e{c}%2e{d}",
        "".join(chr(0xFF10 + int(each)) if each.isdigit() else "." for each in address),
        address.replace(".", "。"),
        address.replace(".", "．"),
        "".join(chr(0x2460 + int(each) - 1) if each in "123456789" else each for each in address),
    ]


CORPUS = [
    *INSIDE,
    *(f"[{each}]" for each in OWN_V6),
    *(form for each in INSIDE for form in spelled(each)),
    *(f"[{form}]" for each in INSIDE for form in carried(each)),
    *("localhost", "LOCALHOST", "localhost.", "a.localhost", "x.localdomain", "localhost%00", "loc\u017falhost"),
    *("ex ample.com", "example.com\t", "example..com", "-a.com", "a" * 64 + ".com", "1.2.3", "256.256.256.256", ""),
    *("user@example.com", "user:pw@example.com", "example.com@127.0.0.1", "127.0.0.1@example.com", "@example.com"),
    *("example.com:0", "example.com:22", "example.com:25", "example.com:80", "example.com:99999", "example.com:x"),
    *(
        "example.com:",
        "example.com\\@127.0.0.1",
        "[::1",
        "::1]",
        "[::1]x",
        "[2606:4700::1]evil.com",
        "[2606:4700::1]evil.com:443",
        "[example.com]",
        "[127.0.0.1]",
    ),
]


@pytest.mark.parametrize("host", CORPUS)
def test_what_is_not_public_is_refused_with_a_reason(host: str) -> None:
    with pytest.raises(InvalidError) as refused:
        parse_target(f"https://{host}/hook")
    assert refused.value.path == "url" and str(refused.value).startswith("'url' ")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x",
        "//example.com/",
        "https:example.com",
        "https:///hook",
        "https://example.com/#part",
        "https://example.com/a b",
        "https://example.com/\r\nhost: x",
        "https://example.com/ü",
        "javascript:alert(1)",
        "",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_what_is_no_url_to_send_to_is_refused(url: str) -> None:
    with pytest.raises(InvalidError):
        parse_target(url)


@pytest.mark.parametrize(
    "host", [*OUTSIDE, *(f"[{each}]" for each in PUBLIC_V6), "hooks.example.com", "xn--mnchen-3ya.de"]
)
def test_what_is_public_is_taken(host: str) -> None:
    target = parse_target(f"https://{host}:8443/a?b=c")
    assert (target.scheme, target.port, target.path) == ("https", 8443, "/a?b=c")
    assert target.authority == f"{host}:8443"


def test_a_host_is_one_whoever_writes_it() -> None:
    assert parse_target("HTTPS://Hooks.Example.COM.").authority == "hooks.example.com"
    assert parse_target("https://hooks.example.com:443").path == "/"


@pytest.mark.parametrize("address", [*INSIDE, *OWN_V6, *(form for each in INSIDE for form in carried(each)), "x", ""])
def test_a_name_that_resolves_to_what_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(InvalidError):
        check_address(parse_target("https://hooks.example.com/"), address, ())


@pytest.mark.parametrize("address", [*OUTSIDE, *PUBLIC_V6, "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_one_that_resolves_to_what_is_public_is_not(address: str) -> None:
    check_address(parse_target("https://hooks.example.com/"), address, ())


def test_what_the_operator_allows_may_be_plain_and_of_any_port_and_nothing_else_may() -> None:
    inside = networks(["10.1.0.0/16", "127.0.0.1", "fd00::/8"])
    assert parse_target("http://10.1.2.3:80/", inside).host == "10.1.2.3"
    assert parse_target("http://[fd00::1]:25/", inside).host == "fd00::1"
    assert parse_target("http://localhost:9000/", inside).host == "localhost"
    for url in (
        "http://10.2.0.1/",
        "http://127.0.0.2/",
        "http://8.8.8.8/",
        "https://8.8.8.8:25/",
        "https://[fe80::1]/",
    ):
        with pytest.raises(InvalidError):
            parse_target(url, inside)
    named = parse_target("http://hooks.example.com:90/", inside)
    check_address(named, "10.1.0.1", inside)
    check_address(named, "::ffff:10.1.0.1", inside)
    for address in ("8.8.8.8", "10.2.0.1"):
        with pytest.raises(InvalidError):
            check_address(named, address, inside)


def test_a_network_that_is_none_is_no_setting() -> None:
    with pytest.raises(SettingsError, match="--webhooks-allow"):
        networks(["10.0.0.1/8"])


@given(st.integers(0, (1 << 32) - 1))
def test_what_python_calls_private_is_refused_and_what_it_carries_as_itself(number: int) -> None:
    address = IPv4Address(number)
    if not address.is_global or address.is_multicast:
        assert refusal(str(address))
    if refusal(str(address)):
        assert all(refusal(each) for each in carried(str(address)))
    else:
        assert not refusal(f"::ffff:{address}")


@given(st.integers(0, (1 << 128) - 1))
def test_the_same_of_ipv6(number: int) -> None:
    address = IPv6Address(number)
    if not address.is_global or address.is_multicast:
        assert refusal(str(address)) or address.ipv4_mapped
    assert refusal(str(ip_address(str(address)))) == refusal(address.exploded)
