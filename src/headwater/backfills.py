"""Backfills as the engine knows them: what is stored of them, and the work when one counts otherwise than before."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from headwater import clock
from headwater.catalog.backfills import answer
from headwater.catalog.base import Backfill, Definitions
from headwater.errors import NotFoundError, UnavailableError
from headwater.jobs import DONE
from headwater.links import Links
from headwater.previews import Previews
from headwater.rules.cursor import page_of
from headwater.state.base import Job, JobKind, State
from headwater.store.base import Store


class Settling:
    """The work after a backfill was released or reverted. What asks the store obeys at once; links and cohorts follow.

    `between` is `Pipeline.between`; `as_of` is `live.base.Questions.as_of`.
    """

    kind: JobKind = "settle"

    def __init__(
        self,
        catalog: Definitions,
        state: State,
        links: Links,
        between: Callable[[Callable[[], None]], None],
        as_of: Callable[[str], int],
    ) -> None:
        self._catalog = catalog
        self._state = state
        self._links = links
        self._between = between
        self._as_of = as_of

    def wanted(self) -> Iterator[Job]:
        settled: set[tuple[str, bool]] | None = None
        for workspace in self._catalog.workspaces():
            for backfill in self._catalog.backfills(workspace.id):
                if not _has_turned(backfill):
                    continue
                if settled is None:
                    settled = {(job.about["backfill"], job.about["excluded"]) for job in self._state.jobs(self.kind)}
                if (backfill.id, not backfill.counts) not in settled:
                    yield _job(backfill)

    def step(self, job: Job) -> Job:
        if job.step == "links":
            # From here on nothing is committed by what was said of the backfill before.
            self._between(lambda: None)
            self._links.of_backfill(job.workspace, job.about["backfill"])
            return replace(job, step="cohorts", about=job.about | {"linked_ms": clock.now_ms()})
        try:
            return replace(job, step=DONE) if self._as_of(job.workspace) > job.about["linked_ms"] else job
        except UnavailableError:
            return job  # it is being caught up with


def _has_turned(backfill: Backfill) -> bool:
    """Whether it came to count, or counts no more, since it was made."""
    was_held = backfill.held or backfill.released_ms is not None
    return was_held == backfill.counts or backfill.released_ms is not None


def _job(backfill: Backfill) -> Job:
    excluded = not backfill.counts
    about = {"backfill": backfill.id, "excluded": excluded}
    id_ = f"{backfill.id}:{'revert' if excluded else 'release'}"
    return Job(id_, "settle", backfill.workspace, about, "links", clock.now_ms())


class Backfills:
    """The questions. Safe to use from threads."""

    def __init__(self, store: Store, catalog: Definitions, state: State, previews: Previews) -> None:
        self._store = store
        self._catalog = catalog
        self._state = state
        self._previews = previews

    def page(self, workspace: str, limit: int, cursor: str | None) -> dict[str, Any]:
        """Up to `limit` of them, the newest first."""
        shown, more = page_of(self._catalog.backfills(workspace), limit, cursor)
        return {"data": self._answers(workspace, shown), "next": more}

    def one(self, workspace: str, id: str) -> dict[str, Any]:
        """Raises NotFoundError."""
        return self._answers(workspace, [self._known(workspace, id)])[0]

    def preview(self, workspace: str, id: str) -> dict[str, Any]:
        """What is in it, and what is otherwise with it. Raises NotFoundError."""
        backfill = self._known(workspace, id)
        return self._answers(workspace, [backfill])[0] | self._previews.of(backfill)

    def _known(self, workspace: str, id: str) -> Backfill:
        found = self._catalog.backfill(workspace, id)
        if found is None:
            raise NotFoundError(f"There is no backfill '{id}'")
        return found

    def _answers(self, workspace: str, backfills: Sequence[Backfill]) -> list[dict[str, Any]]:
        about = {"workspace": workspace, "backfills": [each.id for each in backfills]}
        counts = {row["id"]: row for row in self._store.rows("backfill_counts", about)}
        settled = self._settled(workspace, backfills)
        nothing: Mapping[str, int] = {"events": 0, "rejected": 0}
        return [
            answer(each, row["events"], row["rejected"], each.id in settled)
            for each in backfills
            for row in (counts.get(each.id, nothing),)
        ]

    def _settled(self, workspace: str, backfills: Sequence[Backfill]) -> set[str]:
        """Those whose links and cohorts are as the catalog says."""
        turned = {each.id for each in backfills if _has_turned(each)}
        jobs = self._state.jobs("settle", workspace) if turned else []
        done = {(job.about["backfill"], job.about["excluded"]) for job in jobs if job.done_ms is not None}
        return {each.id for each in backfills if each.id not in turned or (each.id, not each.counts) in done}
