"""The store of a running engine, asked over the engine's Unix socket: for a doctor, who must not open its files."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from headwater.errors import UnavailableError

_SECONDS = 600
"""A big part takes a while to be read back."""
_SOON = 10
"""Seconds within which an engine that is well answers a short question, or has started."""
_PAUSE = 0.1

_decoder = msgspec.json.Decoder(dict[str, Any])


class EngineStore:
    """`store.base.Examined`. Raises UnavailableError when the engine does not answer, or refuses.

    `below`: the path below which it answers, see `web.examine`. An engine that is starting is waited for.
    """

    def __init__(self, socket: Path, below: str) -> None:
        self._below = below
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(socket)),
            base_url="http://engine",
            timeout=httpx.Timeout(_SECONDS, connect=_SOON),
        )
        try:
            self._wait()
        except BaseException:
            self._client.close()
            raise

    def rows(self, query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        return _decoder.decode_lines(b"".join(self.stream(query, parameters)))

    def stream(self, query: str, parameters: Mapping[str, Any]) -> Iterator[bytes]:
        body = msgspec.json.encode(dict(parameters))
        with _told(), self._client.stream("POST", f"{self._below}/rows/{query}", content=body) as answer:
            if answer.is_error:
                answer.read()
            yield from _checked(answer).iter_bytes()

    def check(self, part: str) -> str:
        with _told():
            why: str = _checked(self._client.get(f"{self._below}/parts/{part}")).json()["why"]
        return why

    def cohorts(self) -> dict[str, Any]:
        """See `web.examine.Verify`."""
        with _told():
            found: dict[str, Any] = _checked(self._client.get(f"{self._below}/cohorts")).json()
        return found

    def fault(self) -> str:
        """Why the engine stores nothing; empty when it does."""
        with _told():
            answer = self._client.get("/readyz", timeout=_SOON)
        return "" if answer.is_success else str(answer.json().get("detail", answer.status_code))

    def close(self) -> None:
        self._client.close()

    def _wait(self) -> None:
        deadline = time.monotonic() + _SOON
        while True:
            try:
                with _told():
                    self._client.get("/livez", timeout=_SOON)
            except UnavailableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)
            else:
                return


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise UnavailableError(f"the engine answers {answer.status_code}: {answer.text[:500]}")
    return answer


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, msgspec.MsgspecError, ValueError) as error:
        raise UnavailableError(f"the engine does not answer: {type(error).__name__} {error}") from error
