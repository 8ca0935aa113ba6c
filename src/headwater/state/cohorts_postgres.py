"""Cohorts in PostgreSQL, for as many processes as there are: nothing is known by heart."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import add, index
from pathlib import Path
from typing import Any

import msgspec
from psycopg import Cursor as Question
from psycopg.errors import UniqueViolation

from headwater.errors import ConflictError, HeadwaterError
from headwater.postgres import Database, Kind, lock, statements, vacuum
from headwater.state.cohorts import NOTHING, Change, Cohort, Course, Member, News, Place, Rename, Step

_logger = logging.getLogger(__name__)

PIECE = 10_000
"""Rows of a transaction, where there may be millions to write; also the members read at once."""

_SQL = statements(Path(__file__).with_name("cohorts.sql"))
_SCHEMA = (Path(__file__).with_name("cohorts_schema.sql").read_text(),)
"""One script a version."""
_HEAD = 1200
"""Bytes of an identity that are indexed."""
_TABLES = ("cohort_members", "cohort_changes", "cohort_merges")


class PostgresMemberships:
    """`state.cohorts.Memberships` in a database. Safe to call from several threads; who writes about a cohort waits for
    whoever else does. Raises StartError for a database that a newer headwater wrote."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, "cohorts", _SCHEMA)
        try:
            for (number,) in self._ask("SELECT number FROM cohort_removed"):
                self._clear_away(number)
        except BaseException:
            self.close()
            raise

    def cohorts(self) -> Sequence[Cohort]:
        return [_cohort(*row) for row in self._named("cohorts")]

    def cohort(self, workspace: str, cohort_id: str) -> Cohort | None:
        return next((_cohort(*row) for row in self._named("one", id=cohort_id, workspace=workspace)), None)

    def listed(self, workspace: str, after: Place, limit: int) -> Sequence[Cohort]:
        created_ms, last = after
        found = self._named("listed", workspace=workspace, created_ms=created_ms, id=last, limit=limit)
        return [_cohort(*row) for row in found]

    def names(self, workspace: str) -> Sequence[tuple[str, str]]:
        return self._named("names", workspace=workspace)

    def count(self, workspace: str) -> int:
        ((found,),) = self._named("count", workspace=workspace)
        return int(found)

    def add(self, cohort: Cohort) -> None:
        row = msgspec.structs.asdict(cohort) | {"definition": msgspec.json.encode(cohort.definition).decode()}
        with _one_of_a_name(cohort.name), self._database.writing() as change:
            change.execute(_SQL["add"], row)

    def retitle(self, cohort_id: str, name: str) -> None:
        with _one_of_a_name(name), self._database.writing() as change:
            change.execute(_SQL["retitle"], {"id": cohort_id, "name": name})

    def remove(self, cohort_id: str) -> None:
        with self._database.writing() as change:
            removed = change.execute(_SQL["remove"], {"id": cohort_id}).fetchall()
        for (number,) in removed:  # from here on nothing is written about it
            try:
                self._clear_away(number)
            except HeadwaterError as error:  # it is gone all the same
                _logger.warning("the members of %s are still there, until the next start: %s", cohort_id, error)

    def fill(self, cohort_id: str, identities: Iterable[str], at_ms: int) -> None:
        ordered = sorted([identity.encode() for identity in identities])
        with self._database.writing() as change:
            found = change.execute(_SQL["set_filled"], {"id": cohort_id, "filled_ms": None}).fetchall()
        for (number,) in found:
            self._cut("cut_members", number)
            for start in range(0, len(ordered), PIECE):
                with self._database.writing() as change:
                    if not _hold(change, [cohort_id]):  # removed meanwhile
                        return
                    about = {"cohort": number, "identities": ordered[start : start + PIECE], "at_ms": at_ms}
                    change.execute(_SQL["enter"], about)
            with self._database.writing() as change:
                change.execute(_SQL["set_filled"], {"id": cohort_id, "filled_ms": at_ms})

    def members(self, cohort_id: str) -> Iterator[Member]:
        after = ""
        while page := self.page(cohort_id, after, PIECE):
            yield from page
            after = page[-1].identity

    def apply(self, changes: Sequence[Change], renames: Sequence[Rename] = ()) -> None:
        if not (changes or renames):
            return
        with self._database.writing() as change:
            numbers = _hold(change, [*({each.cohort for each in changes} | {each.cohort for each in renames})])
            moves = [each for each in renames if each.cohort in numbers and each.old != each.new]
            if moves:
                change.execute(_SQL["rename"], _renames(moves, numbers))
            known = [each for each in changes if each.cohort in numbers]
            if known:
                lock(change, Kind.CHANGES)  # so that numbers ascend as they are committed
                change.execute(_SQL["apply"], _changes(known, numbers))

    def caused(self, workspace: str, event_id: str) -> Sequence[tuple[str, Change]]:
        return [
            (name, Change(cohort, identity.decode(), at_ms, entered, kind, event))
            for cohort, name, identity, at_ms, entered, kind, event in self._named(
                "caused", event_id=event_id, workspace=workspace
            )
        ]

    def erase(self, workspace: str, identities: Iterable[str]) -> None:
        about = _among(identities)
        with self._database.writing() as change:
            change.execute("SELECT number FROM cohort_cohorts WHERE workspace = %s", (workspace,))
            cohorts = {"cohorts": [number for (number,) in change.fetchall()]}
            for name in ("erase_members", "erase_changes", "erase_merges"):
                change.execute(_SQL[name], about | cohorts)

    def wipe(self) -> bool:
        """As far as the database can be asked: see `postgres.vacuum`."""
        return vacuum(self._database, _TABLES)

    def since(self, cohort_id: str, identity: str) -> int | None:
        return next((ms for (ms,) in self._named("since", id=cohort_id, identity=identity.encode())), None)

    def page(self, cohort_id: str, after: str, limit: int) -> Sequence[Member]:
        found = self._named("page", id=cohort_id, after=after.encode(), limit=limit)
        return [Member(identity.decode(), since_ms) for identity, since_ms in found]

    def changes(
        self, cohort_id: str, before: int | None, limit: int, identities: Sequence[str] | None = None
    ) -> Sequence[tuple[int, Change]]:
        about = {"id": cohort_id, "before": before, "limit": limit}
        if identities is None:
            found = self._named("changes", **about)
        else:
            found = self._named("changes_of", **about, **_among(identities))
        return [
            (number, Change(cohort_id, identity.decode(), at_ms, entered, kind, event_id))
            for number, identity, at_ms, entered, kind, event_id in found
        ]

    def news(self, after: int, limit: int) -> Sequence[News]:
        return [
            News(number, workspace, name, Change(cohort, identity.decode(), at_ms, entered, kind, event_id))
            for number, workspace, name, cohort, identity, at_ms, entered, kind, event_id in self._named(
                "news", after=after, limit=limit
            )
        ]

    def newest(self) -> int:
        ((found,),) = self._named("newest")
        return int(found)

    def course(self, cohort_id: str, from_ms: int, step_ms: int) -> Course:
        about = {"id": cohort_id, "from": from_ms, "step": step_ms}
        (_, members, *_), *found = self._named("course", **about)  # one statement sees one moment
        steps: dict[int, Step] = {}
        for number, *counts in found:
            known = steps.get(number, NOTHING)
            steps[number] = Step(*map(add, msgspec.structs.astuple(known), counts))
        return Course(members, steps)

    def close(self) -> None:
        """Idempotent."""
        self._database.close()

    def _clear_away(self, number: int) -> None:
        """Deletes what is left of a cohort that was removed, and then the note that it was."""
        for name in ("cut_members", "cut_changes", "cut_merges"):
            self._cut(name, number)
        with self._database.writing() as change:
            change.execute("DELETE FROM cohort_removed WHERE number = %s", (number,))

    def _cut(self, name: str, number: int) -> None:
        while True:
            with self._database.writing() as change:
                if not change.execute(_SQL[name], {"number": number, "piece": PIECE}).rowcount:
                    return

    def _named(self, name: str, **about: Any) -> list[Any]:
        return self._ask(_SQL[name], about)

    def _ask(self, query: str, about: dict[str, Any] | None = None) -> list[Any]:
        with self._database.reading() as ask:
            return ask.execute(query, about, binary=True).fetchall()


def _hold(change: Question[Any], ids: list[str]) -> dict[str, int]:
    """The numbers of those cohorts that are there: until the commit nobody removes them or writes about them."""
    return dict(change.execute(_SQL["hold"], {"ids": ids}).fetchall())


def _changes(changes: Sequence[Change], numbers: dict[str, int]) -> dict[str, list[Any]]:
    return {
        "cohorts": [numbers[each.cohort] for each in changes],
        "identities": [each.identity.encode() for each in changes],
        "times": [index(each.at_ms) for each in changes],
        "enters": [each.entered for each in changes],
        "kinds": [each.kind for each in changes],
        "events": [each.event_id for each in changes],
    }


def _renames(renames: Sequence[Rename], numbers: dict[str, int]) -> dict[str, list[Any]]:
    return {
        "cohorts": [numbers[each.cohort] for each in renames],
        "olds": [each.old.encode() for each in renames],
        "news": [each.new.encode() for each in renames],
        "times": [index(each.at_ms) for each in renames],
    }


def _among(identities: Iterable[str]) -> dict[str, list[bytes]]:
    encoded = [identity.encode() for identity in identities]
    return {"identities": encoded, "heads": [each[:_HEAD] for each in encoded]}


def _cohort(id_: str, workspace: str, name: str, definition: str, created_ms: int, filled_ms: int | None) -> Cohort:
    return Cohort(id_, workspace, name, msgspec.json.decode(definition), created_ms, filled_ms)


@contextmanager
def _one_of_a_name(name: str) -> Iterator[None]:
    try:
        yield
    except UniqueViolation as error:
        raise ConflictError(f"There is a cohort named '{name}' already") from error
