"""How often something may be tried in a minute, by whoever tries it: at one gateway, each counts for itself."""

import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

_SECONDS = 60


class Throttle:
    """Counts in windows of a minute. Memory is bounded: `known` names a window; who comes later is not counted."""

    def __init__(
        self, each: int, overall: int, known: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`each`: tries of one name. Past `overall` tries of all names, a name has one only."""
        self._each, self._overall, self._known = each, overall, known
        self._clock = clock
        self._window = 0
        self._counts: dict[str, int] = {}
        self._total = 0

    def wait(self, name: str) -> int:
        """Seconds until it may try again; 0: now."""
        self._turn()
        most = self._each if self._total < self._overall else 1
        if self._counts.get(name, 0) < most:
            return 0
        return max(1, _SECONDS - int(self._clock() % _SECONDS))

    def count(self, name: str) -> int:
        """Notes a try; returns how many there were in this minute, of all names."""
        self._turn()
        self._total += 1
        if name in self._counts or len(self._counts) < self._known:
            self._counts[name] = self._counts.get(name, 0) + 1
        return self._total

    def _turn(self) -> None:
        window = int(self._clock() // _SECONDS)
        if window != self._window:
            self._window, self._total = window, 0
            self._counts.clear()


def name_of(address: str | None) -> str:
    """Whom an address stands for: of IPv6 the /64, all of which one house has."""
    if address is None:
        return ""
    found = ip_address(address)
    return str(IPv6Address(int(found) >> 64 << 64)) if isinstance(found, IPv6Address) else address
