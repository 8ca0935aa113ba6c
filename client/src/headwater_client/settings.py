"""What a client runs with: frozen, checked once."""

from dataclasses import dataclass
from os import PathLike
from typing import Literal

from headwater_client.errors import SettingsError

MIB = 1024 * 1024
MOST_EVENTS = 100
"""Events of a batch: more headwater does not take."""
MOST_BYTES = 5 * MIB
"""Bytes of a body: this many headwater takes."""

WhenFull = Literal["drop", "block", "raise"]
WhenStale = Literal["send", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Raises SettingsError. Times are in seconds."""

    batch_events: int = MOST_EVENTS
    """A batch is sent as soon as it has so many events, 100 at most,"""
    batch_bytes: int = MIB
    """or so many bytes, less than 5 MiB,"""
    interval: float = 1.0
    """or its first event has waited so long."""
    max_events: int = 10_000
    """Events that wait or are under way; see `when_full`."""
    max_bytes: int = 32 * MIB
    """Their bytes as JSON."""
    when_full: WhenFull = "drop"
    """`drop`: `track` returns False, counts, and calls `on_dropped`; `block`: it waits; `raise`: FullError."""
    concurrency: int = 2
    """Requests under way at once."""
    timeout: float = 10.0
    """For each step of a request: to connect, to write, to wait for the answer."""
    backoff_first: float = 0.2
    backoff_most: float = 60.0
    """After n failures in a row the next try is at a random moment within `backoff_first` * 2^n, or within this."""
    exit_seconds: float = 5.0
    """How long the interpreter's exit waits for what has not been sent."""
    compress: bool = False
    """Bodies are sent with gzip."""
    trust_env: bool = True
    """Proxies and certificates named in the environment are used, as httpx2 does."""
    spool: str | PathLike[str] | None = None
    """A folder of this client's own, or none: what `track` accepted is there until it was taken, whatever kills the
    process."""
    sync: bool = False
    """`track` waits for the disk as well, so that a power cut loses nothing either; that takes milliseconds."""
    segment_bytes: int = 8 * MIB
    """Size at which a file of the spool is ended and the next one begun."""
    key_hours: float = 23.0
    """How long the server surely knows an Idempotency-Key: less than its HEADWATER_IDEMPOTENCY_HOURS."""
    when_stale: WhenStale = "send"
    """A batch that may have been taken longer ago than that: `send` it again (it could be doubled, but for signals with
    `dedupe_by`), or `drop` it (it could be lost)."""

    def __post_init__(self) -> None:
        self._within("batch_events", 1, MOST_EVENTS)
        self._within("batch_bytes", 1024, MOST_BYTES - 1024)
        self._within("max_events", 1)
        self._within("max_bytes", self.batch_bytes)
        self._within("concurrency", 1, 64)
        self._within("segment_bytes", 1024)
        for name in ("interval", "backoff_first", "exit_seconds", "key_hours"):
            self._within(name, 0)
        self._within("backoff_most", self.backoff_first)
        if not self.timeout > 0:
            raise SettingsError("timeout must be more than 0")
        if self.when_full not in ("drop", "block", "raise"):
            raise SettingsError("when_full must be 'drop', 'block' or 'raise'")
        if self.when_stale not in ("send", "drop"):
            raise SettingsError("when_stale must be 'send' or 'drop'")

    def _within(self, name: str, least: float, most: float = float("inf")) -> None:
        if not least <= getattr(self, name) <= most:
            bound = f"between {least} and {most}" if most < float("inf") else f"at least {least}"
            raise SettingsError(f"{name} must be {bound}")
