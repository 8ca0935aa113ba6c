"""A request's body, read with bounds: as sent, as it inflates, and beside all others."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any

from headwater.errors import RequestError, UnavailableError

_SLICE = 16 * 1024
_MEMBERS = 1000
_PIECE = 256 * 1024
"""Bytes that come out of the inflater at once: what inflates to no more is done at once, half a millisecond's work;
the rest is done beside the event loop, which would stand still for ten."""

_AT_ONCE = 16
"""Pieces that are inflated at once: small members cost more than their bytes."""
_INFLATERS = 1


class BodyRefused(RequestError):  # noqa: N818  a status of its own, not only a 400
    """The body cannot be read: `status` is 400, 413 or 415."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status


ABORT = "headwater.abort"
"""In a request's scope: what ends its connection at once."""


class Disconnected(Exception):  # noqa: N818
    """The client went away before its request was complete."""


class Bodies:
    """What the bodies of all requests may take in memory together: each is small, but there can be thousands."""

    def __init__(self, most: int) -> None:
        self.left = most
        self.inflating = asyncio.Semaphore(_INFLATERS)

    def share(self) -> "Share":
        """One request's part of it, as a context: what it took is given back at the end."""
        return Share(self)


class Share:
    """Bytes that one request holds."""

    __slots__ = ("_bodies", "_held", "inflating")

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._held = 0
        self.inflating = bodies.inflating

    def take(self, size: int) -> None:
        """Raises UnavailableError when there is no room for so much more."""
        if size > self._bodies.left:
            raise UnavailableError("too many bytes of requests in flight")
        self._bodies.left -= size
        self._held += size

    def __enter__(self) -> "Share":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bodies.left += self._held
        self._held = 0


async def read_body(
    receive: Callable[[], Awaitable[Any]], headers: dict[bytes, bytes], most: int, share: Share
) -> bytes:
    """The whole body, inflated when it came as gzip; at most `most` bytes either way.

    What it takes in memory is taken from `share` as it comes, not as it is announced: an announcement costs nothing.
    Raises BodyRefused, Disconnected, UnavailableError.
    """
    length = headers.get(b"content-length")
    if length is not None and int(length) > most:  # the parser let digits through, nothing else
        raise BodyRefused(413)
    body = await _collect(receive, most, share)
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding in (b"identity", b""):
        return body
    if encoding not in (b"gzip", b"x-gzip"):
        raise BodyRefused(415)
    return await _inflate(body, most, share)


async def cut(scope: Any, receive: Callable[[], Awaitable[Any]]) -> None:
    """Ends the client's connection without an answer; returns when it has ended."""
    if abort := scope.get(ABORT):
        abort()
        while (await receive())["type"] != "http.disconnect":
            pass


def read_again(body: bytes, receive: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    """A `receive` for an application that reads the body itself."""
    left: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return left.pop() if left else await receive()

    return again


async def _collect(receive: Callable[[], Awaitable[Any]], most: int, share: Share) -> bytes:
    message = await _part(receive, share)
    body: bytes = message["body"]
    if not message["more_body"]:
        if len(body) > most:
            raise BodyRefused(413)
        return body
    pieces, size = [body], len(body)
    while message["more_body"]:
        if size > most:
            raise BodyRefused(413)
        message = await _part(receive, share)
        pieces.append(message["body"])
        size += len(message["body"])
    if size > most:
        raise BodyRefused(413)
    return b"".join(pieces)


async def _part(receive: Callable[[], Awaitable[Any]], share: Share) -> Any:
    message = await receive()
    if message["type"] != "http.request":
        raise Disconnected
    share.take(len(message["body"]))
    return message


async def _inflate(body: bytes, most: int, share: Share) -> bytes:
    """A small one at once; a large one beside the event loop, one at a time: the others wait small."""
    pieces: list[bytes] = []
    coming = _inflating(body, most)
    for piece in coming:
        share.take(len(piece))
        pieces.append(piece)
        if len(piece) == _PIECE or len(pieces) == _AT_ONCE:
            break
    else:
        return b"".join(pieces)
    async with share.inflating:
        share.take(most)
        whole = await asyncio.get_running_loop().run_in_executor(None, _together, pieces, coming)
        share.take(len(whole) - most)
        return whole


def inflate(body: bytes, most: int) -> bytes:
    """gzip, members one after another; stops as soon as more than `most` bytes have come out. Raises BodyRefused."""
    return _together([], _inflating(body, most))


def _together(pieces: list[bytes], coming: Iterator[bytes]) -> bytes:
    pieces.extend(coming)
    return b"".join(pieces)


def _inflating(body: bytes, most: int) -> Iterator[bytes]:
    size, at, members = 0, 0, 0
    try:
        while at < len(body):
            members += 1
            if members > _MEMBERS:
                raise BodyRefused(400, f"Request body must be at most {_MEMBERS} gzip members")
            for piece, taken in _member(body, at):
                size, at = size + len(piece), at + taken
                if size > most:
                    raise BodyRefused(413)
                yield piece
    except zlib.error:
        raise BodyRefused(400, "Request body is not valid gzip") from None


def _member(body: bytes, at: int) -> Iterator[tuple[bytes, int]]:
    """One member as (what came out, bytes of the body it took). In slices: what is behind a member's end is copied
    each time, and a body can be made of many short ones."""
    stream = zlib.decompressobj(wbits=31)
    while not stream.eof:
        if at >= len(body):
            raise BodyRefused(400, "Request body is not valid gzip: it ends too early")
        piece = stream.decompress(body[at : at + _SLICE], _PIECE)
        taken = min(_SLICE, len(body) - at) - len(stream.unused_data) - len(stream.unconsumed_tail)
        at += taken
        yield piece, taken
