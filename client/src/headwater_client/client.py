"""The client of threads. `track` hands an event over and returns; threads of the client's own send it."""

import atexit
import os
import threading
import time
import weakref
from types import TracebackType
from typing import Self

import httpx2

from headwater_client.answers import Verdict
from headwater_client.delivery import Delivery, Figures, OnDropped, OnRefused, logger
from headwater_client.errors import ClosedError, FullError, SpoolError
from headwater_client.events import Event
from headwater_client.outbox import Batch
from headwater_client.settings import Settings
from headwater_client.version import USER_AGENT


class Client:
    """Sends events to one workspace in the background. Any number of threads may use it.

    It may be made before a fork: parent and children then each send what they tracked themselves. Threads are started
    by the first event, or at once when there is something in the spool.
    """

    def __init__(
        self,
        url: str,
        key: str,
        settings: Settings | None = None,
        *,
        on_refused: OnRefused | None = None,
        on_dropped: OnDropped | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """`key`: an API key with the scope `ingest`. The callbacks are called by any thread, and may be called twice
        for an event after a crash. `transport`: for tests, `testing.FakeHeadwater`. Raises SettingsError."""
        self.settings = settings or Settings()
        self._delivery = Delivery(url, key, self.settings, on_refused, on_dropped)
        self._transport = transport
        self._closed = self._told = False
        self._done: bool | None = None
        """What `close` came to, once it is through."""
        self._http: httpx2.Client | None = None
        self._reset()
        _clients.add(self)
        if self._delivery.expects:
            with self._changed:
                self._start()

    def track(self, event: Event) -> bool:
        """Accepts an event; quick, and no fault of the network is raised. With a spool it is on disk by then.

        False: it was not accepted, and `on_dropped` or `on_refused` was called. Raises ClosedError; FullError and
        SpoolError where `when_full` is not "drop".
        """
        if self._delivery.too_large(event):
            return False
        try:
            with self._changed:
                accepted = self._accept(event)
        except SpoolError:
            if self.settings.when_full != "drop":
                raise
            self._delivery.drop((event,), "spool")
            return False
        if not accepted:
            self._delivery.drop((event,), "full")
        return accepted

    def flush(self, timeout: float | None = None) -> bool:
        """Sends all there is without waiting for full batches, and returns when nothing waits any more: True.

        False: after `timeout` seconds something still did, for want of a server or for a limit. Without one it waits,
        until somebody closes the client: then it returns what that came to.
        """
        with self._changed:
            if not (self._stopped or self._delivery.idle):
                self._start()
            self._flushers += 1
            self._delivery.outbox.flushing = True
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: self._delivery.idle or self._stopped, timeout)
                return self._delivery.idle and not self._left
            finally:
                self._flushers -= 1
                self._delivery.outbox.flushing = self._flushers > 0

    def close(self, timeout: float | None = None) -> bool:
        """Takes no more events, and flushes: for `timeout` seconds, or `Settings.exit_seconds`. Idempotent: a
        later call waits as long for what the first one comes to, and returns the same.

        False: something was not sent. With a spool it stays there for the next process; else `on_dropped` is called for
        each, and those that were under way may have been taken all the same.
        """
        seconds = self.settings.exit_seconds if timeout is None else timeout
        with self._changed:
            if self._closed:
                if threading.current_thread() not in self._threads:  # a callback: the first one waits for its thread
                    self._changed.wait_for(lambda: self._done is not None, seconds)
                return bool(self._done)
            self._closed = True
        try:
            self.flush(seconds)
        finally:
            done = self._end()
        return done

    def figures(self) -> Figures:
        """What became of the events until now."""
        with self._changed:
            return self._delivery.figures()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self) -> bool:
        with self._changed:
            done, lost = self._delivery.idle, self._delivery.close()
            self._stopped, self._left, self._done = True, not done, done
            self._changed.notify_all()
        _clients.discard(self)
        self._delivery.drop(lost, "closed")
        if done and self._http is not None:
            self._http.close()
        return done

    # --- under the lock --------------------------------------------------------------------------------------------

    def _accept(self, event: Event) -> bool:
        self._check_open()
        while not self._delivery.accept(event, time.monotonic()):
            if self.settings.when_full == "drop":
                return False
            if self.settings.when_full == "raise":
                raise FullError(f"{self._delivery.outbox.events} events wait already")
            self._changed.wait()
            self._check_open()
        self._start()
        if self._delivery.sooner:
            self._changed.notify_all()
        return True

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the client was closed")

    def _start(self) -> None:
        """Where no thread can be started, as many do as there are; the next event tries again."""
        self._http = self._http or httpx2.Client(
            transport=self._transport,
            timeout=self.settings.timeout,
            trust_env=self.settings.trust_env,
            headers={"User-Agent": USER_AGENT},
        )
        self._threads[:] = [thread for thread in self._threads if thread.is_alive()]
        while len(self._threads) < self.settings.concurrency:
            name = f"headwater-client-{len(self._threads) + 1}"
            thread = threading.Thread(target=self._run, args=(self._changed, self._http), name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                self._tell(error)
                return
            self._threads.append(thread)

    def _tell(self, error: RuntimeError) -> None:
        if not self._told:
            logger.error("a thread cannot be started: %s", error)
        self._told = True

    def _next(self) -> Batch | None:
        """Waits for a batch to be due; None when the client has stopped, or it is time to look into the spool."""
        while not self._stopped:
            now = time.monotonic()
            if batch := self._delivery.take(now):
                return batch
            if self._delivery.is_adoption_due(now):
                return None
            self._changed.wait(self._delivery.wait(now))
        return None

    def _reset(self) -> None:
        """What belongs to one process."""
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._stopped = False
        self._left = False
        self._flushers = 0
        self._http = None

    # --- a thread of the client's ----------------------------------------------------------------------------------

    def _run(self, changed: threading.Condition, http: httpx2.Client) -> None:
        while not self._stopped:
            with changed:
                batch = self._next()
            if batch is not None:
                self._deliver(changed, http, batch)
            else:
                self._adopt(changed)

    def _deliver(self, changed: threading.Condition, http: httpx2.Client, batch: Batch) -> None:
        if self._delivery.is_stale(batch):
            with changed:
                self._delivery.give_up(batch)
            self._delivery.drop(batch.events, "stale")
        else:
            verdict = self._send(http, batch)
            self._delivery.tell(batch, verdict)
            with changed:
                self._delivery.settle(batch, verdict, time.monotonic())
        with changed:
            changed.notify_all()

    def _send(self, http: httpx2.Client, batch: Batch) -> Verdict:
        try:
            return self._delivery.judge(batch, http.send(self._delivery.request(http, batch)))
        except Exception as error:
            return self._delivery.lost(error)

    def _adopt(self, changed: threading.Condition) -> None:
        with changed:
            room = self._delivery.adoption_due(time.monotonic())
        if room is None:
            return
        found = self._delivery.adopt(room)
        with changed:
            self._delivery.own(found, time.monotonic())
            changed.notify_all()

    # --- a process' beginning and end ------------------------------------------------------------------------------

    def after_fork(self) -> None:
        """In the child: the parent's threads, sockets and events are not here."""
        self._delivery.abandon()
        self._done = True if self._closed else None  # by a thread that may not be here
        self._reset()


_clients: "weakref.WeakSet[Client]" = weakref.WeakSet()


def _close_all() -> None:
    for client in list(_clients):
        client.close()


def _after_fork() -> None:
    for client in list(_clients):
        client.after_fork()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
