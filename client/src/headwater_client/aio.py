"""The client of tasks, for asyncio."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import httpx2

from headwater_client.answers import Verdict
from headwater_client.delivery import Delivery, Figures, OnDropped, OnRefused
from headwater_client.errors import ClosedError, FullError, SpoolError
from headwater_client.events import Event
from headwater_client.outbox import Batch
from headwater_client.settings import Settings
from headwater_client.version import USER_AGENT

if TYPE_CHECKING:  # it needs flock, which not every system has
    from headwater_client.spool import Found


class AsyncClient:
    """As `Client`, within one event loop; `async with` it, or close it: nothing closes it at exit.

    Make it in the process that uses it. The callbacks are called in the loop and must not block.
    """

    def __init__(
        self,
        url: str,
        key: str,
        settings: Settings | None = None,
        *,
        on_refused: OnRefused | None = None,
        on_dropped: OnDropped | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Raises SettingsError."""
        self.settings = settings or Settings()
        self._delivery = Delivery(url, key, self.settings, on_refused, on_dropped)
        self._changed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = self._stopped = self._left = False
        self._done: bool | None = None
        """What `close` came to, once it is through."""
        self._flushers = 0
        self._http = httpx2.AsyncClient(
            transport=transport,
            timeout=self.settings.timeout,
            trust_env=self.settings.trust_env,
            headers={"User-Agent": USER_AGENT},
        )

    async def track(self, event: Event) -> bool:
        """Accepts an event, as `Client.track`. It waits only when there is no room and `when_full` is "block"."""
        if self._delivery.too_large(event):
            return False
        try:
            async with self._changed:
                accepted = await self._accept(event)
        except SpoolError:
            if self.settings.when_full != "drop":
                raise
            self._delivery.drop((event,), "spool")
            return False
        if not accepted:
            self._delivery.drop((event,), "full")
        return accepted

    async def flush(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109  # as the other client's
        """Sends all there is, as `Client.flush`."""
        async with self._changed:
            self._start()
            self._flushers += 1
            self._delivery.outbox.flushing = True
            self._changed.notify_all()
            try:
                await self._wait(lambda: self._delivery.idle or self._stopped, timeout)
                return self._delivery.idle and not self._left
            finally:
                self._flushers -= 1
                self._delivery.outbox.flushing = self._flushers > 0

    async def close(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109
        """Takes no more events, and flushes, as `Client.close`. Idempotent, as that."""
        seconds = self.settings.exit_seconds if timeout is None else timeout
        try:
            if self._closed:
                async with self._changed:
                    await self._wait(lambda: self._done is not None, seconds)
            else:
                self._closed = True
                try:
                    await self.flush(seconds)
                finally:
                    self._end()
        finally:
            if self._stopped:
                await self._release()
        return bool(self._done)

    def figures(self) -> Figures:
        """What became of the events until now."""
        return self._delivery.figures()

    async def __aenter__(self) -> Self:
        async with self._changed:
            self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _end(self) -> None:
        done, lost = self._delivery.idle, self._delivery.close()
        self._stopped, self._left, self._done = True, not done, done
        for task in self._tasks:
            task.cancel()
        self._delivery.drop(lost, "closed")

    async def _release(self) -> None:
        """May be cut short, and done again."""
        async with self._changed:
            self._changed.notify_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    # --- under the condition's lock --------------------------------------------------------------------------------

    async def _accept(self, event: Event) -> bool:
        self._check_open()
        while not self._delivery.accept(event, time.monotonic()):
            if self.settings.when_full == "drop":
                return False
            if self.settings.when_full == "raise":
                raise FullError(f"{self._delivery.outbox.events} events wait already")
            await self._changed.wait()
            self._check_open()
        self._start()
        if self._delivery.sooner:
            self._changed.notify_all()
        return True

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the client was closed")

    def _start(self) -> None:
        while len(self._tasks) < self.settings.concurrency:
            name = f"headwater-client-{len(self._tasks) + 1}"
            self._tasks.append(asyncio.create_task(self._run(), name=name))

    async def _wait(self, what: Callable[[], bool], timeout: float | None) -> None:  # noqa: ASYNC109
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._changed.wait_for(what)

    async def _next(self) -> Batch | None:
        while not self._stopped:
            now = time.monotonic()
            if batch := self._delivery.take(now):
                return batch
            if self._delivery.is_adoption_due(now):
                return None
            try:
                async with asyncio.timeout(self._delivery.wait(now)):
                    await self._changed.wait()
            except TimeoutError:
                continue
        return None

    # --- a task of the client's ------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._stopped:
            async with self._changed:
                batch = await self._next()
            if batch is not None:
                await self._deliver(batch)
            else:
                await self._adopt()

    async def _deliver(self, batch: Batch) -> None:
        if self._delivery.is_stale(batch):
            self._delivery.give_up(batch)
            self._delivery.drop(batch.events, "stale")
        else:
            verdict = await self._send(batch)
            self._delivery.tell(batch, verdict)
            self._delivery.settle(batch, verdict, time.monotonic())
        async with self._changed:
            self._changed.notify_all()

    async def _send(self, batch: Batch) -> Verdict:
        try:
            return self._delivery.judge(batch, await self._http.send(self._delivery.request(self._http, batch)))
        except Exception as error:
            return self._delivery.lost(error)

    async def _adopt(self) -> None:
        room = self._delivery.adoption_due(time.monotonic())
        if room is None:
            return
        looking = asyncio.get_running_loop().run_in_executor(None, self._delivery.adopt, room)
        try:
            found = await asyncio.shield(looking)
            async with self._changed:
                self._delivery.own(found, time.monotonic())
                self._changed.notify_all()
        except asyncio.CancelledError:
            looking.add_done_callback(_let_go)  # the thread goes on, and nobody else would hear what it finds
            raise


def _let_go(looking: "asyncio.Future[Found | None]") -> None:
    if not looking.cancelled() and not looking.exception() and (found := looking.result()):
        found.file.release()
