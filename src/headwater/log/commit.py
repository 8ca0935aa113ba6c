"""Group commit: many callers, one writer thread, one fsync for all who wait.

What is handed in gathers in the event loop's thread and goes to the writer as one group, when the loop has run
through what was ready and the writer has made the group before durable: a wake-up each way for a commit, not for a
batch, for each makes the two threads change places in the interpreter. The writer makes a group durable in one go,
publishes the new end and wakes all callers through one call into the event loop. After a failure it refuses, begins
anew behind the last durable position and retries that with a growing pause, without a restart of the process.
"""

import asyncio
import errno
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import NamedTuple, Protocol

from headwater.advice import advice, number_of
from headwater.clock import now_ms, to_iso
from headwater.errors import LogUnavailableError
from headwater.events import Batch
from headwater.log.base import Status
from headwater.log.published import Claimed, open_or_create_claimed
from headwater.log.record import encode

_MOST = 512
"""Records in one commit; below IOV_MAX (1024), so that one system call writes them."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0
_HELD_SECONDS = 5
"""What those are told to wait who are refused by a bound."""

LOST = (
    "records at positions {} to {} of the log were acknowledged and are damaged or gone; nothing was changed. "
    "Restore {}, or, to go on without them, remove the file `durable` there"
)
"""What a start says that must not go on."""

_logger = logging.getLogger(__name__)


class Medium(Protocol):
    """What the writer thread writes to; touched by that thread alone once it runs."""

    @property
    def durable(self) -> int: ...

    def backlog(self) -> int:
        """Bytes that hold what is not known to be stored. Any thread may ask; never raises."""

    def write(self, records: Sequence[bytes]) -> None:
        """All of them are durable and published when it returns; when it raises, none counts."""

    def disown(self) -> None:
        """After a failed write and before anyone hears of it: sees to it that no reader and no later start takes
        what it left behind for records. Does what the disk still lets it; never raises."""

    def renew(self) -> None:
        """Begins anew behind the last durable position, having proven that writing works and that what was durable
        before the failure still is. Raises when not."""

    def roll(self, older_seconds: float) -> None:
        """As `Appender.roll`, at once. Raises OSError or apsw's errors; then everything goes on as it was."""

    def close(self) -> None: ...


class _Waiting(NamedTuple):
    record: bytes
    future: asyncio.Future[None]


_WAKE: list[_Waiting] = []
"""Nothing to write: there is something else to do."""


class GroupCommit:
    """An `Appender` over a medium in `directory`."""

    def __init__(self, medium: Medium, directory: Path) -> None:
        self._medium = medium
        self._directory = directory
        self._claimed: Claimed | None = None
        self._queue: SimpleQueue[list[_Waiting] | None] = SimpleQueue()
        self._gathered: list[_Waiting] = []
        """Handed in, and not yet to the writer."""
        self._gathers: set[asyncio.AbstractEventLoop] = set()
        """Loops that will look at what was gathered, or have done so while the writer was busy."""
        self._busy = False
        """Whether the writer has a group."""
        self._rolling: float | None = None
        """To begin a new segment when records older than these seconds lie in the old one."""
        self._gate = Lock()
        self._closing = False
        self._why = ""
        self._advice = ""
        self._since_ms = 0
        self._held = ""
        self._commits = 0
        self._batches = 0
        self._thread = Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def append(self, batch: Batch) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        if self._why or self._held:  # no work for what is refused anyway
            future.set_exception(self._refused())
            return future
        waiting = _Waiting(encode(batch), future)
        with self._gate:  # or a record could slip in behind the writer's last look
            if self._closing or self._why:
                future.set_exception(self._refused())
                return future
            self._gathered.append(waiting)
            loop = future.get_loop()
            if loop not in self._gathers:
                self._gathers.add(loop)
                loop.call_soon(self._hand_over)
        return future

    def hold(self, why: str) -> None:
        self._held = why

    def roll(self, older_seconds: float) -> None:
        known = self._rolling
        self._rolling = older_seconds if known is None else min(known, older_seconds)
        with self._gate:
            if not (self._closing or self._why):
                self._queue.put(_WAKE)

    def claimed(self, position: int) -> None:
        self._claimed = self._claimed or open_or_create_claimed(self._directory)
        self._claimed.position = position

    def durable(self) -> int:
        return self._medium.durable

    def status(self) -> Status:
        if self._closing:
            return Status(False, "the log is closed", self._medium.durable, self._commits, self._batches)
        why, medium = self._told(), self._medium
        return Status(not why, why, medium.durable, self._commits, self._batches, medium.backlog())

    def close(self) -> None:
        with self._gate:
            if not self._closing:
                self._closing = True
                while self._gathered:
                    self._put()
                self._queue.put(None)
        self._thread.join()
        claimed, self._claimed = self._claimed, None
        if claimed:
            claimed.close()

    def _told(self) -> str:
        why = self._why
        failing = f"{why}, since {to_iso(self._since_ms)}. {self._advice}" if why else ""
        return " ".join(filter(None, (failing.strip(), self._held)))

    def _refused(self) -> LogUnavailableError:
        """A failed write is mostly over at once; a bound that was reached is not."""
        if self._why or self._closing or not self._held:
            return LogUnavailableError(self._refusal())
        return LogUnavailableError(self._held, retry_after=_HELD_SECONDS)

    def _refusal(self) -> str:
        return "the log is closing" if self._closing else self._why or "the log could not be written"

    def _hand_over(self) -> None:
        """In the loop's thread: what was gathered, if the writer is free; else whoever hears of its commit does it."""
        with self._gate:
            if not self._busy:
                self._gathers.clear()
                if self._gathered:
                    self._put()

    def _put(self) -> None:
        self._busy = True
        self._queue.put(self._gathered[:_MOST])
        del self._gathered[:_MOST]

    def _run(self) -> None:
        while (group := self._queue.get()) is not None:
            if group and self._why:  # the log was closed while it could not be written
                self._settle(group, self._refusal())
            elif group:
                self._commit(group)
            if self._why:
                self._recover()
            elif self._rolling is not None:
                self._roll()
        self._medium.close()

    def _roll(self) -> None:
        older, self._rolling = self._rolling or 0.0, None
        try:
            self._medium.roll(older)
        except Exception as error:
            _logger.warning("no new segment could be begun, it is tried again: %s", error)

    def _commit(self, group: list[_Waiting]) -> None:
        try:
            self._medium.write([waiting.record for waiting in group])
        except Exception as error:
            self._fail(group, error)
        else:
            self._commits += 1
            self._batches += len(group)
            self._settle(group, "")

    def _fail(self, group: list[_Waiting], error: Exception) -> None:
        self._since_ms = now_ms()
        self._note(error)
        _logger.error("the log refuses: %s", self._why)
        self._medium.disown()
        self._settle(group, self._refusal())

    def _recover(self) -> None:
        """Until the medium takes records again, or the log is closed."""
        pause = _FIRST_PAUSE
        while not self._closing:
            self._refuse_for(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            try:
                self._medium.renew()
            except Exception as error:
                self._note(error)
            else:
                _logger.warning("the log takes batches again, from position %d on", self._medium.durable)
                self._why = ""
                return
        self._refuse_for(0)

    def _note(self, error: Exception) -> None:
        self._advice = advice(number_of(error))
        self._why = describe(error)

    def _refuse_for(self, seconds: float) -> None:
        """Refuses what was handed in before `append` knew; a `close` ends the pause."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                group = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
                if group is None:
                    self._queue.put(None)
                    return
                if group:
                    self._settle(group, self._refusal())
        except Empty:
            return

    def _settle(self, group: list[_Waiting], refusal: str) -> None:
        """Wakes a group's callers, with LogUnavailableError when there is a `refusal`: one call into each loop."""
        futures = [waiting.future for waiting in group]
        loops = {future.get_loop() for future in futures}
        with self._gate:
            self._busy = False
            loops |= self._gathers
        for loop in loops:
            try:
                loop.call_soon_threadsafe(self._settled, loop, futures, refusal)
            except RuntimeError:
                _logger.warning("the event loop ended before its batches were durable")

    def _settled(self, loop: asyncio.AbstractEventLoop, futures: list[asyncio.Future[None]], refusal: str) -> None:
        for future in futures:
            if future.get_loop() is not loop or future.done():
                continue  # done: its caller went away, which changes nothing about the record
            if refusal:
                future.set_exception(LogUnavailableError(refusal))
            else:
                future.set_result(None)
        self._hand_over()


def describe(error: Exception) -> str:
    """For people: `the log cannot be written: No space left on device (ENOSPC)`."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"the log cannot be written: {error.strerror} ({errno.errorcode.get(error.errno, error.errno)})"
    return f"the log cannot be written: {error}"
