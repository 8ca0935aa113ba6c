"""Reads back what chDB wrote, for it takes no notice of a write that failed.

Measured on chDB 4.4: when the disk fills while a part is written, by an insert or by a merge, the file is cut short,
no error is raised, and the part counts as whole until the next start finds it broken and sets it aside. So every new
part is checked against its checksums. A broken one is taken out by attaching the table anew, which sets it aside and
brings back the parts that a merge had replaced: those are kept on disk for ten minutes (`old_parts_lifetime`). A part
that a deletion made (`store.deletion`) is no other: what it replaced comes back with the rows that were deleted, and
ClickHouse deletes them again by itself.
"""

from collections.abc import Callable

from headwater.errors import CorruptionError

_ACTIVE = (
    "SELECT name, level > 0 OR data_version > max_block_number, rows"
    " FROM system.parts WHERE database = currentDatabase() AND table = 'events' AND active"
)
_SET_ASIDE = "SELECT name FROM system.detached_parts WHERE table = 'events' AND reason = 'broken-on-start'"
GONE = "NO_SUCH_DATA_PART"


class Parts:
    """The parts of the events table. `run` runs a statement and returns its answer as tab-separated text."""

    def __init__(self, run: Callable[[str], str]) -> None:
        self._run = run
        # What a start loads it has held against the sizes in its checksums.
        self._sound = frozenset(self._active())

    def broken(self, merged: bool) -> list[str]:
        """The new parts that cannot be read back: of those that merges and deletions made, or that inserts made."""
        active = self._active()
        fresh = [name for name, (made, _) in active.items() if name not in self._sound and made == merged]
        found = [name for name in fresh if not self._reads_back(name)]
        self._sound = (self._sound | frozenset(fresh)) & active.keys() - frozenset(found)
        return found

    def heal(self, broken: list[str]) -> None:
        """Takes broken parts out. Nothing must be inserted meanwhile.

        The rows of an insert's part are gone then, those of a merge's are back, and more than those where some had been
        deleted. Raises CorruptionError when rows are missing after that; what was set aside is kept then, for people to
        look at.
        """
        before = self._active()
        lost = sum(rows for name, (made, rows) in before.items() if name in broken and not made)
        self._run("DETACH TABLE IF EXISTS events")
        self._run("ATTACH TABLE IF NOT EXISTS events")
        wanted, found = (
            sum(rows for _, rows in before.values()) - lost,
            sum(rows for _, rows in self._active().values()),
        )
        if found < wanted or (found > wanted and not any(map(_is_mutated, broken))):
            raise CorruptionError(f"the disk damaged the parts {', '.join(broken)} of the store: {wanted - found} rows")
        for name in self._run(_SET_ASIDE).split():
            if any(name.startswith(f"broken-on-start_{part}") for part in broken):
                self._run(f"ALTER TABLE events DROP DETACHED PART '{name}' SETTINGS allow_drop_detached = 1")

    def _active(self) -> dict[str, tuple[bool, int]]:
        """Whether other parts were made into it, and its rows, of each active part."""
        lines = [line.split("\t") for line in self._run(_ACTIVE).splitlines()]
        return {name: (made == "1", int(rows)) for name, made, rows in lines}

    def _reads_back(self, name: str) -> bool:
        try:
            answer = self._run(f"CHECK TABLE events PART '{name}' SETTINGS check_query_single_value_result = 0")
        except Exception as error:
            if GONE in str(error):  # merged meanwhile, so it could be read
                return True
            raise
        return answer.split("\t")[1] == "1"


def _is_mutated(name: str) -> bool:
    """`202611_1_4_1_7`: by the mutation 7."""
    return name.count("_") == 4
