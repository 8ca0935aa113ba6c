"""Who is known to belong together: most events name people who were named together before."""

from collections.abc import Callable, Collection, Iterable

from headwater.log.base import Record
from headwater.state.base import Link
from headwater.store.rows import Times, links_between, note

REMEMBERED = 50_000
"""What is remembered so that an event which names it again is passed over; up to twice as much is held."""


class Familiar:
    """Identities that are linked, and committed so: in two generations, so that forgetting costs nothing."""

    def __init__(self) -> None:
        self._young: Times = {}
        self._old: Times = {}
        self._fresh: Times = {}
        self._changes: int | None = None

    def links(
        self, records: Iterable[Record], excluded: Callable[[str], Collection[str]], changes: int | None
    ) -> set[Link]:
        """What events link, but for what is known. `changes`: as `State.changes` told before; with another number than
        the last time nothing is known."""
        if changes is None or changes != self._changes:
            self.forget()
        self._changes, self._fresh = changes, {}
        for record in records:
            note(self._fresh, record, excluded(record.workspace), self._young, self._old)
        return links_between(self._fresh)

    def committed(self) -> None:
        """What was told last is durable."""
        self._young.update(self._fresh)
        self._fresh = {}
        if len(self._young) > REMEMBERED:
            self._young, self._old = {}, self._young

    def forget(self) -> None:
        self._young, self._old = {}, {}
