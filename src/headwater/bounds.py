"""Refuse before losing: when the gateway takes nothing for a while, though its log could be written.

Two bounds are looked at twice a second, beside the hot path; each holds the log's appender, which then refuses at
once, and lets it go again by itself, some way below where it took hold, so that it does not come and go:

    backlog   what is acknowledged and not stored is over `max_backlog_bytes`; until it is below seven eighths of that
    ballast   the disk was full and the ballast was given up; until there is room for it and the reserve again

The third bound, the reserve, is the log's own: it is looked at where bytes are written (`log.files`).
"""

import asyncio
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from headwater.advice import is_full, readable
from headwater.ballast import Ballast
from headwater.clock import now_ms, to_iso
from headwater.config import Settings
from headwater.log.base import Appender

LOOK_SECONDS = 0.5
_TRY_AGAIN_SECONDS = 60
"""How often a ballast is tried where files of its size cannot be, though there is room."""

_logger = logging.getLogger(__name__)


class Room(msgspec.Struct, frozen=True):
    """How a data directory shares its disk with the world, in bytes."""

    reserve: int
    """Batches are refused with less free."""
    ballast: int
    """Given up when the disk is full."""
    resume: int
    """Must be free before batches are taken again."""


def room_of(settings: Settings) -> Room:
    """What the settings ask for; on a small disk at most a twentieth of it for the reserve, half of that as ballast."""
    total = shutil.disk_usage(settings.data_dir).total
    reserve, ballast = min(settings.reserve_bytes, total // 20), min(settings.ballast_bytes, total // 40)
    return Room(reserve, ballast, max(reserve + ballast, 2 * ballast))


def has_room(settings: Settings, size: int = 0) -> bool:
    """Whether the disk is so far from full that something that takes room may go on beside the taking of events, with
    `size` bytes more."""
    return shutil.disk_usage(settings.data_dir).free - size > room_of(settings).resume


class Bounds:
    """Holds `log` while a bound is reached. One thread looks at a time."""

    def __init__(self, log: Appender, ballast: Ballast, room: Room, settings: Settings) -> None:
        self._log = log
        self._ballast = ballast
        self.room = room
        self.backlog_bound = settings.max_backlog_bytes
        self._directory = settings.data_dir
        self._backlog = _Hold()
        self._full = _Hold()
        self._next_try = 0

    async def run(self) -> None:
        """Looks until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await asyncio.to_thread(self.look)
            except Exception:
                _logger.exception("the bounds could not be looked at; it is tried again")

    def look(self) -> None:
        """Looks at both bounds once, and holds the log or lets it go. Raises OSError, with the first one obeyed."""
        self._backlog.settle(self._is_behind(), self._behind)
        try:
            self._full.settle(self._is_out_of_room(), self._out_of_room)
        finally:
            self._log.hold(" ".join(filter(None, (self._backlog.why, self._full.why))))

    def free(self) -> int:
        """Bytes of the disk left for such as us. Raises OSError."""
        return _free(self._directory)

    @property
    def ballast_bytes(self) -> int:
        """What the ballast holds now."""
        return self._ballast.size if self._ballast.is_there else 0

    def _is_behind(self) -> bool:
        over = self.backlog_bound - (self.backlog_bound // 8 if self._backlog.why else 0)
        return 0 < over <= self._log.status().backlog

    def _behind(self, since: str) -> str:
        waits, bound = readable(self._log.status().backlog), readable(self.backlog_bound)
        return (
            f"{waits} of acknowledged events wait to be stored, which is over the bound of {bound}, since {since}. "
            f"See whether the engine runs and is ready; once less than {readable(self.backlog_bound * 7 // 8)} wait, "
            "events are taken again. The bound is HEADWATER_MAX_BACKLOG_BYTES."
        )

    def _is_out_of_room(self) -> bool:
        free = self.free()
        if self._ballast.is_there:
            if free >= self._ballast.size // 8:
                return False
            self._ballast.drop()
            return self._ballast.size > 0
        return not self._remake(free)

    def _remake(self, free: int) -> bool:
        """Whether the disk is as it should be: with the ballast, or without where it has room and takes none."""
        if now_ms() < self._next_try:
            return True
        if free < self.room.resume + self._ballast.size:
            return False
        try:
            self._ballast.make()
        except OSError as error:
            if is_full(error):
                return False
            self._next_try = now_ms() + _TRY_AGAIN_SECONDS * 1000
            _logger.warning("the ballast cannot be made, it is gone on without: %s", error)
        return True

    def _out_of_room(self, since: str) -> str:
        wanted = readable(self.room.resume + self._ballast.size)
        return (
            f"the disk of {self._directory} is full or nearly so, since {since}: no room for the ballast, which is "
            f"given up so that what was taken can be stored. Make room: {readable(self.free())} are free, and with "
            f"{wanted} events are taken again."
        )


class _Hold:
    """One bound: why it holds, from its first moment to its last."""

    def __init__(self) -> None:
        self.why = ""
        self._since = ""

    def settle(self, reached: bool, told: Callable[[str], str]) -> None:
        """`told` words it, given since when."""
        if reached:
            self._since = self._since or to_iso(now_ms())
            if not self.why:
                _logger.error("no more events are taken: %s", told(self._since))
            self.why = told(self._since)
        else:
            if self.why:
                _logger.warning("events are taken again")
            self.why = self._since = ""


def _free(directory: Path) -> int:
    about = os.statvfs(directory)
    return about.f_bavail * about.f_frsize
