"""All connections together: how many there may be, and the look at how long each takes."""

import asyncio
import logging
from contextlib import suppress
from typing import Any, Protocol

logger = logging.getLogger("headwater.protocol")


class Connection(Protocol):
    """What is asked of one: `protocol.GuardedProtocol`."""

    @property
    def spare(self) -> tuple[bool, float] | None: ...

    def expire(self, now: float) -> None: ...

    def cut(self) -> None: ...


class Places:
    """How many connections there may be; past that, those go that hold a place for nothing."""

    _SHARE = 50
    """Of the places, one in so many is made free at once: finding the oldest takes a look at all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._credit = 0

    def give(self, newcomer: Connection, connections: set[Any]) -> bool:
        """Whether the newcomer may stay."""
        if len(connections) <= self._most:
            return True
        if not self._credit:
            self._credit = self._free(newcomer, connections)
        if not self._credit:
            return False
        self._credit -= 1
        return True

    def _free(self, newcomer: Connection, connections: set[Any]) -> int:
        spares = [(each.spare, each) for each in connections if each is not newcomer and each.spare is not None]
        spares.sort(key=lambda pair: pair[0])
        chosen = spares[: max(1, self._most // self._SHARE)]
        for _, each in chosen:
            each.cut()
        if chosen:
            logger.warning("%d connections: ended %d that were idle", len(connections), len(chosen))
        return len(chosen)


async def sweep(connections: set[Any]) -> None:
    """Runs for as long as the server does."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(1)
        for place, protocol in enumerate(list(connections)):
            if place % 64 == 63:
                await asyncio.sleep(0)  # ten thousand at once would keep the others waiting
            if protocol.transport is not None:
                _expire(protocol, loop.time())


def _expire(protocol: Connection, now: float) -> None:
    try:
        protocol.expire(now)
    except Exception:  # one connection's must not end the watch over all others
        logger.exception("a connection could not be looked at, and is cut")
        with suppress(Exception):
            protocol.cut()
