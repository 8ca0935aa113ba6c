"""What all engines share of the state in PostgreSQL: links, severed pairs, jobs, and what was deleted."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from psycopg import Cursor as Question
from psycopg.types.json import Jsonb

from headwater.errors import UnavailableError
from headwater.events import Lane
from headwater.postgres import Database, Kind, SessionLock, held, lock, statements, told, vacuum
from headwater.rules.connect import Pair, Severed
from headwater.state.base import Account, Cursor, Gone, Job, JobKind, Link, Plan, Watch

PIECE = 50_000
"""Links read at once when all are."""

SQL = statements(Path(__file__).with_name("postgres.sql"))
_SCHEMA = (Path(__file__).with_name("postgres_schema.sql").read_text(),)
"""One script a version."""

_TABLES = ("state_links", "state_link_log", "state_watched", "state_severed", "state_job")
"""Those that hold something about people."""


class SharedState:
    """The verbs of `state.base.State` that are about everybody's. Safe to call from several threads, and from several
    processes at once."""

    def __init__(self, url: str) -> None:
        """Raises StartError."""
        self._url = url
        self.database = Database(url, "state", _SCHEMA)

    def unknown(self, links: Iterable[Link]) -> list[Link]:
        links = list(links)
        with self.database.reading() as ask:
            known = {(workspace, a, b) for workspace, a, b in ask.execute(SQL["known_links"], columns(links))}
        return [link for link in links if (link.workspace, link.a.encode(), link.b.encode()) not in known]

    def linked(self) -> dict[str, int]:
        with self.database.reading() as ask:
            return dict(ask.execute(SQL["linked"]).fetchall())

    def faults(self, quick: bool) -> list[str]:
        """None that could be known here: the database is its operator's."""
        return []

    def links(self, workspace: str | None = None) -> Iterator[Link]:
        """Sorted, but for identities that differ only behind their first 600 bytes."""
        last: dict[str, Any] = {"workspace": workspace or "", "a": b"", "b": b"", "rest": b""}
        about = {"one": workspace is not None, "most": PIECE}
        while True:
            with self.database.reading() as ask:
                piece = ask.execute(SQL["links"], last | about, binary=True).fetchall()
            for of, a, b, first_ms, _ in piece:
                yield Link(of, a.decode(), b.decode(), first_ms)
            if len(piece) < PIECE:
                return
            of, a, b, _, rest = piece[-1]
            last = {"workspace": of, "a": a, "b": b, "rest": rest}

    def links_of(self, workspace: str, identity: str, most: int) -> Sequence[Link]:
        about = {"workspace": workspace, "identity": identity.encode(), "most": most}
        with self.database.reading() as ask:
            found = ask.execute(SQL["links_of"], about, binary=True).fetchall()
        return [Link(workspace, a.decode(), b.decode(), first_ms) for a, b, first_ms in found]

    def sever(self, workspace: str, severed: Sequence[Severed]) -> None:
        ones, others = [each.a.encode() for each in severed], [each.b.encode() for each in severed]
        about = {"workspace": workspace, "ones": ones, "others": others, "times": [each.until_ms for each in severed]}
        with self.database.writing() as change:
            change.execute(SQL["sever"], about)

    def severed(self) -> dict[str, list[Severed]]:
        found: dict[str, list[Severed]] = {}
        with self.database.reading() as ask:
            for workspace, a, b, until_ms in ask.execute(SQL["severed"]):
                found.setdefault(workspace, []).append(Severed(a.decode(), b.decode(), until_ms))
        return found

    def unsever(self, workspace: str, identities: Collection[str], until_ms: int) -> None:
        about = {"workspace": workspace, "until_ms": until_ms, "identities": [each.encode() for each in identities]}
        with self.database.writing() as change:
            change.execute(SQL["unsever"], about)

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """Of all engines' commits. What a watch of a process that died left is cleared away by the next one."""
        with self.database.reading() as ask:
            ((number,),) = ask.execute("SELECT nextval('state_watch_numbers')::int").fetchall()
        presence = SessionLock(self._url, Kind.WATCH, number)
        try:
            with told("state"):
                presence.take()
            with self.database.writing() as change:
                lock(change, Kind.LINKS)  # whoever commits now has looked for watches before: it is waited for
                others = {each for (each,) in change.execute("SELECT id FROM state_watches").fetchall()}
                _forget_watches(change, others - held(change, Kind.WATCH))
                change.execute("INSERT INTO state_watches VALUES (%s)", (number,))
            yield _Watch(self.database, number)
        finally:
            with suppress(UnavailableError):  # the next watch clears it away
                self._end_watch(number)
            presence.release()

    def relink(self, workspace: str, links: Mapping[Pair, int | None], watch: Watch) -> None:
        """Raises UnavailableError, too, when the watch was lost meanwhile."""
        assert isinstance(watch, _Watch)
        with self.database.writing() as change:
            lock(change, Kind.LINKS)  # nobody commits links from here on
            if not change.execute("SELECT FROM state_watches WHERE id = %s", (watch.number,)).fetchall():
                raise UnavailableError("state: links were committed unseen; it has to be begun anew")
            newer = watch.noted(change, workspace)
            there: dict[Pair, int] = {}
            for pair, first_ms in links.items():
                times = [ms for ms in (first_ms, newer.get(pair)) if ms is not None]
                if times:
                    there[pair] = min(times)
            gone = _pairs(workspace, [pair for pair in links if pair not in there])
            change.execute(SQL["drop_links"], gone)
            change.execute(SQL["drop_logged"], gone)
            ordered = sorted(there)
            change.execute(SQL["set_links"], _pairs(workspace, ordered) | {"times": [there[pair] for pair in ordered]})
            change.execute("UPDATE state_relinked SET times = times + 1")  # what engines know by heart may be gone

    def put_job(self, job: Job) -> None:
        with self.database.writing() as change:
            change.execute(SQL["put_job"], _values(job))

    def uncount(self, job: Job, gone: Iterable[Gone]) -> None:
        """What is gone may lie in any partition."""
        with self.database.writing() as change:
            for each in gone:
                change.execute(SQL["uncount_rows"], {"lane": each.lane.value, "months": Jsonb(each.months)})
                spans = [{"lane": each.lane.value, "first": first, "last": last} for first, last in each.emptied]
                change.executemany(SQL["put_emptied"], spans)
            change.execute(SQL["put_job"], _values(job))

    def wipe(self) -> bool:
        """As far as the database can be asked: see `postgres.vacuum`."""
        return vacuum(self.database, _TABLES)

    def job(self, id: str) -> Job | None:
        return next(iter(self._jobs(id=id)), None)

    def jobs(self, kind: JobKind | None = None, workspace: str | None = None) -> list[Job]:
        return self._jobs(kind=kind, workspace=workspace)

    def close(self) -> None:
        """Idempotent."""
        self.database.close()

    def _end_watch(self, number: int) -> None:
        with self.database.writing() as change:
            _forget_watches(change, {number})

    def _jobs(self, **asked: str | None) -> list[Job]:
        about = {"id": None, "kind": None, "workspace": None} | asked
        with self.database.reading() as ask:
            return [_job(row) for row in ask.execute(SQL["jobs"], about)]


class _Watch:
    """`state.base.Watch`, by its number."""

    def __init__(self, database: Database, number: int) -> None:
        self.database = database
        self.number = number

    def of(self, workspace: str) -> Mapping[Pair, int]:
        with self.database.reading() as ask:
            return self.noted(ask, workspace)

    def noted(self, ask: Question[Any], workspace: str) -> dict[Pair, int]:
        found = ask.execute(SQL["watched"], {"watch": self.number, "workspace": workspace})
        return {(a.decode(), b.decode()): first_ms for a, b, first_ms in found}


def _forget_watches(change: Question[Any], numbers: Collection[int]) -> None:
    change.execute("DELETE FROM state_watches WHERE id = ANY(%s)", ([*numbers],))
    change.execute("DELETE FROM state_watched WHERE watch = ANY(%s)", ([*numbers],))


def columns(links: Iterable[Link]) -> dict[str, list[Any]]:
    """Links as the statements take them."""
    rows = [(link.workspace, link.a.encode(), link.b.encode(), link.first_ms) for link in links]
    workspaces, ones, others, times = ([*column] for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
    return {"workspaces": workspaces, "ones": ones, "others": others, "times": times}


def _pairs(workspace: str, pairs: Sequence[Pair]) -> dict[str, Any]:
    ones, others = [a.encode() for a, _ in pairs], [b.encode() for _, b in pairs]
    return {"workspace": workspace, "ones": ones, "others": others}


def months_of(months: Mapping[str, int]) -> dict[int, int]:
    """As they are kept in JSON."""
    return {int(month): rows for month, rows in sorted(months.items())}


def accounts(
    ask: Question[Any], cursors: Mapping[Lane, Cursor], plans: Mapping[Lane, Plan], ahead: Mapping[Lane, int]
) -> dict[Lane, Account]:
    """Both lanes' accounts: what was committed of them up to the blocks `ahead`, whichever partition it is of."""
    months: dict[Lane, dict[int, int]] = {lane: {} for lane in Lane}
    for lane, month, rows in ask.execute(SQL["counted"]).fetchall():
        months[Lane(lane)][month] = rows
    for lane, _, later in ask.execute(
        SQL["counted_ahead"], {of.value: block for of, block in ahead.items()}
    ).fetchall():
        known = months[Lane(lane)]
        for month, rows in months_of(later).items():
            known[month] -= rows
            if not known[month]:
                del known[month]
    spans: dict[Lane, list[tuple[int, int]]] = {lane: [] for lane in Lane}
    for lane, first, last in ask.execute(SQL["emptied"]).fetchall():
        spans[Lane(lane)].append((first, last))
    return {lane: Account(cursors[lane], plans.get(lane), 0, months[lane], tuple(spans[lane])) for lane in Lane}


def watermarks(ask: Question[Any]) -> dict[Lane, int]:
    """Every block up to there is committed."""
    return {Lane(lane): block for lane, block in ask.execute(SQL["watermarks"]).fetchall()}


def all_plans(ask: Question[Any]) -> list[tuple[int, Plan]]:
    """Partitions and what is written down of them, by number."""
    return [
        (partition, Plan(Lane(lane), block, start, end, months_of(months)))
        for partition, lane, block, start, end, months in ask.execute(SQL["all_plans"]).fetchall()
    ]


def _values(job: Job) -> dict[str, Any]:
    failure = job.failure.replace("\0", "\ufffd")  # which TEXT cannot hold
    return {
        "id": job.id,
        "kind": job.kind,
        "workspace": job.workspace,
        "about": json.dumps(job.about, separators=(",", ":")),
        "step": job.step,
        "begun_ms": job.begun_ms,
        "done_ms": job.done_ms,
        "failure": failure,
    }


def _job(row: Any) -> Job:
    id, kind, workspace, about, *rest = row
    return Job(id, kind, workspace, json.loads(about), *rest)
