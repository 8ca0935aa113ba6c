"""Answers on their way out: the headers that every one of them has."""

from collections.abc import Awaitable, Callable
from typing import Any

from headwater.dialects.base import Answer

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

CLOSES = (408, 413, 431)
"""After these the rest of the request is not read."""


def headers_of(answer: Answer) -> list[tuple[bytes, bytes]]:
    """An answer's own headers, its length, and its type where it does not say another."""
    headers = [(b"content-length", b"%d" % len(answer.body)), *answer.headers]
    if not answer.headers or all(name != b"content-type" for name, _ in answer.headers):
        headers.append((b"content-type", b"application/json"))
    if answer.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="headwater"'))
    return headers


def told_headers(answer: Answer, batch: str = "") -> list[tuple[bytes, bytes]]:
    """`headers_of`, with the batch's id, and with the word that the connection ends where the status ends it."""
    headers = headers_of(answer)
    if batch:
        headers.append((b"headwater-batch", batch.encode()))
    if answer.status in CLOSES:
        headers.append((b"connection", b"close"))
    return headers


async def reply(send: Send, answer: Answer, batch: str = "") -> None:
    """Sends an answer whole; `batch` is told in a header."""
    headers = told_headers(answer, batch)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
