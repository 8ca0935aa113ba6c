"""What of the links is known to be written down already, by heart."""

from collections.abc import Iterable

from headwater.state.base import Link

KNOWN_LINKS = 50_000
"""Links remembered so that naming them again costs no write; up to twice as many are held."""

_Pair = tuple[str, str, str]  # workspace, a, b


class Known:
    """How old links are that are stored already: the recent ones, in two generations, so that forgetting costs
    nothing."""

    def __init__(self) -> None:
        self._young: dict[_Pair, int] = {}
        self._old: dict[_Pair, int] = {}

    def fresh(self, links: Iterable[Link]) -> list[tuple[str, str, str, int]]:
        """Those not known to be so old, each once, sorted, so that they enter the table side by side."""
        found: dict[_Pair, int] = {}
        for link in links:
            pair, first_ms = (link.workspace, link.a, link.b), link.first_ms
            known = found.get(pair, self._young.get(pair, self._old.get(pair)))
            if known is None or first_ms < known:
                found[pair] = first_ms
        return sorted((*pair, first_ms) for pair, first_ms in found.items())

    def add(self, links: Iterable[tuple[str, str, str, int]]) -> None:
        """Only what is durable."""
        self._young.update(((workspace, a, b), first_ms) for workspace, a, b, first_ms in links)
        if len(self._young) > KNOWN_LINKS:
            self._young, self._old = {}, self._young
