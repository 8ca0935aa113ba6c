"""What a request's head must be, beyond what the parser sees to: exactly one way to read it, or none.

The parser (llhttp, strict) refuses by itself: bare LF and CR, obs-fold, space around a header's name, control
characters, Content-Length that is no number, is repeated, or stands beside Transfer-Encoding, `chunked` not at the
end of its list.
"""

import re
from functools import lru_cache

Headers = list[tuple[bytes, bytes]]

_SINGLE = (b"host", b"authorization", b"content-length", b"transfer-encoding")
"""Headers of which there may be one line only: a proxy in front might believe another than we do."""
_ATTRIBUTE = b"ce-"
"""How those begin that hold a CloudEvent's attributes: each has one value."""

_HOST = re.compile(rb"(?:\[[0-9a-f:.]+\]|(?:[a-z0-9._~!$&'()*+,;=-]|%[0-9a-f]{2})+)(?::[0-9]{0,5})?", re.I)
"""RFC 3986: host and port, without a user."""

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.I)


def fault(method: bytes, target: bytes, version: str, found: dict[bytes, bytes]) -> str:
    """What is wrong with a head, in words for its sender; empty when nothing is. Names are lower case."""
    if version not in ("1.1", "1.0"):
        return "HTTP version must be 1.1 or 1.0"
    if method == b"CONNECT":
        return "CONNECT is not answered here"
    host = found.get(b"host")
    if host is None:
        if version == "1.1":
            return "Header host is required"
    elif not _is_host(host):
        return "Header host is not valid"
    coding = found.get(b"transfer-encoding")
    if coding is not None and (version != "1.1" or coding.rstrip(b" \t").lower() != b"chunked"):
        return "Transfer-Encoding must be chunked, in HTTP/1.1"
    if not target.startswith(b"/") or b"#" in target:
        return _target_fault(target, host)
    return ""


@lru_cache(64)
def _is_host(name: bytes) -> bool:
    """Kept in mind: nearly every request names one of a few."""
    return bool(_HOST.fullmatch(name.rstrip(b" \t")))


def _target_fault(target: bytes, host: bytes | None) -> str:
    """An absolute target (RFC 9112 3.2.2) is taken when it names the same host as the header: else it is a guess."""
    absolute = _ABSOLUTE.match(target)
    if absolute is None or b"#" in target:
        return "Request target must be a path"
    if host is not None and absolute[1].lower() != host.rstrip(b" \t").lower():
        return "Request target and header host differ"
    return ""


def path_of(target: bytes) -> str:
    """The path in a target, for choosing the shape of a refusal."""
    absolute = _ABSOLUTE.match(target)
    start = absolute.end() if absolute else 0
    return target[start:].split(b"?")[0].decode("ascii", "replace")


def size(target: bytes, headers: Headers) -> int:
    """Bytes of a head without what separates its parts."""
    return len(target) + sum(len(name) + len(value) for name, value in headers)


def repeated(headers: Headers) -> str:
    """The first header with several lines that must have one; empty when there is none."""
    names = [name for name, _ in headers]
    single = (name for name in names if name in _SINGLE or name.startswith(_ATTRIBUTE))
    return next((name.decode() for name in single if names.count(name) > 1), "")


def join(headers: Headers) -> dict[bytes, bytes]:
    """Makes one line of several of the same name, in place, for they are one list (RFC 9110 5.3), of cookies with a
    separator of its own (RFC 9113 8.2.3); and tells them."""
    lines: dict[bytes, bytes] = {}
    for name, value in headers:
        between = b"; " if name == b"cookie" else b", "
        lines[name] = lines[name] + between + value if name in lines else value
    headers[:] = lines.items()
    return lines


def without_upgrade(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """The head as bytes again, without the offer to speak another protocol, which a server may pass over (RFC 9110
    7.8); a parser that has seen the offer reads no body."""
    lines = [b"%b: %b\r\n" % (name, value) for name, value in headers if name != b"upgrade"]
    return b"".join((b"%b %b HTTP/%b\r\n" % (method, target, version.encode()), *lines, b"\r\n"))
