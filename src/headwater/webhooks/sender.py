"""Sends what the outbox has, and writes down what came of it.

A webhook whose receiver is slow hinders no other: `places` says who is next. While attempts cannot be written down,
next to nothing is sent: all of it would be sent again.
"""

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence

from headwater import __version__, clock
from headwater.errors import HeadwaterError
from headwater.rules import signature
from headwater.rules.address import Network
from headwater.rules.retries import LAST_MS, next_attempt, retry_after
from headwater.rules.webhook import PING
from headwater.state.webhooks import Attempt, Delivery, Outbox, Pause, Turn, Webhook
from headwater.webhooks.places import EACH, Places
from headwater.webhooks.request import Poster, Reply, elapsed_ms, resolve

MOST = 256
"""Requests at once to all of them."""
LOOK_SECONDS = 0.5
"""Between two looks for what is due; it is looked at once when something new is there."""
FIRST_REST, LAST_REST = 1.0, 60.0
"""After an attempt that could not be written down; twice as long each time."""
LEAVE_SECONDS = 3.0
"""How long requests under way are waited for at the end. What is cut off is sent again."""
KEEP_MS, KEEP_MOST = 30 * clock.DAY_MS, 100_000
"""How long, and of a webhook how many, deliveries stay in the log after their end."""
_PRUNE_SECONDS, _PRUNED = 60.0, 1_000

_GONE = 410
_logger = logging.getLogger(__name__)


class Sender:
    """One thread; the figures may be asked by any."""

    def __init__(self, outbox: Outbox, allowed: Sequence[Network], attempted: Callable[[str, float], None]) -> None:
        """`attempted` is told of every attempt: `success`, `failure` or `refused`, and how many seconds it took."""
        self._outbox = outbox
        self._allowed = allowed
        self._attempted = attempted
        self._places = Places()
        self._rest = 0.0
        """How long it rests before one request is tried; 0: attempts can be written down."""
        self._rests_until = 0.0
        self._flying: dict[int, asyncio.Task[None]] = {}
        self._ended: set[int] = set()
        """Those that ended since it was asked what is due: what was answered may be older."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._pruned = 0.0

    def wake(self) -> None:
        """There is something to send, or the end is near. From any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(self._news.set)
            except RuntimeError:  # closed in between
                return

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set and `wake` was called."""
        asyncio.run(self._run(stop))

    async def _run(self, stop: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        poster = Poster(self._allowed, resolve)
        try:
            while not stop.is_set():
                await self._look(poster)
                await self._wait()
            if self._flying:
                await asyncio.wait(self._flying.values(), timeout=LEAVE_SECONDS)
        finally:
            self._loop = None
            for task in self._flying.values():
                task.cancel()
            await asyncio.gather(*self._flying.values(), return_exceptions=True)
            await poster.close()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()

    async def _look(self, poster: Poster) -> None:
        self._ended.clear()
        try:
            due = await asyncio.to_thread(self._outbox.due, clock.now_ms(), 2 * EACH)
            if due:
                known = {each.id: each for each in await asyncio.to_thread(self._outbox.webhooks)}
                self._begin(poster, due, known)
            await self._prune()
        except HeadwaterError as error:
            _logger.warning("webhooks rest: %s", error)
        except Exception:
            _logger.exception("webhooks could not be looked at; it is tried again")

    def _begin(self, poster: Poster, due: Sequence[Delivery], known: dict[str, Webhook]) -> None:
        if time.monotonic() < self._rests_until:
            return
        waiting = [each for each in due if each.number not in self._flying and each.number not in self._ended]
        for delivery in self._places.take(waiting, known, 1 if self._rest else MOST):
            task = asyncio.create_task(self._deliver(poster, known[delivery.webhook], delivery))
            self._flying[delivery.number] = task

    async def _deliver(self, poster: Poster, webhook: Webhook, delivery: Delivery) -> None:
        try:
            at_ms, began = clock.now_ms(), time.monotonic()
            signed = signature.headers(delivery.id, at_ms // 1000, delivery.body, webhook.secrets(at_ms))
            reply = await poster.post(webhook.url, headers_of(signed), delivery.body)
            took_ms = elapsed_ms(began)
            attempt = Attempt(at_ms, took_ms, reply.status, reply.error, reply.answer)
            turn, pause = decided(webhook, delivery, reply, at_ms + took_ms, random.random())  # noqa: S311
            await asyncio.to_thread(self._outbox.record, delivery, attempt, turn, pause)
            self._rest = self._rests_until = 0.0
            self._attempted(_outcome(reply), took_ms / 1000)
            if pause is not None:
                _logger.warning("the webhook %s rests: %s", webhook.id, pause)
        except HeadwaterError as error:
            _logger.warning("an attempt of %s could not be written down, it will be sent again: %s", webhook.id, error)
            self._take_rest(time.monotonic())
        except Exception:
            _logger.exception("a delivery of %s failed; it is tried again", webhook.id)
            await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._flying.pop(delivery.number, None)
            self._ended.add(delivery.number)
            self._places.leave(webhook.id)
            self._news.set()

    def _take_rest(self, now: float) -> None:
        """`now`: as `time.monotonic`. What was under way when it began to rest makes that no longer."""
        if now >= self._rests_until:
            self._rest = min(max(2 * self._rest, FIRST_REST), LAST_REST)
            self._rests_until = now + self._rest

    async def _prune(self) -> None:
        if time.monotonic() - self._pruned < _PRUNE_SECONDS:
            return
        gone = await asyncio.to_thread(self._outbox.prune, clock.now_ms() - KEEP_MS, KEEP_MOST, _PRUNED)
        if gone < _PRUNED:  # else more waits
            self._pruned = time.monotonic()


def headers_of(signed: dict[str, str]) -> dict[str, str]:
    """All that a request says beside its body, but for Host."""
    return {"content-type": "application/json", "user-agent": f"headwater/{__version__}", "accept": "*/*", **signed}


def decided(webhook: Webhook, delivery: Delivery, reply: Reply, now_ms: int, draw: float) -> tuple[Turn, Pause | None]:
    """What becomes of a delivery, and whether its webhook rests from now on. `draw`: random, 0 to 1."""
    if not reply.error:
        return Turn("delivered"), None
    if reply.status == _GONE:
        return Turn("failed"), "gone"
    if delivery.type == PING:
        return Turn("failed"), None
    first_ms = now_ms if delivery.first_ms is None else delivery.first_ms
    wait_ms = retry_after(reply.retry_after, now_ms)
    next_ms = next_attempt(first_ms, delivery.attempts + 1, now_ms, draw, wait_ms)
    if next_ms is not None:
        return Turn("pending", next_ms), None
    is_failing = webhook.failing_ms is not None and now_ms - webhook.failing_ms >= LAST_MS
    return Turn("failed"), "failing" if is_failing else None


def _outcome(reply: Reply) -> str:
    if not reply.error:
        return "success"
    return "failure" if reply.status is not None or not reply.error.startswith("not sent") else "refused"
