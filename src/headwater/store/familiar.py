"""Who is known to belong together: most events name people who were named together before."""

from collections.abc import Callable, Collection, Iterable

from headwater.log.base import Record
from headwater.state.base import Link
from headwater.store.rows import Times, links_between, note

REMEMBERED = 50_000
"""What is remembered so that an event which names it again is passed over; up to twice as much is held, and a block."""
LONGEST = 512
"""Bytes of identities that are remembered: names that somebody made long are not to fill the memory."""


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
        left_out: dict[str, Collection[str]] = {}  # it is asked once a block: a record may be one event
        for record in records:
            if record.workspace not in left_out:
                left_out[record.workspace] = excluded(record.workspace)
            note(self._fresh, record, left_out[record.workspace], self._young, self._old)
        return links_between(self._fresh)

    def committed(self) -> None:
        """What was told last is durable."""
        if self._changes is None:
            return  # it would be forgotten the next time
        if len(self._young) + len(self._fresh) > REMEMBERED:
            self._young, self._old = {}, self._young
        self._young.update({named: ms for named, ms in self._fresh.items() if len(named[1]) <= LONGEST})
        self._fresh = {}

    def forget(self) -> None:
        self._young, self._old = {}, {}
