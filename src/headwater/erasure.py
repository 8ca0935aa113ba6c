"""The erasure of a person: everything that was received about them until then, from everything that holds it.

A job of these steps, each of which bears to be done again after a crash:

    drain     the log up to here is stored, with what was on its way when the erasure was asked for
    resolve   who is connected with them by what was received until then; the tombstones, so that no older backup brings
              them back
    find      the events that name one of these identities, whatever became of them, so many at once
    delete    from the store, and from what the state has counted; from `find` on until there are none
    links     who belongs together without those events
    people    members and their changes; live membership forgets them
    claims    what was answered to the requests that brought them
    purge     the files of parts that were replaced, and the pages that SQLite keeps aside
    written   what destinations have written, as far as those can take it out, a piece at a time
    log       its segments
    again     whether a replay under way brought something back meanwhile: from `drain` on
    forget    the job's own knowledge of them
    close     the same in the state's file
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from msgspec.structs import replace

from headwater import clock
from headwater.errors import HeadwaterError, InvalidError, NotFoundError, UnavailableError
from headwater.jobs import DONE
from headwater.links import Links
from headwater.people import People
from headwater.removal import MOST, Drop, Removal
from headwater.rules.connect import Pair, refusal
from headwater.rules.cursor import page_of
from headwater.rules.filters import identity_of
from headwater.rules.ids import new_id
from headwater.state.base import Job, JobKind, State
from headwater.tombstones import Tombstones

T = TypeVar("T", str, Pair)

IN_FLIGHT_MS = 2_000
"""How long a batch may be under way between the moment that its id tells and the log."""
REPLAY_MS = 30_000
"""The same for a rejected event that is being replayed: it was read from the store so long before, at most."""
MOST_PAIRS = 5_000
"""Pairs that a job keeps; where more are concerned, all links of the workspace are found anew."""
MOST_OTHERS = 1_000
"""The same for those who lose events without being erased, and for live membership."""

_OF_A_ROUND = ("position", "upto", "fresh", "pairs", "others", "written")
"""What a job forgets before it looks again."""

Written = Callable[[str, Collection[str], int, Mapping[str, Any]], Mapping[str, Any]]
"""Takes people out of what was delivered: `destinations.all.Destinations.erase`."""
Forget = Callable[[Collection[bytes]], object]
"""Erases what claims tell of these events: `claims.sqlite.erase`."""


class Erasure:
    """The work. `claimed` is `log.base.Reader.claimed`, `replay_ms` as REPLAY_MS, `most` as `removal.MOST`; `again` has
    live membership made anew from what is stored of a workspace."""

    kind: JobKind = "erasure"

    def __init__(
        self,
        removal: Removal,
        state: State,
        people: People,
        links: Links,
        tombstones: Tombstones,
        drop: Drop,
        forget: Forget,
        claimed: Callable[[], int | None] = lambda: None,
        replay_ms: int = REPLAY_MS,
        again: Callable[[str], None] = lambda _: None,
        most: int = MOST,
        written: Written = lambda *_: {},
    ) -> None:
        self._removal = removal
        self._state = state
        self._people = people
        self._links = links
        self._tombstones = tombstones
        self._drop = drop
        self._forget_claims = forget
        self._claimed = claimed
        self._replay_ms = replay_ms
        self._again = again
        self._most = most
        self._written = written
        self._steps: dict[str, Callable[[Job], Job]] = {
            "drain": self._drain,
            "resolve": self._resolve,
            "find": self._find,
            "delete": self._delete,
            "links": self._relink,
            "people": self._drop_people,
            "claims": self._erase_claims,
            "purge": self._purge,
            "written": self._erase_written,
            "log": self._await_log,
            "again": self._look_again,
            "forget": self._forget,
            "close": self._close,
        }

    def wanted(self) -> Iterator[Job]:
        """They are asked for over HTTP."""
        yield from ()

    def step(self, job: Job) -> Job:
        try:
            return self._steps[job.step](job)
        except HeadwaterError:
            raise
        except Exception as error:  # a database's own words may tell what it was asked
            raise UnavailableError(_without(f"{type(error).__name__}: {error}", job)) from None

    def _drain(self, job: Job) -> Job:
        if "position" not in job.about:
            if clock.now_ms() < job.about["at_ms"] + IN_FLIGHT_MS:
                return job
            return _with(job, position=self._removal.end())
        return replace(job, step="resolve") if self._removal.stored(job.about["position"]) else job

    def _resolve(self, job: Job) -> Job:
        known: Sequence[str] = job.about["identities"]
        # Whoever is connected by then may be so by what was received since: a stranger.
        if not job.about.get("alone") and not job.about.get("again"):
            known = self._connected(job)
        self._tombstones.add(job.workspace, known, job.about["at_ms"])
        return replace(_with(job, identities=known), step="find")

    def _connected(self, job: Job) -> list[str]:
        """Whom the job is about, and who is connected with them by events received in time."""
        workspace, found = job.workspace, set(job.about["identities"])
        among = sorted({each for one in found for each in self._people.connected(workspace, one)} | found)
        if len(among) > len(found):
            attribution = self._people.attribution(workspace)
            pairs = self._removal.linked(workspace, among, job.about["at_ms"], attribution.excluded)
            shared = self._people.shared(workspace, among)
            pairs = [each for each in pairs if not refusal(each, attribution.never, attribution.until, shared)]
            while joined := {each for pair in pairs if found.intersection(pair) for each in pair} - found:
                found |= joined
        return sorted(found)

    def _find(self, job: Job) -> Job:
        about = {"workspace": job.workspace, "identities": job.about["identities"], "until_ms": job.about["at_ms"]}
        found = self._removal.mark(job, "doom_person", about | {"most": self._most})
        if found is None:
            return job
        if found["found"]:
            return replace(_with(job, **found, **self._concerned(job, found["upto"]), fresh=True), step="delete")
        if job.about.get("again") and not job.about.get("fresh"):
            return replace(job, step="forget")
        return replace(_with(job, upto=found["upto"]), step="links")

    def _concerned(self, job: Job, upto: Mapping[str, int]) -> dict[str, Any]:
        """Whose links, and whose events, are others without the batch, beside those of whoever is erased; None for
        more than a job keeps."""
        pairs, others = job.about.get("pairs", []), job.about.get("others", [])
        if pairs is not None:
            fresh = self._removal.pairs(job, upto, MOST_PAIRS + 1)
            pairs = _at_most(MOST_PAIRS, {*fresh, *((a, b) for a, b in pairs)})
        if others is not None:
            never = self._people.attribution(job.workspace).never
            others = _at_most(MOST_OTHERS, {*self._removal.owners(job, upto, never, MOST_OTHERS + 1), *others})
        return {"pairs": pairs, "others": others}

    def _delete(self, job: Job) -> Job:
        return self._removal.uncount(job, "find") if self._removal.delete(job) else job

    def _relink(self, job: Job) -> Job:
        self._people.unsever(job.workspace, job.about["identities"], job.about["at_ms"])
        pairs = self._pairs(job)
        if pairs is None:
            self._links.of_workspace(job.workspace)
        else:
            self._links.of_pairs(job.workspace, pairs)
        return replace(_with(job, deleted_ms=clock.now_ms()), step="people")

    def _pairs(self, job: Job) -> set[Pair] | None:
        """All that may be linked no more, or as old as other events are; None when that are too many."""
        kept = job.about.get("pairs", ())
        if kept is None:
            return None
        pairs: set[Pair] = {(a, b) for a, b in kept}
        for each in job.about["identities"]:
            pairs.update((link.a, link.b) for link in self._state.links_of(job.workspace, each, MOST_PAIRS + 1))
            if len(pairs) > MOST_PAIRS:
                return None
        return pairs

    def _drop_people(self, job: Job) -> Job:
        identities, others = job.about["identities"], job.about.get("others", ())
        never = self._people.attribution(job.workspace).never
        # Of a value that many share, each event would be told one by one.
        many = others is None or never.intersection(others) or self._people.shared(job.workspace, others)
        self._drop(job.workspace, identities, () if many else others)
        if many:
            self._again(job.workspace)
        return replace(job, step="claims")

    def _erase_claims(self, job: Job) -> Job:
        kept = self._claimed()
        if kept is not None and kept < job.about["position"]:
            return job
        for piece in self._removal.marked(job):
            self._forget_claims([UUID(each).bytes for each in piece])
        return replace(job, step="purge")

    def _purge(self, job: Job) -> Job:
        return replace(job, step="written") if self._removal.purge(job) else job

    def _erase_written(self, job: Job) -> Job:
        about = job.about
        reached = self._written(job.workspace, about["identities"], about["at_ms"], about.get("written", {}))
        gone = all(each is None for each in reached.values())
        return replace(_with(job, written=reached), step="log" if gone else "written")

    def _await_log(self, job: Job) -> Job:
        return replace(job, step="again") if self._removal.trimmed(job.about["position"]) else job

    def _look_again(self, job: Job) -> Job:
        if clock.now_ms() < job.about["deleted_ms"] + self._replay_ms:
            return job
        about = {key: value for key, value in job.about.items() if key not in _OF_A_ROUND}
        return replace(job, about=about | {"again": True}, step="drain")

    def _forget(self, job: Job) -> Job:
        self._removal.spare(job)
        about = {key: job.about[key] for key in ("at_ms", "deleted") if key in job.about}
        return replace(job, about=about | {"identities": len(job.about["identities"])}, step="close")

    def _close(self, job: Job) -> Job:
        return replace(job, step=DONE) if self._removal.wipe() else job


class Erasures:
    """What is asked over HTTP. Every answer is about one workspace; none names who was erased. `wake` is
    `jobs.Jobs.wake`."""

    def __init__(self, state: State, people: People, wake: Callable[[], None] = lambda: None) -> None:
        self._state = state
        self._people = people
        self._wake = wake

    def erase(self, workspace: str, key: str) -> dict[str, Any]:
        """Begins the erasure of whoever has the identity `key`, known or not. Raises InvalidError."""
        identity = identity_of(key)
        if identity is None:
            raise InvalidError("a profile is named by an identity, as email:ada@example.com, phone:+19494572000")
        job = begun(workspace, self._people.connected(workspace, identity), clock.now_ms())
        self._state.put_job(job)
        self._wake()
        return answer(job)

    def page(self, workspace: str, limit: int, cursor: str | None) -> dict[str, Any]:
        """Up to `limit` of them, the newest first."""
        shown, more = page_of(self._state.jobs("erasure", workspace), limit, cursor)
        return {"data": [answer(each) for each in shown], "next": more}

    def one(self, workspace: str, id: str) -> dict[str, Any]:
        """Raises NotFoundError."""
        job = self._state.job(id)
        if job is None or (job.kind, job.workspace) != ("erasure", workspace):
            raise NotFoundError(f"There is no erasure '{id}'")
        return answer(job)


def begun(workspace: str, identities: Sequence[str], at_ms: int, alone: bool = False) -> Job:
    """The job. `alone`: of these identities and no others, whoever they are connected with."""
    about: dict[str, Any] = {"at_ms": at_ms, "identities": [*identities]}
    return Job(new_id("ers"), "erasure", workspace, about | ({"alone": True} if alone else {}), "drain", clock.now_ms())


def answer(job: Job) -> dict[str, Any]:
    """`GET /v1/erasures/{id}`."""
    known = job.about["identities"]
    return {
        "id": job.id,
        "status": "done" if job.done_ms is not None else "erasing",
        "step": None if job.done_ms is not None else job.step,
        "failure": job.failure or None,
        "identities": known if isinstance(known, int) else len(known),
        "events": job.about.get("deleted", 0),
        "requested_at": clock.to_iso(job.about["at_ms"]),
        "done_at": clock.iso_or_none(job.done_ms),
    }


def _at_most(most: int, found: Collection[T]) -> list[T] | None:
    return sorted(found) if len(found) <= most else None


def _with(job: Job, **about: Any) -> Job:
    return replace(job, about=job.about | about)


def _without(text: str, job: Job) -> str:
    """A text without whom the job is about: what is told of a failure goes to the server's log."""
    known = job.about["identities"]
    for each in known if isinstance(known, list) else ():
        text = text.replace(each.partition(":")[2], "…")
    return text
