"""What all engines commit, as the engine that leads follows it; and what dead ones left undone."""

import threading
from collections.abc import Mapping

from headwater.events import Lane
from headwater.postgres import Kind, held
from headwater.state.base import Cursor, Link, Place, Plan, Step
from headwater.state.postgres_shared import SQL, SharedState, all_plans, watermarks

MOST_BLOCKS = 1_000
"""Of a lane, told at once: nobody may have followed for long."""


class PostgresCommits:
    """Looks at the state of all partitions. `ledger` stays its owner's to close."""

    def __init__(self, ledger: SharedState) -> None:
        self._database = ledger.database
        self._woken = threading.Event()

    def watermark(self) -> dict[Lane, int]:
        """Every block up to these numbers is committed; both lanes, always."""
        with self._database.reading() as ask:
            return watermarks(ask)

    def given(self) -> dict[Lane, int]:
        """The highest number of a block that was written down, committed or not; both lanes, always."""
        with self._database.reading() as ask:
            found = ask.execute("SELECT lane, given FROM state_lanes").fetchall()
        return dict.fromkeys(Lane, 0) | {Lane(lane): int(block) for lane, block in found}

    def follow(self, after: Mapping[Lane, int]) -> Step:
        """What was committed behind these blocks, all of one moment, up to MOST_BLOCKS a lane: the watermark is that of
        what is told. What was pruned is left out: who begins takes
        `watermark` first, then all links, and follows from there."""
        blocks: dict[Lane, dict[int, Place]] = {lane: {} for lane in Lane}
        links: list[Link] = []
        with self._database.snapshot() as ask:
            marks = watermarks(ask)
            for lane, mark in marks.items():
                begin = after.get(lane, 0)
                marks[lane] = upto = min(mark, begin + MOST_BLOCKS)
                about = {"lane": lane.value, "after": begin, "upto": upto}
                if upto <= begin:
                    continue
                for number, *place in ask.execute(SQL["blocks_between"], about):
                    blocks[lane][number] = Place(*place)
                for workspace, a, b, first_ms in ask.execute(SQL["links_between"], about, binary=True):
                    links.append(Link(workspace, a.decode(), b.decode(), first_ms))
        return Step(marks, blocks, links)

    def prune(self, before: Mapping[Lane, int]) -> None:
        """Forgets where blocks lie up to and with these, and what they linked. Not beyond the watermark: `ledger` needs
        those."""
        with self._database.writing() as change:
            marks = watermarks(change)
            for lane, block in before.items():
                about = {"lane": lane.value, "upto": min(block, marks[lane])}
                change.execute(SQL["forget_links"], about)
                change.execute(SQL["forget_blocks"], about)

    def cursors(self) -> dict[int, dict[Lane, Cursor]]:
        """How far each partition is stored, in its own positions; those that were stored at all."""
        found: dict[int, dict[Lane, Cursor]] = {}
        with self._database.reading() as ask:
            for partition, lane, position, block in ask.execute(SQL["all_cursors"]):
                found.setdefault(partition, {lane: Cursor(0, 0) for lane in Lane})[Lane(lane)] = Cursor(position, block)
        return found

    def orphans(self) -> list[tuple[int, Plan]]:
        """Partitions whose owner is gone, and what it had written down and not committed; by block."""
        with self._database.snapshot() as ask:
            owned = held(ask, Kind.PARTITION)
            return [(partition, plan) for partition, plan in all_plans(ask) if partition not in owned]

    def wait(self, seconds: float) -> None:
        """Until `wake`, or so long: notices by the database would have all commits wait for each other."""
        self._woken.wait(seconds)
        self._woken.clear()

    def wake(self) -> None:
        """Something was committed in this process. For any thread."""
        self._woken.set()
