"""From an event that was accepted to one that was taken, without the waiting: what `Client` and `AsyncClient` share.

`accept`, `take`, `settle` and `close` take turns (the caller's lock); `judge`, `lost` and `tell` need none.
"""

import gzip
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import httpx2

from headwater_client.answers import Again, Refusal, Split, Taken, Verdict, read
from headwater_client.errors import SettingsError, SpoolError
from headwater_client.events import PATHS, Event
from headwater_client.outbox import Batch, Item, Outbox
from headwater_client.settings import MOST_BYTES, Settings

if TYPE_CHECKING:  # it needs flock, which not every system has
    from headwater_client.spool import Found, Spool

logger = logging.getLogger("headwater_client")

ADOPT_SECONDS = 5.0
"""How often the spool is looked through for what dead processes left."""
_ROOM = 64 * 1024
"""Bytes of a body's limit that are left alone."""

DropReason = Literal["full", "spool", "stale", "closed"]


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that headwater did not take, and never will as it is."""

    event: Event
    code: str
    """`schema`, `unknown_signal`, `identity`, …: what docs/client.md lists."""
    path: str
    """The place of the fault in the event: `data.price`; empty for the event as a whole."""
    message: str
    hint: str
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """An event that the client gave up."""

    event: Event
    reason: DropReason
    """`full`: no room; `spool`: the disk took no more; `stale`: `Settings.when_stale`; `closed`: not sent in time."""


OnRefused = Callable[[Refused], object]
OnDropped = Callable[[Dropped], object]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a client did since it was made, in events where nothing else is said."""

    accepted: int = 0
    adopted: int = 0
    """From the spool, of processes before this one."""
    delivered: int = 0
    refused: int = 0
    dropped: int = 0
    limited: int = 0
    """How often one was over its signal's limit, and sent again."""
    requests: int = 0
    failures: int = 0
    """Requests that are sent again whole."""
    waiting: int = 0
    """Accepted, and neither delivered nor refused nor dropped by now."""
    waiting_bytes: int = 0
    problem: str = ""
    """Why the newest request failed, as `HTTP 503` or `ConnectError`; empty when it did not."""


class Delivery:
    """One client's events. Times: `now` of a clock that only goes forward, in seconds."""

    def __init__(
        self, url: str, key: str, settings: Settings, on_refused: OnRefused | None, on_dropped: OnDropped | None
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise SettingsError("url must be as https://events.example.com")
        if not key or not (key.isascii() and key.isprintable()):
            raise SettingsError("key must be an API key of headwater")
        self.settings = settings
        self._url = url.rstrip("/")
        self._key = key
        self._on_refused = on_refused
        self._on_dropped = on_dropped
        self.outbox = Outbox(settings)
        self._spool = _spool(settings)
        self._figures = Figures()
        self._counting = threading.Lock()
        self._adopted_at = float("-inf")
        self._looked = self._spool is None or self._spool.is_empty()
        self._closed = False
        self.sooner = False
        """The event accepted last is to be sent before all that waited: whoever sleeps until then has to be woken."""

    @property
    def expects(self) -> bool:
        """There may be something of another process to send."""
        return not self._looked

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is under way, nor lies in the spool for anybody to take up."""
        return not self.outbox.events and self._looked

    def figures(self) -> Figures:
        """As they are now."""
        return replace(self._figures, waiting=self.outbox.events, waiting_bytes=self.outbox.bytes)

    def too_large(self, event: Event) -> bool:
        """No request has room for it; tells so."""
        if len(event.body) < min(MOST_BYTES - _ROOM, self.settings.max_bytes):
            return False
        self._count(refused=1)
        _call(self._on_refused, Refused(event, "too_large", "", "is larger than a request may be", "Send less data."))
        return True

    def accept(self, event: Event, now: float) -> bool:
        """False: there is no room now. Raises SpoolError."""
        if not self.outbox.has_room(len(event.body)):
            return False
        try:
            item = self._spool.write(event) if self._spool else Item(event)
        except OSError as error:
            raise SpoolError(f"the event was not accepted: {error.strerror or error}") from None
        before = self.outbox.due(now)
        self.outbox.add(item, now)
        after = self.outbox.due(now)
        self.sooner = before is None or (after is not None and after < before)
        self._count(accepted=1)
        return True

    def drop(self, events: Sequence[Event], reason: DropReason) -> None:
        """Gives them up, and tells so."""
        if not events:
            return
        if reason != "full" or not self._figures.dropped:  # one line, not one for each
            logger.warning("dropped %d events: %s", len(events), reason)
        self._count(dropped=len(events))
        for event in events:
            _call(self._on_dropped, Dropped(event, reason))

    def take(self, now: float) -> Batch | None:
        """The next batch to send, if one is due."""
        batch = self.outbox.take(now, time.time())
        if batch is None or batch.begun or self._spool is None:
            return batch
        try:
            self._spool.begin(batch)
        except OSError as error:
            self._fail(batch, Again(f"the spool: {error.strerror or error}", unknown=False), now)
            return None
        batch.begun = True
        return batch

    def is_stale(self, batch: Batch) -> bool:
        """It may have been taken so long ago that the server may have forgotten that, and is to be dropped for it."""
        if not batch.unknown or time.time() - batch.formed < self.settings.key_hours * 3600:
            return False
        if not batch.old:
            logger.warning("a batch of %d events may have been taken long ago", len(batch.items))
        batch.old = True
        return self.settings.when_stale == "drop"

    def give_up(self, batch: Batch) -> None:
        """A stale batch; the caller tells of it."""
        if not self.outbox.is_flying(batch):
            return
        self.outbox.forget(batch)
        if self._spool:
            self._spool.end(batch, ())

    def request(self, http: httpx2.Client | httpx2.AsyncClient, batch: Batch) -> httpx2.Request:
        """The same, byte for byte, whenever the batch is sent."""
        body = batch.body()
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "Idempotency-Key": batch.key,
            "Prefer": "handling=lenient",
        }
        if self.settings.compress:
            body = gzip.compress(body, 1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return http.build_request("POST", self._url + PATHS[batch.dialect], content=body, headers=headers)

    def judge(self, batch: Batch, response: httpx2.Response) -> Verdict:
        """What an answer means for its batch."""
        return read(response.status_code, response.headers, response.content, batch.events, time.time())

    def lost(self, error: Exception) -> Again:
        """What it means that there was no answer."""
        if not isinstance(error, httpx2.HTTPError):
            logger.error("a request failed in a way it should not: %s", type(error).__name__)
            return Again(type(error).__name__, slow=True)
        never = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
        return Again(type(error).__name__, unknown=not never)

    def tell(self, batch: Batch, verdict: Verdict) -> None:
        """Calls `on_refused` for what is refused: before it is settled, so that a kill in between tells it twice rather
        than never."""
        refused = refusals(batch, verdict)
        if refused:
            codes = Counter(refusal.code for refusal in refused)
            logger.warning("%d events refused: %s", len(refused), ", ".join(f"{n} {code}" for code, n in codes.items()))
        for each in refused:
            event = batch.items[each.index].event
            _call(self._on_refused, Refused(event, each.code, each.path, each.message, each.hint))

    def settle(self, batch: Batch, verdict: Verdict, now: float) -> None:
        """Ends a batch's flight; nothing when the client was closed meanwhile."""
        if not self.outbox.is_flying(batch):
            return
        self._count(requests=1)
        if isinstance(verdict, Again):
            self._fail(batch, verdict, now)
            return
        back = self.outbox.settle(batch, verdict, now)
        if self._spool:
            self._spool.end(batch, back)
        refused = len(refusals(batch, verdict))
        limited = len(verdict.limited) if isinstance(verdict, Taken) else 0
        self._count(refused=refused, limited=limited, delivered=len(batch.items) - refused - len(back))
        if isinstance(verdict, Taken):
            self._recover()

    def adoption_due(self, now: float) -> float | None:
        """The room there is for what dead processes left, when it is time to look for that."""
        if self._spool is None or now < self._adopted_at + ADOPT_SECONDS:
            return None
        self._adopted_at = now
        if not self.outbox.events:
            return float("inf")  # a file that is larger than it should be has to go as well
        room = self.settings.max_events - self.outbox.events
        return room if room >= self.settings.max_events / 2 else None

    def adopt(self, room: float) -> "Found | None":
        """Looks for it; reads a file, so not under the lock."""
        try:
            return self._spool.adopt(room) if self._spool else None
        except OSError as error:
            logger.error("the spool cannot be read: %s", error.strerror)
            return None

    def own(self, found: "Found | None", now: float) -> None:
        """What `adopt` found is this client's to send."""
        self._looked = found is None
        if found is None or self._spool is None:
            return
        if self._closed:
            found.file.release()
            return
        self._spool.own(found.file)
        self.outbox.restore(found.batches, found.items, now)
        self._count(adopted=found.file.pending)
        self._adopted_at = float("-inf")  # there may be more
        logger.info("took up %d events that another process left", found.file.pending)

    def is_adoption_due(self, now: float) -> bool:
        """It is time to look again for what dead processes left."""
        return self._adoption_wait(now) == 0

    def wait(self, now: float) -> float | None:
        """Seconds until there is something to send, or it is time to look again; None while nothing is to come."""
        waits = [wait for wait in (self.outbox.due(now), self._adoption_wait(now)) if wait is not None]
        return min(waits) if waits else None

    def _adoption_wait(self, now: float) -> float | None:
        """None without a spool."""
        return max(self._adopted_at + ADOPT_SECONDS - now, 0.0) if self._spool else None

    def close(self) -> list[Event]:
        """Ends it; returns the events of which nobody knows that they were taken, and that are nowhere else."""
        self._closed = True
        items = self.outbox.clear()
        if self._spool:
            self._spool.close()
            if items:
                logger.warning("%d events stay in the spool", len(items))
            return []
        return [item.event for item in items]

    def abandon(self) -> None:
        """In a forked child: what the parent has is the parent's to send."""
        self._looked = True
        self.outbox = Outbox(self.settings)
        self._figures = Figures()
        self._counting = threading.Lock()

    def _fail(self, batch: Batch, verdict: Again, now: float) -> None:
        self.outbox.settle(batch, verdict, now)
        known = self._figures.problem
        if not known or (verdict.slow and known != verdict.why):
            level = logging.ERROR if verdict.slow else logging.WARNING
            logger.log(level, "events are not delivered and wait: %s", verdict.why)
        self._count(verdict.why, failures=1)

    def _recover(self) -> None:
        if self._figures.problem:
            logger.info("events are delivered again")
            self._count("")

    def _count(self, problem: str | None = None, **more: int) -> None:
        with self._counting:
            known = self._figures
            sums = {name: getattr(known, name) + number for name, number in more.items()}
            self._figures = replace(known, problem=known.problem if problem is None else problem, **sums)


def refusals(batch: Batch, verdict: Verdict) -> Sequence[Refusal]:
    """Those that are final."""
    if isinstance(verdict, Taken):
        return verdict.refused
    if isinstance(verdict, Split) and len(batch.items) == 1:
        return (replace(verdict.refusal, index=0),)
    return ()


def _call(callback: Callable[..., object] | None, told: object) -> None:
    """The user's own code, whose faults must not stop the sending."""
    if callback is not None:
        try:
            callback(told)
        except Exception as error:
            logger.error("a callback raised %s", type(error).__name__)


def _spool(settings: Settings) -> "Spool | None":
    if not settings.spool:
        return None
    try:
        from headwater_client.spool import Spool
    except ImportError:
        raise SettingsError("a spool needs flock, which this system does not have") from None
    return Spool(Path(settings.spool), settings.sync, settings.segment_bytes)
