"""The simulation's time: what happens next happens now."""

import heapq
from collections.abc import Callable
from itertools import count

Act = Callable[[], None]


class Clock:
    """Seconds from 0. What is due at the same moment happens in the order in which it was asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Act]] = []
        self._turns = count()

    def at(self, moment: float, act: Act) -> None:
        heapq.heappush(self._due, (max(moment, self.now), next(self._turns), act))

    def after(self, seconds: float, act: Act) -> None:
        self.at(self.now + seconds, act)

    def every(self, seconds: float, act: Act) -> None:
        """From now on."""

        def again() -> None:
            act()
            self.after(seconds, again)

        again()

    def run(self, until: float) -> None:
        while self._due and self._due[0][0] <= until:
            self.now, _, act = heapq.heappop(self._due)
            act()
        self.now = until


class Server:
    """Serves one after the other, in the order they came; a piece of work is so many seconds of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free_at = 0.0
        self.busy = 0.0
        """Seconds of work that it was given."""

    def waits(self) -> float:
        """Seconds until it would begin what comes now."""
        return max(0.0, self._free_at - self._clock.now)

    def do(self, seconds: float, then: Act) -> None:
        """`then` is called once it is done."""
        self._free_at = max(self._free_at, self._clock.now) + seconds
        self.busy += seconds
        self._clock.at(self._free_at, then)
