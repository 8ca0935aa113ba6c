"""Erasures that were asked for while a data directory moves into a cluster: they are begun anew there."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from headwater import erasure, tombstones
from headwater.config import Settings
from headwater.events import decode_lines
from headwater.log.base import Record
from headwater.state.base import Job
from headwater.state.sqlite import SqliteState, SqliteStateView
from headwater.store.clickhouse import ChdbStore

_ACTS = {"erasure"}
"""What is asked for, and nowhere else written down: the other jobs an engine finds by itself."""
_MEANT = ("at_ms", "identities", "alone")


class Asked:
    """`old` and `mirror` are state and store as they were at the moment; `logged` gives what came since."""

    def __init__(
        self,
        settings: Settings,
        secret: bytes,
        old: SqliteState,
        mirror: ChdbStore,
        logged: Callable[[], Iterable[Record]],
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._old = old
        self._mirror = mirror
        self._logged = logged

    def since(self, ms: int, beside: Path | None) -> list[Job]:
        """Those unknown at the moment; of those done since, the tombstones from `ms` on tell whom. `beside`: as
        `readonly.look_at` wants it."""
        known = {job.id for job in self._old.jobs()}
        view = SqliteStateView(self._settings.state_path, beside)
        try:
            fresh = [job for job in view.jobs() if job.id not in known and job.kind in _ACTS]
        finally:
            view.close()
        again = [_anew(job) for job in fresh if job.done_ms is None and job.step in ("drain", "resolve")]
        return again if len(again) == len(fresh) else again + self._buried(ms)

    def _buried(self, ms: int) -> list[Job]:
        """Whom the old one's tombstones mean, of those whom the copied events name."""
        buried = [each for each in tombstones.read(self._settings.tombstones_path) if each.at_ms > ms]
        wanted = {(each.workspace, each.hash): each.at_ms for each in buried}
        found: dict[tuple[str, int], list[str]] = {}
        for workspace, identity in {*self._stored_names(), *self._logged_names()} if wanted else ():
            at_ms = wanted.get((workspace, tombstones.hash_of(self._secret, workspace, identity)))
            if at_ms is not None:
                found.setdefault((workspace, at_ms), []).append(identity)
        return [erasure.begun(of, identities, at_ms, alone=True) for (of, at_ms), identities in sorted(found.items())]

    def _stored_names(self) -> Iterator[tuple[str, str]]:
        """Workspaces and identities of the copied events."""
        decode, rest = msgspec.json.Decoder(dict[str, str]).decode_lines, b""
        for piece in self._mirror.stream("identities", {}):
            head, _, rest = (rest + piece).rpartition(b"\n")
            yield from ((row["workspace"], row["identity"]) for row in decode(head))
        yield from ((row["workspace"], row["identity"]) for row in decode(rest))

    def _logged_names(self) -> Iterator[tuple[str, str]]:
        for record in self._logged():
            for line in decode_lines(record.lines):
                yield from ((record.workspace, identity) for identity in line.identities)


def _anew(job: Job) -> Job:
    about = {name: job.about[name] for name in _MEANT if name in job.about}
    return Job(job.id, job.kind, job.workspace, about, "drain", job.begun_ms)
