"""A request's body, read with bounds: as sent, and as it inflates."""

import zlib
from collections.abc import Awaitable, Callable
from typing import Any

from headwater.errors import RequestError


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
    pieces, size = [], 0
    try:
        while body:
            stream = zlib.decompressobj(wbits=31)
            piece = stream.decompress(body, most - size + 1)
            size += len(piece)
            if size > most:
                raise BodyRefused(413)
            if not stream.eof:
                raise BodyRefused(400, "Request body is not valid gzip: it ends too early")
            pieces.append(piece)
            body = stream.unused_data
    except zlib.error:
        raise BodyRefused(400, "Request body is not valid gzip") from None
    return b"".join(pieces)
