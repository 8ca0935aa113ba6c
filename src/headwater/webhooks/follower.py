"""Follows what happens, for every webhook on its own: what it is to be told goes into the outbox in one transaction
with how far it was read, so that a crash neither loses nor repeats any."""

import logging
import threading
from collections.abc import Callable, Collection, Sequence

from msgspec.structs import replace

from headwater import clock
from headwater.errors import UnavailableError
from headwater.state.webhooks import Outbox, Place, Webhook
from headwater.webhooks.sources import COHORTS, MOST_PENDING, Found, Source

LOOK_SECONDS = 0.5
FIRST_BACK_OFF, LAST_BACK_OFF = 1.0, 30.0

_logger = logging.getLogger(__name__)


class Follower:
    """One thread reads; `lock` is held while it does, and by whoever moves a webhook's place, or erases somebody."""

    def __init__(self, outbox: Outbox, sources: Sequence[Source], sending: Callable[[], None]) -> None:
        """`sending`: as `sender.Sender.wake`."""
        self._outbox = outbox
        self._sources = sources
        self._sending = sending
        self._wake = threading.Event()
        self.lock = threading.RLock()

    def wake(self) -> None:
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set and `wake` was called."""
        back_off = FIRST_BACK_OFF
        while not stop.is_set():
            try:
                self.look()
                pause = LOOK_SECONDS
                back_off = FIRST_BACK_OFF
            except UnavailableError as error:
                _logger.warning("webhooks are told nothing: %s; it is tried again", error)
                pause, back_off = back_off, min(2 * back_off, LAST_BACK_OFF)
            except Exception:
                _logger.exception("webhooks are told nothing; it is tried again")
                pause, back_off = back_off, min(2 * back_off, LAST_BACK_OFF)
            self._wake.wait(pause)
            self._wake.clear()

    def look(self) -> None:
        """Reads all sources for all webhooks that do not rest. What fails holds up nothing else: the first failure is
        raised when all were read."""
        failures: list[Exception] = []
        for known in self._outbox.webhooks():
            if known.paused is None:
                with self.lock:
                    self._read(known, failures)
        if failures:
            raise failures[0]

    def here(self, workspace: str, place: Place | None = None) -> tuple[Place, Sequence[str]]:
        """Behind all that happened until now, and keys of what needs not to be told."""
        told: list[str] = []
        place = place or Place()
        for source in self._sources:
            place, more = source.here(workspace, place)
            told += more
        return place, told

    def settle(self, webhook: Webhook) -> None:
        """Tells one that goes on which cohorts somebody entered and left until now, by what it is set to now. With
        `lock`, before that changes: a place stands still while nothing is for its webhook, and what lies behind it
        would be told otherwise. Raises UnavailableError."""
        newest = self.here(webhook.workspace)[0].change
        while webhook.place.change < newest and self._goes_on(webhook):
            before = webhook.place
            for source in self._sources:
                if source.events == COHORTS:
                    webhook = self._told(webhook, source)
            if webhook.place == before:  # nothing that was until then is for it
                webhook = self._put(webhook, Found(place=replace(before, change=newest)))

    def erase(self, workspace: str, identities: Collection[str]) -> None:
        """As `Outbox.erase`, of what is being read now as well."""
        with self.lock:
            self._outbox.erase(workspace, identities)

    def _read(self, known: Webhook, failures: list[Exception]) -> None:
        webhook = self._outbox.webhook(known.workspace, known.id)
        if webhook is None or not self._goes_on(webhook):
            return
        for source in self._sources:
            try:
                webhook = self._told(webhook, source)
            except Exception as error:
                failures.append(error)

    def _goes_on(self, webhook: Webhook) -> bool:
        return webhook.paused is None and self._outbox.pending(webhook.id) < MOST_PENDING

    def _told(self, webhook: Webhook, source: Source) -> Webhook:
        """With how far it has followed now."""
        found = source.read(webhook, clock.now_ms())
        if found.messages or found.place or found.told:
            webhook = self._put(webhook, found)
        if found.messages:
            self._sending()
        return webhook

    def _put(self, webhook: Webhook, found: Found) -> Webhook:
        if not self._outbox.put(webhook.id, found.messages, found.place, found.told, before=webhook.place):
            raise UnavailableError(f"somebody else tells the webhook {webhook.id}")
        return replace(webhook, place=found.place) if found.place else webhook
