"""The state in PostgreSQL: of one partition of the log (`PostgresState`), and of all (`PostgresLedger`).

Blocks have one sequence of numbers a lane, whichever partitions they are of: the database gives them when they are
written down. What a partition's owner writes, it writes through the session that holds the partition's lock, and only
if its cursor stands where the owner thinks: two that both believe to own it can never write down the same range.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import index
from typing import Any

import psycopg
from psycopg import Cursor as Question
from psycopg.types.json import Jsonb

from headwater.errors import LockedError, NotOwnerError, StartError, UnavailableError
from headwater.events import Lane
from headwater.postgres import MOST_SECONDS, WAIT_SECONDS, Kind, SessionLock, bounded, lock, told
from headwater.state.base import Account, Cursor, Link, Plan
from headwater.state.known import Known
from headwater.state.postgres_shared import SQL, SharedState, accounts, all_plans, columns, months_of, watermarks

_CLOSE_SECONDS = 5.0


class PostgresState(SharedState):
    """`state.base.State` of one partition. Safe to call from several threads."""

    def __init__(self, url: str, partition: int = 0) -> None:
        """Raises LockedError while another process stores this partition, StartError."""
        super().__init__(url)
        self._partition = partition
        self._owned = SessionLock(url, Kind.PARTITION, partition)
        self._writing = threading.Lock()
        self._known = Known()
        self._relinked = -1
        """How often links had been taken away when what is `_known` was last known to be there."""
        try:
            if not self._take():
                raise LockedError(f"partition {partition} is stored by another engine", 0)
            with self.database.writing() as change:
                change.execute(SQL["begin_lanes"], {"partition": partition})
        except (psycopg.Error, UnavailableError) as error:
            self.close()
            raise StartError(f"state: the database cannot be used: {error}") from error
        except BaseException:
            self.close()
            raise

    def ledger(self) -> dict[Lane, Account]:
        """Cursors and plans are the partition's; months and what was emptied are everybody's."""
        with self.database.snapshot() as ask:
            return accounts(ask, self._cursors(ask), self._plans(ask), dict.fromkeys(Lane, (1 << 63) - 1))

    def cursors(self) -> dict[Lane, Cursor]:
        with self.database.reading() as ask:
            return self._cursors(ask)

    def plans(self) -> dict[Lane, Plan]:
        with self.database.reading() as ask:
            return self._plans(ask)

    def plan(self, plan: Plan) -> Plan:
        with self._writing, self._owning() as change:
            position, block, planned = self._stand(change, plan.lane)
            if planned is not None or position != plan.start:
                raise self._not_owner(plan, position, block, planned)
            return self._give(change, plan)

    def changes(self) -> int | None:
        return None  # others take links back: only a commit sees it

    def commit(
        self, plan: Plan, links: Iterable[Link], upcoming: Plan | None = None, changes: int | None = None
    ) -> Plan | None:
        if upcoming is not None and (upcoming.lane, upcoming.start) != (plan.lane, plan.end):
            raise ValueError("the upcoming block must begin where this one ends")
        links = list(links)
        with self._writing:
            with self._owning() as change:
                position, block, planned = self._stand(change, plan.lane)
                moves_on = planned is None and plan.block == block and not plan.months
                if position != plan.start or not (moves_on or planned == plan):
                    raise self._not_owner(plan, position, block, planned)
                fresh = self._put(change, plan, links, moves_on)
                given = None if upcoming is None else self._give(change, upcoming)
            self._known.add(fresh)
        return given

    def owns(self) -> bool:
        """Asks the server whether the partition is this session's still. Raises nothing: False when that cannot be
        known."""
        with self._writing:
            connection = self._owned.connection
            if connection is None:
                return False
            try:
                with bounded(connection, WAIT_SECONDS):
                    return bool(connection.execute("SELECT 1").fetchone())
            except psycopg.Error:
                return False

    def close(self) -> None:
        """Another engine may have the partition from here on. Idempotent."""
        ended = self._writing.acquire(timeout=_CLOSE_SECONDS)  # what is being written is not waited for for long
        try:
            self._owned.release()
        finally:
            if ended:
                self._writing.release()
        super().close()

    def _put(
        self, change: Question[Any], plan: Plan, links: list[Link], moves_on: bool
    ) -> list[tuple[str, str, str, int]]:
        """All but the upcoming plan. Returns the links that were written."""
        lock(change, Kind.LINKS, shared=True)
        ((relinked, watches),) = change.execute(SQL["heart"]).fetchall()
        if relinked != self._relinked:
            self._known, self._relinked = Known(), relinked
        fresh = self._known.fresh(links)
        about = {**_about(plan), "partition": self._partition}
        change.execute(SQL["put_cursor"], about)
        if not moves_on:
            change.execute(SQL["drop_plan"], about)
            change.execute(SQL["put_block"], about)
            change.execute(SQL["count_rows"], about)
        if fresh:
            change.execute(SQL["put_links"], about | columns(Link(*each) for each in fresh))
        if links and watches:
            change.execute(SQL["note_links"], {"watches": watches} | columns(links))
        return fresh

    def _give(self, change: Question[Any], plan: Plan) -> Plan:
        """Writes a plan down with the next number: last of all, for all partitions wait for each other here."""
        ((number,),) = change.execute(SQL["give_number"], {"lane": plan.lane.value}).fetchall()
        given = Plan(plan.lane, number, plan.start, plan.end, plan.months)
        change.execute(SQL["put_plan"], {**_about(given), "partition": self._partition})
        return given

    def _stand(self, change: Question[Any], lane: Lane) -> tuple[int, int, Plan | None]:
        """Where the lane's cursor stands, its last block, and the plan: nobody else moves them until the commit."""
        about = {"partition": self._partition, "lane": lane.value}
        ((position, last),) = change.execute(SQL["hold_cursor"], about).fetchall()
        found = change.execute(SQL["plan_of"], about).fetchall()  # apart: it sees what was committed while that waited
        plans = [Plan(lane, block, start, end, months_of(months)) for block, start, end, months in found]
        return position, last, next(iter(plans), None)

    def _not_owner(self, plan: Plan, position: int, block: int, planned: Plan | None) -> NotOwnerError:
        stands = f"block {planned.block} is written down" if planned else "no block is written down"
        return NotOwnerError(
            f"{plan.lane} of partition {self._partition} stands at {position} after block {block}, {stands}: "
            f"not what was thought here, where it went on from {plan.start} with block {plan.block}"
        )

    @contextmanager
    def _owning(self) -> Iterator[Question[Any]]:
        """A transaction of the session that holds the partition. One that broke is begun anew, if nobody else has
        taken the partition meanwhile. Raises NotOwnerError if so, and UnavailableError."""
        with told("state"):
            if not self._take():
                raise NotOwnerError(f"partition {self._partition} is stored by another engine")
            connection = self._owned.connection
            if connection is None:
                raise psycopg.OperationalError("the session ended")
            with bounded(connection, MOST_SECONDS), connection.transaction(), connection.cursor() as change:
                yield change

    def _take(self) -> bool:
        return not self.database.closed and self._owned.take()

    def _cursors(self, ask: Question[Any]) -> dict[Lane, Cursor]:
        found = ask.execute(SQL["cursors"], {"partition": self._partition}).fetchall()
        return {lane: Cursor(0, 0) for lane in Lane} | {Lane(lane): Cursor(*rest) for lane, *rest in found}

    def _plans(self, ask: Question[Any]) -> dict[Lane, Plan]:
        found = ask.execute(SQL["plans"], {"partition": self._partition}).fetchall()
        return {
            Lane(lane): Plan(Lane(lane), number, start, end, months_of(months))
            for lane, number, start, end, months in found
        }


class PostgresLedger(SharedState):
    """The state of all partitions together, for the engine that leads: a lane's cursor stands, position and block
    alike, at the block up to which every one is committed. It plans and commits nothing."""

    def ledger(self) -> dict[Lane, Account]:
        """The plan is that of the block after the cursor's, if that is written down."""
        with self.database.snapshot() as ask:
            marks = watermarks(ask)
            cursors = {lane: Cursor(block, block) for lane, block in marks.items()}
            plans = {plan.lane: plan for _, plan in all_plans(ask) if plan.block == marks[plan.lane] + 1}
            return accounts(ask, cursors, plans, marks)

    def cursors(self) -> dict[Lane, Cursor]:
        with self.database.reading() as ask:
            return {lane: Cursor(block, block) for lane, block in watermarks(ask).items()}

    def plans(self) -> dict[Lane, Plan]:
        """As `ledger` has them."""
        return {lane: account.plan for lane, account in self.ledger().items() if account.plan}

    def plan(self, plan: Plan) -> Plan:
        raise NotOwnerError("a ledger owns no partition")

    def changes(self) -> int | None:
        return None

    def commit(
        self, plan: Plan, links: Iterable[Link], upcoming: Plan | None = None, changes: int | None = None
    ) -> Plan | None:
        raise NotOwnerError("a ledger owns no partition")


def _about(plan: Plan) -> Mapping[str, Any]:
    return {
        "lane": plan.lane.value,
        "block": plan.block,
        "start": index(plan.start),
        "end": index(plan.end),
        "months": Jsonb(plan.months),
    }
