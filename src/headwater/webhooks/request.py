"""One request of a webhook: to an address that was looked at, and to no other.

A name is resolved once, every address that it has is judged, and the connection is made to one of those, so that a name
that resolves otherwise a moment later changes nothing. TLS and the header Host go by the name. Nothing is followed
(redirects), kept (cookies, connections), or taken from the environment (proxies, passwords).
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread

import httpx
import msgspec

from headwater.errors import InvalidError
from headwater.rules.address import Network
from headwater.rules.target import Target, check_address, parse_target

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 20.0
"""From the name's resolution to the end of the answer."""
MOST_READ = 64 * 1024
"""Bytes of an answer that are read at all."""
KEPT = 1_000
"""Bytes of an answer that are kept."""
_ADDRESSES = 3
"""Tried at most, one after the other."""
_resolving = BoundedSemaphore(64)
"""Names at once."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a name, as text. Raises OSError."""


class Reply(msgspec.Struct, frozen=True):
    """What came of a request."""

    status: int | None
    """HTTP; None: there was no answer."""
    error: str
    """Empty for a success, which is a 2xx."""
    answer: bytes = b""
    retry_after: str | None = None


async def resolve(host: str, port: int) -> Sequence[str]:
    """By the system's name servers. Raises OSError."""
    return await asyncio.wrap_future(resolving(host, port))


def resolving(host: str, port: int) -> "Future[Sequence[str]]":
    """The addresses of a name, once somebody knows them. In a thread of its own: a slow name server holds up nothing
    else, and no end of the process. Raises OSError while too many are under way."""
    if not _resolving.acquire(blocking=False):
        raise OSError("too many names are being resolved")
    future: Future[Sequence[str]] = Future()
    future.set_running_or_notify_cancel()  # whoever waits may leave, and the thread ends all the same

    def work() -> None:
        try:
            future.set_result(addresses(host, port))
        except Exception as error:
            future.set_exception(error)
        finally:
            _resolving.release()

    Thread(target=work, name="webhook-names", daemon=True).start()
    return future


def addresses(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, in the order of preference. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(str(error)) from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Poster:
    """Sends requests, as many at once as it is asked for."""

    def __init__(self, allowed: Sequence[Network], resolve: Resolve, tls: ssl.SSLContext | None = None) -> None:
        """`allowed`: the operator's networks, beside all that is public."""
        self._allowed = allowed
        self._resolve = resolve
        self._transport = httpx.AsyncHTTPTransport(
            verify=tls or httpx.create_ssl_context(),
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Raises nothing but CancelledError."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                target = parse_target(url, self._allowed)
                return await self._sent(target, await self._checked(target), headers, body)
        except InvalidError as error:
            return Reply(None, f"not sent: {error}")
        except TimeoutError:
            return Reply(None, f"no answer within {TOTAL_SECONDS:.0f} s")
        except httpx.HTTPError as error:
            return Reply(None, _said(error))
        except (OSError, ValueError) as error:
            return Reply(None, f"not sent: {_said(error)}")

    async def _checked(self, target: Target) -> Sequence[str]:
        """The addresses of its host, each of which may be reached."""
        found = [target.host] if target.is_address else await self._resolved(target)
        for address in found:
            check_address(target, address, self._allowed)
        return found[:_ADDRESSES]

    async def _resolved(self, target: Target) -> Sequence[str]:
        found: Sequence[str] = ()
        try:
            found = await self._resolve(target.host, target.port)
        except OSError as error:
            raise OSError(f"its host cannot be resolved: {_said(error)}") from None
        if not found:
            raise OSError("its host has no address")
        return found

    async def _sent(self, target: Target, addresses: Sequence[str], headers: Mapping[str, str], body: bytes) -> Reply:
        for address in addresses[:-1]:
            try:
                return await self._exchange(target, address, headers, body)
            except (httpx.ConnectError, httpx.ConnectTimeout):  # nothing was sent
                continue
        return await self._exchange(target, addresses[-1], headers, body)

    async def _exchange(self, target: Target, address: str, headers: Mapping[str, str], body: bytes) -> Reply:
        seconds = {"connect": CONNECT_SECONDS, "read": TOTAL_SECONDS, "write": TOTAL_SECONDS, "pool": TOTAL_SECONDS}
        request = httpx.Request(
            "POST",
            httpx.URL(scheme=target.scheme, host=address, port=target.port, raw_path=target.path.encode()),
            headers={"host": target.authority, "accept-encoding": "identity", **headers},
            content=body,
            extensions={"timeout": seconds, "sni_hostname": target.host},
        )
        response = await self._transport.handle_async_request(request)
        try:
            return _reply(response, await _beginning(response))
        finally:
            await response.aclose()

    async def close(self) -> None:
        await self._transport.aclose()


async def _beginning(response: httpx.Response) -> bytes:
    """The first bytes of an answer; the rest of a bounded one is read so that its sender is not cut off."""
    kept, read = b"", 0
    async for piece in response.aiter_raw():
        kept = (kept + piece[:KEPT])[:KEPT]
        read += len(piece)
        if read >= MOST_READ:
            break
    return kept


def _reply(response: httpx.Response, answer: bytes) -> Reply:
    status = response.status_code
    error = "" if 200 <= status < 300 else f"answered {status}"
    if 300 <= status < 400:
        error += ": redirects are not followed"
    return Reply(status, error, answer, response.headers.get("retry-after"))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")[:300].replace("\0", "\ufffd")  # which TEXT cannot hold


def elapsed_ms(since: float) -> int:
    """Milliseconds since a moment of `time.monotonic`."""
    return int(1000 * (time.monotonic() - since))
