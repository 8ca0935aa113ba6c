"""Taking events out of everything that holds them, step by step: what an erasure and what retention have in common.

The store and the state cannot change in one transaction. So what is to go is marked first (the table `doomed`), and
what the state counted of it is written down with the job; then it is deleted; then the counts are taken back in one
transaction with the job's next step. Wherever a crash strikes, the same rows go once and are taken back once.

They go in batches, each marked under a key of its own (`ers_5Qp0cXQk:0`, `:1`, …), so that no question has to hold more
ids than a batch has; a job's `batch` is the number of the one that is next, or under way. One job deletes at a time: of
two that mark the same row, or the last rows of a block, both would count them.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import count, groupby
from typing import Any

from msgspec.structs import replace

from headwater.drain import Drain, Place
from headwater.errors import UnavailableError
from headwater.events import Lane
from headwater.rules.connect import Pair
from headwater.state.base import Gone, Job, Span, State
from headwater.state.cohorts import Memberships
from headwater.state.webhooks import Outbox
from headwater.store.base import Store

PIECE = 50_000
"""Ids held at once."""
MOST = 1_000_000
"""Events deleted at once."""


class Removal:
    """The steps. `step` of a job is done by one of these, or says by its answer that it has to be asked again."""

    def __init__(self, drain: Drain, store: Store, state: State, memberships: Memberships, outbox: Outbox) -> None:
        self._drain = drain
        self._store = store
        self._state = state
        self._memberships = memberships
        self._outbox = outbox
        self._seen: dict[str, int] = {}
        """By job, of how many batches it was seen that they are gone."""

    def end(self) -> Place:
        """How far the log is durable."""
        return self._drain.end()

    def stored(self, place: Place) -> bool:
        """Whether all of the log before a place is in the store, and everybody has heard of it."""
        return self._drain.stored(place)

    def mark(self, job: Job, query: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """Marks what the named query finds, of blocks that were committed when the job looked first: `{"upto", "gone",
        "found"}` for the job. None while another job deletes: it has to be asked again."""
        others = (each for each in self._state.jobs() if each.done_ms is None and each.id != job.id)
        if any("gone" in each.about for each in others):
            return None
        ledger = self._state.ledger()
        # What is stored meanwhile is nobody's to wait for: an import may go on for days.
        upto = job.about.get("upto") or {lane.value: account.cursor.block for lane, account in ledger.items()}
        key = _key(job, _batch(job))
        self._store.doom(key, query, {**parameters, **upto})
        about = {"job": key, **upto}
        after = {f"{lane}_after": account.counted_after for lane, account in ledger.items()}
        rows = self._store.rows("doomed_rows", about | after)
        emptied = self._emptied(about) if rows else {}
        gone = {lane.value: {"months": {}, "emptied": emptied.get(lane.value, [])} for lane in Lane}
        for row in rows:
            gone[row["lane"]]["months"][str(row["month"])] = row["counted"]  # type: ignore[index]
        return {"upto": upto, "gone": gone, "found": sum(row["events"] for row in rows)}

    def pairs(self, job: Job, upto: Mapping[str, int], most: int) -> list[Pair]:
        """Up to `most` of the pairs of identities that the batch's events link, without those of whoever is erased: by
        these the state finds them."""
        about = {"job": _key(job, _batch(job)), "erased": job.about["identities"], "most": most, **upto}
        return [(row["a"], row["b"]) for row in self._store.rows("doomed_pairs", about)]

    def owners(self, job: Job, upto: Mapping[str, int], never: Collection[str], most: int) -> list[str]:
        """Up to `most` of the identities that the batch's events count for, without those of whoever is erased."""
        about = {"job": _key(job, _batch(job)), "erased": job.about["identities"], "most": most, **upto}
        return [row["owner"] for row in self._store.rows("doomed_owners", about | {"never": sorted(never)})]

    def linked(self, workspace: str, among: Sequence[str], until_ms: int, excluded: Collection[str]) -> list[Pair]:
        """The pairs among some identities that events received until then link, without those of some backfills."""
        about = {"workspace": workspace, "identities": [*among], "until_ms": until_ms, "excluded": sorted(excluded)}
        return [(row["a"], row["b"]) for row in self._store.rows("doom_links", about)]

    def marked(self, job: Job) -> Iterator[list[str]]:
        """The ids of all events that the job has deleted so far, in pieces."""
        for batch in range(_batch(job)):
            about = {"job": _key(job, batch), "most": PIECE}
            piece = [""]
            while piece := [row["event_id"] for row in self._store.rows("doomed_ids", about | {"after": piece[-1]})]:
                yield piece

    def delete(self, job: Job) -> bool:
        """Whether the batch that is marked is gone from the store."""
        return self._delete(job, _batch(job))

    def uncount(self, job: Job, step: str) -> Job:
        """Takes back what was counted of it, once: with this the job goes on to another step, and another batch."""
        about = {key: value for key, value in job.about.items() if key != "gone"}
        about["deleted"] = about.get("deleted", 0) + about.get("found", 0)
        about["batch"] = _batch(job) + 1
        after = replace(job, about=about, step=step)
        self._state.uncount(after, [_gone(Lane(lane), of) for lane, of in job.about["gone"].items()])
        return after

    def purge(self, job: Job) -> bool:
        """Whether no file has any of it any more, but for the log's. What the disk did not take is deleted again: a
        batch is looked at with each call, and when one of them fails, all are once more.

        Raises UnavailableError when files cannot go yet, so that inserts do not wait for it all the time.
        """
        seen = self._seen.pop(job.id, 0)
        if seen < _batch(job):
            self._seen[job.id] = seen + self._delete(job, seen)
            if self._seen[job.id] < _batch(job):
                return False
        self._seen.pop(job.id, None)
        if not self._store.purge():
            raise UnavailableError("files that were replaced are being read still: an export, or another long question")
        return self.wipe()

    def wipe(self) -> bool:
        """The same for the state's files alone."""
        return self._state.wipe() and self._memberships.wipe() and self._outbox.wipe()

    def trimmed(self, place: Place) -> bool:
        """Whether the log has nothing any more from before a place."""
        return self._drain.trimmed(place)

    def spare(self, job: Job) -> None:
        """Forgets what was marked."""
        self._store.spare(job.id)

    def _delete(self, job: Job, batch: int) -> bool:
        return self._store.delete(_key(job, batch), {lane: job.about["upto"][lane.value] for lane in Lane})

    def _emptied(self, about: Mapping[str, Any]) -> dict[str, list[Span]]:
        rows = self._store.rows("doomed_blocks", about)
        return {lane: spans(row["block"] for row in of) for lane, of in groupby(rows, key=lambda row: str(row["lane"]))}


def _batch(job: Job) -> int:
    return int(job.about.get("batch", 0))


def _key(job: Job, batch: int) -> str:
    """What a batch is marked under."""
    return f"{job.id}:{batch}"


def spans(blocks: Iterable[int]) -> list[Span]:
    """Ascending numbers as runs."""
    places = count()
    runs = ([*run] for _, run in groupby(blocks, key=lambda block: block - next(places)))
    return [(run[0], run[-1]) for run in runs]


def under_way(jobs: Iterable[Job]) -> list[Gone]:
    """What these jobs are deleting at the moment: some of it is deleted already, and counted still."""
    return [_gone(Lane(lane), of) for job in jobs for lane, of in job.about.get("gone", {}).items()]


def _gone(lane: Lane, of: Mapping[str, Any]) -> Gone:
    emptied: Sequence[Sequence[int]] = of["emptied"]
    months = {int(month): rows for month, rows in of["months"].items()}
    return Gone(lane, months, [(first, last) for first, last in emptied])


Drop = Callable[[str, Sequence[str], Collection[str]], None]
"""Makes people of a workspace nobody, among the members of cohorts as well: `live.live.Live.drop`."""
