"""Asks a running engine to keep one moment, and watches that it does: the other end of `web.keeping`."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from headwater.errors import BackupError

_SILENCE_SECONDS = 60
"""An engine says something twice a second; it is slow when the machine is busy, and away when it is silent so long."""
_CONNECT_SECONDS = 10
_LEAVE_SECONDS = 5


class Moment(msgspec.Struct, frozen=True):
    """What the engine keeps."""

    folder: Path
    store_version: int
    attend: Callable[[], None]
    """Raises BackupError when the engine keeps it no more."""


class _Watch(threading.Thread):
    """Asks, and reads what the engine says, for as long as it says anything or until it is told to leave."""

    def __init__(self, client: httpx.Client, path: str) -> None:
        super().__init__(daemon=True, name="backup-watch")
        self._client = client
        self._path = path
        self._leaving = False
        self.kept: dict[str, Any] = {}
        self.failure = ""
        self.moved = threading.Event()
        """The engine keeps the moment, or never will."""

    def run(self) -> None:
        try:
            with self._client.stream("POST", self._path) as answer:
                self._listen(answer)
            self.failure = self.failure or "the engine keeps the moment no more: it was stopped"
        except (httpx.HTTPError, httpx.StreamError, msgspec.MsgspecError) as error:
            self.failure = self.failure or f"the engine went away: {error or type(error).__name__}"
        finally:
            self.moved.set()

    def _listen(self, answer: httpx.Response) -> None:
        if answer.is_error:
            answer.read()
            self.failure = _why(answer)
            return
        for line in answer.iter_lines():
            said = msgspec.json.decode(line, type=dict[str, Any])
            self.failure = said.get("failure", "")
            if "kept" in said:
                self.kept = said
                self.moved.set()
            if self._leaving:  # the connection is closed here, where nobody reads from it any more
                return

    def attend(self) -> None:
        if self.failure:
            raise BackupError(f"the backup is given up: {self.failure}")

    def leave(self) -> None:
        self._leaving = True
        self.join(_LEAVE_SECONDS)


@contextmanager
def moment(socket: Path, path: str) -> Iterator[Moment]:
    """A moment that the engine behind `socket` keeps until the block ends. Raises BackupError."""
    timeout = httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
    transport = httpx.HTTPTransport(uds=str(socket))
    with httpx.Client(transport=transport, base_url="http://engine", timeout=timeout) as client:
        watch = _Watch(client, path)
        watch.start()
        try:
            watch.moved.wait()
            watch.attend()
            yield Moment(Path(watch.kept["kept"]), watch.kept["store"], watch.attend)
        finally:
            watch.leave()


def _why(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the engine answers {answer.status_code} {answer.text[:200]}"
