"""Whose request is begun next: whoever sends events waits for few of those who only ask."""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """Begins what is no ingest a few at a time, with a look at all connections in between.

    An event loop does all that is ready before it looks at its connections again: hundreds who ask at the same moment,
    which anyone may, would be answered before the next batch is as much as read.
    """

    AT_ONCE = 4

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._room = self.AT_ONCE
        """How many more may begin at this look; nobody waits while there is room."""
        self._going = False

    def take(self, loop: asyncio.AbstractEventLoop, begin: Callable[[], None]) -> None:
        """Calls `begin` when it is its turn, in the order in which they came: at once, unless many come together."""
        if not self._going:
            self._going = True
            loop.call_soon(self._next, loop)
        if self._room:
            self._room -= 1
            begin()
        else:
            self._waiting.append(begin)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        now = [self._waiting.popleft() for _ in range(min(self.AT_ONCE, len(self._waiting)))]
        self._room = self.AT_ONCE - len(now)
        self._going = bool(now)
        if self._going:
            loop.call_soon(self._next, loop)
        for begin in now:
            begin()
