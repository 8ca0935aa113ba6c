"""Requests that two HTTP implementations could read in two ways, and what this one makes of each."""

from collections.abc import Iterable
from typing import NamedTuple

from wire.languages import BIK


class Shape(NamedTuple):
    """`data`: bytes of a request that would store the event `first`. A canary request is sent right behind it."""

    name: str
    data: bytes
    statuses: tuple[int, ...]
    """Every status line that comes back, in order, until the server closes."""
    stored: tuple[str, ...]
    """The names of the events that were stored then."""

    def __str__(self) -> str:
        return self.name


KEY = b"{key}"
"""Stands for the workspace's key."""
PATH = BIK.batch.encode()
HOST = b"Host: headwater"
AUTH = b"Authorization: Bearer " + KEY
CHUNKED = b"Transfer-Encoding: chunked"
BODY = BIK.batch_of(BIK.event(name="first"))
LENGTH = b"Content-Length: %d" % len(BODY)


def request(*lines: bytes, first: bytes = b"POST " + PATH + b" HTTP/1.1", body: bytes = BODY) -> bytes:
    """A request whose headers are these lines and the key."""
    return b"\r\n".join((first, *lines, AUTH, b"", body))


CANARY = BIK.batch_of(BIK.event(name="canary"))
CANARY = request(HOST, b"Content-Length: %d" % len(CANARY), b"Connection: close", body=CANARY)


def chunks(
    size: bytes = b"%x" % len(BODY), end: bytes = b"\r\n", after: bytes = b"\r\n", last: bytes = b"0\r\n\r\n"
) -> bytes:
    """The body as one chunk, each part of the framing as given."""
    return size + end + BODY + after + last


def _named(statuses: tuple[int, ...], stored: tuple[str, ...], shapes: dict[str, bytes]) -> Iterable[Shape]:
    return [Shape(name, data, statuses, stored) for name, data in shapes.items()]


def _te(value: bytes, *lines: bytes, body: bytes | None = None) -> bytes:
    return request(HOST, b"Transfer-Encoding:" + value, *lines, body=chunks() if body is None else body)


def _cl(value: bytes) -> bytes:
    return request(HOST, b"Content-Length:" + value)


def _header(line: bytes) -> bytes:
    return request(HOST, LENGTH, line)


def _first(line: bytes) -> bytes:
    return request(HOST, LENGTH, first=line)


def _target(target: bytes) -> bytes:
    return _first(b"POST " + target + b" HTTP/1.1")


_N = b"%d" % len(BODY)
_SMUGGLED = b"0\r\n\r\n" + CANARY

_REFUSED = {
    "Host missing": request(LENGTH),
    "Host empty": request(b"Host:", LENGTH),
    "Host twice": request(HOST, HOST, LENGTH),
    "Host twice, differing": request(HOST, b"hOsT: other", LENGTH),
    "Host with a user": request(b"Host: user@headwater", LENGTH),
    "Host with a path": request(b"Host: headwater/x", LENGTH),
    "Host with a space": request(b"Host: head water", LENGTH),
    "Host with a list": request(b"Host: headwater, other", LENGTH),
    "Host with a port that is none": request(b"Host: headwater:80a", LENGTH),
    "Authorization twice": _header(b"Authorization: Bearer other"),
    "Content-Length and Transfer-Encoding": request(HOST, LENGTH, CHUNKED, body=chunks()),
    "Transfer-Encoding and Content-Length": request(HOST, CHUNKED, LENGTH, body=chunks()),
    "CL.TE": request(HOST, b"Content-Length: %d" % len(_SMUGGLED), CHUNKED, body=_SMUGGLED),
    "TE.CL": request(HOST, CHUNKED, b"Content-Length: 4", body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(CANARY), CANARY)),
    "Content-Length twice": request(HOST, LENGTH, LENGTH),
    "Content-Length twice, differing": request(HOST, LENGTH, b"Content-Length: 1"),
    "Content-Length as a list": _cl(b" " + _N + b", " + _N),
    "Content-Length as a list with spaces": _cl(b" " + _N + b" ," + _N),
    "Content-Length with a plus": _cl(b" +" + _N),
    "Content-Length negative": _cl(b" -" + _N),
    "Content-Length in hex": _cl(b" 0x%x" % len(BODY)),
    "Content-Length with an underscore": _cl(b" 1_0"),
    "Content-Length with a space inside": _cl(b" 1 0"),
    "Content-Length empty": _cl(b""),
    "Content-Length beyond 64 bits": _cl(b" 18446744073709551617"),
    "Transfer-Encoding xchunked": _te(b" xchunked"),
    "Transfer-Encoding chunked, identity": _te(b" chunked, identity"),
    "Transfer-Encoding identity, chunked": _te(b" identity, chunked"),
    "Transfer-Encoding gzip, chunked": _te(b" gzip, chunked"),
    "Transfer-Encoding identity": _te(b" identity"),
    "Transfer-Encoding quoted": _te(b' "chunked"'),
    "Transfer-Encoding with a parameter": _te(b" chunked;q=1"),
    "Transfer-Encoding behind a vertical tab": _te(b" \x0bchunked"),
    "Transfer-Encoding before a tab": _te(b" chunked\t"),
    "Transfer-Encoding empty": _te(b""),
    "Transfer-Encoding twice": _te(b" chunked", CHUNKED),
    "Transfer-Encoding twice, differing": _te(b" chunked", b"Transfer-Encoding: identity"),
    "Transfer-Encoding on a folded line": _te(b"\r\n chunked"),
    "Transfer-Encoding in HTTP/1.0": request(
        HOST, CHUNKED, b"Connection: keep-alive", first=b"POST " + PATH + b" HTTP/1.0", body=chunks()
    ),
    "folded line": _header(b"X-Folded: a\r\n b"),
    "line folded with a tab": _header(b"X-Folded: a\r\n\tContent-Length: 1"),
    "bare LF behind the request line": request(HOST, LENGTH).replace(b" HTTP/1.1\r\n", b" HTTP/1.1\n"),
    "bare LF behind a header": _header(b"X-A: a\nX-B: b"),
    "bare LF before the body": request(HOST, LENGTH).replace(b"\r\n\r\n", b"\r\n\n"),
    "bare LF everywhere": request(HOST, LENGTH).replace(b"\r\n", b"\n"),
    "bare CR behind a header": _header(b"X-A: a\rX-B: b"),
    "bare CR before CRLF": _header(b"X-A: a\r"),
    "space before the colon": _header(b"X-A : a"),
    "Content-Length with space before the colon": request(HOST, LENGTH.replace(b":", b" :")),
    "tab before the colon": _header(b"X-A\t: a"),
    "space before the first header": request(b" X-A: a", HOST, LENGTH),
    "header without a colon": _header(b"X-A"),
    "header without a name": _header(b": a"),
    "NUL in a name": _header(b"X-\0A: a"),
    "NUL in a value": _header(b"X-A: a\0b"),
    "control character in a value": _header(b"X-A: a\x01b"),
    "DEL in a value": _header(b"X-A: a\x7fb"),
    "non-ASCII in a name": _header(b"X-\xe9: a"),
    "bare LF behind a chunk's size": request(HOST, CHUNKED, body=chunks(end=b"\n")),
    "bare LF behind a chunk": request(HOST, CHUNKED, body=chunks(after=b"\n")),
    "bare LF behind the last chunk": request(HOST, CHUNKED, body=chunks(last=b"0\n\r\n")),
    "bare LF behind a chunk's extension": request(HOST, CHUNKED, body=chunks(end=b";a\n")),
    "bare LF behind the trailers": request(HOST, CHUNKED, body=chunks(last=b"0\r\nX-A: a\n\n")),
    "chunk size with 0x": request(HOST, CHUNKED, body=chunks(size=b"0x%x" % len(BODY))),
    "chunk size negative": request(HOST, CHUNKED, body=chunks(size=b"-1")),
    "chunk size beyond 64 bits": request(HOST, CHUNKED, body=chunks(size=b"1" + b"%016x" % len(BODY))),
    "chunk size with a space": request(HOST, CHUNKED, body=chunks(size=b"%x " % len(BODY))),
    "chunk size missing": request(HOST, CHUNKED, body=chunks(size=b"")),
    "chunk longer than it says": request(HOST, CHUNKED, body=chunks(size=b"%x" % (len(BODY) - 1))),
    "control character in a chunk's extension": request(HOST, CHUNKED, body=chunks(end=b";a\x01\r\n")),
    "Content-Length as a trailer": request(HOST, CHUNKED, body=chunks(last=b"0\r\nContent-Length: 1\r\n\r\n")),
    "Transfer-Encoding as a trailer": request(HOST, CHUNKED, body=chunks(last=b"0\r\n" + CHUNKED + b"\r\n\r\n")),
    "target of another host": _target(b"http://other" + PATH),
    "target with a user": _target(b"http://user@headwater" + PATH),
    "target of another scheme": _target(b"ftp://headwater" + PATH),
    "target with a fragment": _target(PATH + b"#a"),
    "target without a slash": _target(PATH[1:]),
    "target with a space": _target(PATH + b" a"),
    "target with a control character": _target(PATH + b"\x01"),
    "asterisk as target": _target(b"*"),
    "CONNECT": _first(b"CONNECT headwater:80 HTTP/1.1"),
    "CONNECT to a path": _first(b"CONNECT " + PATH + b" HTTP/1.1"),
    "method unknown": _first(b"SMUGGLE " + PATH + b" HTTP/1.1"),
    "method in lower case": _first(b"post " + PATH + b" HTTP/1.1"),
    "tabs in the request line": _first(b"POST\t" + PATH + b"\tHTTP/1.1"),
    "HTTP/0.9, without a version": b"GET /livez\r\n",
    "HTTP/0.9": _first(b"POST " + PATH + b" HTTP/0.9"),
    "HTTP/1.2": _first(b"POST " + PATH + b" HTTP/1.2"),
    "HTTP/2.0": _first(b"POST " + PATH + b" HTTP/2.0"),
    "HTTP/1.10": _first(b"POST " + PATH + b" HTTP/1.10"),
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http in lower case": _first(b"POST " + PATH + b" http/1.1"),
    "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a handshake of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}

_TAKEN = {
    "as it should be": request(HOST, LENGTH),
    "chunked": request(HOST, CHUNKED, body=chunks()),
    "Transfer-Encoding in upper case": _te(b" CHUNKED"),
    "Transfer-Encoding with an underscore": request(HOST, LENGTH, b"Transfer_Encoding: chunked"),
    "Content-Length before a tab": _cl(b"\t" + _N + b"\t"),
    "Content-Length with zeros": _cl(b" 00" + _N),
    "Host as IPv6 with port": request(b"Host: [::1]:8080", LENGTH),
    "chunk with an extension": request(HOST, CHUNKED, body=chunks(end=b';a="b"\r\n')),
    "chunk size with zeros": request(HOST, CHUNKED, body=chunks(size=b"0" * 40 + b"%x" % len(BODY))),
    "trailer": request(HOST, CHUNKED, body=chunks(last=b"0\r\nX-A: a\r\n\r\n")),
    "key and host as trailers": request(
        HOST, CHUNKED, body=chunks(last=b"0\r\nAuthorization: Bearer other\r\nHost: other\r\n\r\n")
    ),
    "coding as a trailer": request(HOST, CHUNKED, body=chunks(last=b"0\r\nContent-Encoding: gzip\r\n\r\n")),
    "target with the same host": _target(b"http://headwater" + PATH),
    "non-ASCII in a value": _header(b"X-A: \xe9"),
    "empty line between": request(HOST, LENGTH) + b"\r\n",
    "offer of h2c": _header(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__"),
    "offer of h2c, chunked": request(HOST, CHUNKED, b"Connection: Upgrade\r\nUpgrade: h2c", body=chunks()),
    "offer of websocket": _header(b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket"),
}

_TAKEN_AND_CLOSED = {
    "Connection: close": _header(b"Connection: close"),
    "Connection: close, chunked": request(HOST, CHUNKED, b"Connection: close", body=chunks()),
    "HTTP/1.0": _first(b"POST " + PATH + b" HTTP/1.0"),
    "HTTP/1.0 without Host": request(LENGTH, first=b"POST " + PATH + b" HTTP/1.0"),
    "HTTP/1.0, kept alive": request(HOST, LENGTH, b"Connection: keep-alive", first=b"POST " + PATH + b" HTTP/1.0"),
}

SHAPES = [
    *_named((400,), (), _REFUSED),
    *_named((200, 200), ("canary", "first"), _TAKEN),
    *_named((200,), ("first",), _TAKEN_AND_CLOSED),
    Shape("Expect: 100-continue", _header(b"Expect: 100-continue"), (200, 200), ("canary", "first")),
    Shape("garbage behind the body", request(HOST, LENGTH) + b"garbage", (200, 400), ("first",)),
    Shape("body longer than it says", request(HOST, b"Content-Length: %d" % (len(BODY) - 1)), (400, 400), ()),
    Shape("no length", request(HOST, body=b""), (400, 200), ("canary",)),
]
