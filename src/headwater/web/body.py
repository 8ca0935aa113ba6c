"""A request's body, read with bounds: as sent, and as it inflates."""

import zlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from headwater.errors import RequestError

_SLICE = 16 * 1024
_MEMBERS = 1000


class BodyRefused(RequestError):  # noqa: N818  a status of its own, not only a 400
    """The body cannot be read: `status` is 400, 413 or 415."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status


class Disconnected(Exception):  # noqa: N818
    """The client went away before its request was complete."""


async def read_body(receive: Callable[[], Awaitable[Any]], headers: dict[bytes, bytes], most: int) -> bytes:
    """The whole body, inflated when it came as gzip; at most `most` bytes either way."""
    length = headers.get(b"content-length")
    if length is not None and (not length.isdigit() or int(length) > most):
        raise BodyRefused(413)
    body = await _collect(receive, most)
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding in (b"identity", b""):
        return body
    if encoding not in (b"gzip", b"x-gzip"):
        raise BodyRefused(415)
    return inflate(body, most)


async def _collect(receive: Callable[[], Awaitable[Any]], most: int) -> bytes:
    message = await receive()
    if message["type"] != "http.request":
        raise Disconnected
    body: bytes = message["body"]
    if not message["more_body"]:
        if len(body) > most:
            raise BodyRefused(413)
        return body
    pieces, size = [body], len(body)
    while message["more_body"]:
        if size > most:
            raise BodyRefused(413)
        message = await receive()
        if message["type"] != "http.request":
            raise Disconnected
        pieces.append(message["body"])
        size += len(message["body"])
    if size > most:
        raise BodyRefused(413)
    return b"".join(pieces)


def inflate(body: bytes, most: int) -> bytes:
    """gzip, members one after another; stops as soon as more than `most` bytes have come out."""
    pieces, size, at, members = [], 0, 0, 0
    try:
        while at < len(body):
            members += 1
            if members > _MEMBERS:
                raise BodyRefused(400, f"Request body must be at most {_MEMBERS} gzip members")
            for piece, taken in _member(body, at, most):
                size, at = size + len(piece), at + taken
                if size > most:
                    raise BodyRefused(413)
                pieces.append(piece)
    except zlib.error:
        raise BodyRefused(400, "Request body is not valid gzip") from None
    return b"".join(pieces)


def _member(body: bytes, at: int, most: int) -> Iterator[tuple[bytes, int]]:
    """One member as (what came out, bytes of the body it took). In slices: what is behind a member's end is copied
    each time, and a body can be made of many short ones."""
    stream = zlib.decompressobj(wbits=31)
    while not stream.eof:
        if at >= len(body):
            raise BodyRefused(400, "Request body is not valid gzip: it ends too early")
        piece = stream.decompress(body[at : at + _SLICE], most + 1)
        taken = min(_SLICE, len(body) - at) - len(stream.unused_data) - len(stream.unconsumed_tail)
        at += taken
        yield piece, taken
