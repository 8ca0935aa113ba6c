"""Takes rows out of the events table for good: by a mutation, and then out of the files that it replaced.

Measured on chDB 4.4: a mutation (`ALTER TABLE … DELETE`) is written down before it begins, runs in the background, and
goes on at the next open when a kill -9 cut it short. Every part that there is gets a successor (`202611_1_1_0_7`), of
the same level; one without any of the rows is the same files under another name. Its text stays in the table's folder
and in memory, so it names the rows by the table `doomed`, by ids alone. What it replaced would stay for
`old_parts_lifetime`, as what merges replaced: with a lifetime of 0 it is gone once the cleaning is woken up.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from headwater.errors import UnavailableError
from headwater.events import Lane

LIFETIME = 600
"""Seconds that replaced parts stay, see `store.parts`; as in `store/migrations/001_events.sql`."""
CLEAN_SECONDS = 2.0
"""How long at most inserts wait until replaced parts are gone; a long question may hold some for longer."""

_TABLE = "database = currentDatabase() AND table = 'events'"
_REPLACED = f"SELECT count() FROM system.parts WHERE {_TABLE} AND NOT active"  # noqa: S608 - our own words
_LIFETIME = "SELECT extract(engine_full, 'old_parts_lifetime = ([0-9]+)') FROM system.tables WHERE"
_POLL = 0.05

Run = Callable[[str], str]
"""Runs a statement and returns its answer as tab-separated text."""


class Where(NamedTuple):
    """The table that has the rows, words that say which servers, and where mutations are listed (`store.layout`)."""

    table: str = "events"
    on: str = ""
    mutations: str = "system.mutations"


EMBEDDED = Where()


def goes_on(run: Run, key: str, upto: Mapping[Lane, int], where: Where = EMBEDDED) -> bool:
    """Deletes what is marked under a key, up to a block of each lane; whether there is more to do.

    Call it again, soon, as long as it says so. Raises UnavailableError when ClickHouse cannot carry it through now.
    """
    marked = _marked(key, upto)
    running = f"position(command, '\\'{_quoted(key)[1:-1]}\\'') > 0"
    table = f"database = currentDatabase() AND table = '{where.table}'"
    found = run(f"SELECT latest_fail_reason FROM {where.mutations} WHERE {table} AND NOT is_done AND {running}")  # noqa: S608
    if found:
        if why := found.strip():
            raise UnavailableError(f"rows cannot be deleted now, it is tried again: {why[:500]}")
        return True
    if int(run(f"SELECT count() FROM events WHERE {marked}")):  # noqa: S608
        run(f"ALTER TABLE {where.table} {where.on}DELETE WHERE {marked} SETTINGS mutations_sync = 0")
        return True
    return False


def clean(run: Run) -> bool:
    """Removes the files of all parts that were replaced; whether none is left.

    What replaced them must have been read back, and nothing may be inserted meanwhile.
    """
    try:
        run("SYSTEM STOP MERGES events")  # or one might replace parts that nobody has read back
        run("ALTER TABLE events MODIFY SETTING old_parts_lifetime = 0")
        deadline = time.monotonic() + CLEAN_SECONDS
        while int(run(_REPLACED)):
            if time.monotonic() > deadline:
                return False
            run("SYSTEM STOP CLEANUP events")
            run("SYSTEM START CLEANUP events")
            time.sleep(_POLL)
        return True
    finally:
        keep_replaced(run)
        run("SYSTEM START MERGES events")


def keep_replaced(run: Run) -> None:
    """Replaced parts stay for a while again, also after a crash in the middle of `clean`."""
    if run(f"{_LIFETIME} database = currentDatabase() AND name = 'events'").strip() != str(LIFETIME):
        run(f"ALTER TABLE events MODIFY SETTING old_parts_lifetime = {LIFETIME}")


def spare(run: Run, job: str, on: str = "") -> None:
    """Forgets what is marked under a job's id, and under all keys that begin with it and a colon."""
    of_job = f"job = {_quoted(job)} OR startsWith(job, {_quoted(job + ':')})"
    run(f"ALTER TABLE doomed {on}DELETE WHERE {of_job} SETTINGS mutations_sync = 1")


def _marked(key: str, upto: Mapping[Lane, int]) -> str:
    lanes = f"if(lane = 'realtime', {int(upto[Lane.REALTIME])}, {int(upto[Lane.MIGRATION])})"
    return f"(id IN (SELECT id FROM doomed WHERE job = {_quoted(key)})) AND (block <= {lanes})"  # noqa: S608 - quoted


def _quoted(key: str) -> str:
    """A key as an SQL string; ValueError when it cannot be one."""
    if not re.fullmatch(r"[\w:]+", key, re.ASCII):
        raise ValueError(f"nothing can be marked under '{key}'")
    return f"'{key}'"
