"""Retention: once a day, and after a start, events go that are older than their signal lets them become.

A signal's `retention_days` counts whole UTC days by when the event occurred: of an event of the 1st, with 30 days,
nothing is left once the 31st day after it has begun and the job has run. One job a workspace, of these steps:

    find      events that are too old, so many at once, of what is stored when the job begins
    delete    from the store, and from what the state has counted; from `find` on until there are none
    links     who belongs together without them
    cohorts   live membership anew from what is left
    purge     the files of parts that were replaced
    log       its segments that may hold them still
    forget    what was marked
"""

from collections.abc import Callable, Iterator, Mapping

from msgspec.structs import replace

from headwater import clock
from headwater.catalog.base import Definitions
from headwater.jobs import DONE
from headwater.links import Links
from headwater.removal import MOST, Removal
from headwater.state.base import Job, JobKind, State


class Retention:
    """The work. `again` is `live.live.Live.again`."""

    kind: JobKind = "retention"

    def __init__(
        self,
        removal: Removal,
        state: State,
        catalog: Definitions,
        links: Links,
        again: Callable[[str], None],
        most: int = MOST,
    ) -> None:
        self._removal = removal
        self._state = state
        self._catalog = catalog
        self._links = links
        self._again = again
        self._most = most
        self._looked: dict[str, dict[str, int]] = {}
        """By workspace, what was seen to since the start."""

    def wanted(self) -> Iterator[Job]:
        """One for each workspace whose signals let events become older than they may, when the engine starts, when a
        day begins, and when a signal's retention was changed."""
        now = clock.now_ms()
        for workspace in self._catalog.workspaces():
            befores = self._befores(workspace.id, now)
            if befores and self._looked.get(workspace.id) != befores:
                known = self._state.job(_id(workspace.id))
                if known is None or known.done_ms is not None:
                    yield Job(_id(workspace.id), self.kind, workspace.id, {"befores": befores}, "find", now)
                    self._looked[workspace.id] = befores

    def step(self, job: Job) -> Job:
        match job.step:
            case "find":
                return self._find(job)
            case "delete":
                return self._removal.uncount(job, "find") if self._removal.delete(job) else job
            case "links":
                self._links.of_workspace(job.workspace)
                return replace(job, step="cohorts")
            case "cohorts":
                self._again(job.workspace)
                return replace(job, step="purge", about=job.about | {"position": self._removal.end()})
            case "purge":
                return replace(job, step="log") if self._removal.purge(job) else job
            case "log":
                return replace(job, step="forget") if self._removal.trimmed(job.about["position"]) else job
            case _:
                self._removal.spare(job)
                return replace(job, step=DONE)

    def _find(self, job: Job) -> Job:
        befores: Mapping[str, int] = job.about["befores"]
        about = {"workspace": job.workspace, "signals": [*befores], "befores": [*befores.values()]}
        found = self._removal.mark(job, "doom_old", about | {"most": self._most})
        if found is None:
            return job
        if found["found"]:
            return replace(job, about=job.about | found, step="delete")
        return replace(job, step="links" if job.about.get("deleted") else "forget")

    def _befores(self, workspace: str, now_ms: int) -> dict[str, int]:
        """By signal id, the UTC ms before which its events have occurred that are too old."""
        today = now_ms // clock.DAY_MS
        signals = self._catalog.ever(workspace).values()
        kept = {each.id: each.retention_days for each in signals if each.retention_days is not None}
        return {id_: (today - days) * clock.DAY_MS for id_, days in sorted(kept.items())}


def _id(workspace: str) -> str:
    return f"ret_{workspace}"
