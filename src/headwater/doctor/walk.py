"""One walk over the log, record by record: what is sound, what is named, what must be in the store already."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import compress

import msgspec
from msgspec import structs

from headwater.events import MAX_BATCH, Lane, Line, decode_lines, id_text, received_ms
from headwater.log.base import Damage, Record, Sound
from headwater.outcomes import Reason
from headwater.state.base import Account, Link
from headwater.store.rows import links_of

SLICE = 50_000
"""Events held in memory until they are compared with the store."""
AHEAD = 1_000
"""Events a lane behind its cursor that are looked for in the store, where they must not be yet."""

_REASONS = frozenset(("", *Reason))
_SUFFIXES = frozenset(f"{n:02x}" for n in range(1, MAX_BATCH + 1))
_BRACE = ord("{")
_KEPT = 100


Ahead = tuple[Lane, bool]
"""A lane, and whether replays are meant."""


class Fact(msgspec.Struct, frozen=True, gc=False):
    """What was settled about an event: the same in the log and in the store, whose query gives columns so named."""

    event_id: str
    lane: str
    workspace: str
    dialect: str
    signal: str
    signal_id: str
    schema_version: int | None
    occurred_ms: int
    reason: str
    value: str | None
    replayed_ms: int


class Name(msgspec.Struct, frozen=True, gc=False):
    """What an event names that the catalog must know."""

    workspace: str
    signal_id: str
    signal: str


class Stored(msgspec.Struct, gc=False):
    """Events of the log that must be in the store by now, as many as are compared at once."""

    facts: dict[str, Fact] = msgspec.field(default_factory=dict)
    """By id; of events that were replayed what they were rejected with, `replays` what became of them then."""
    replays: dict[str, Fact] = msgspec.field(default_factory=dict)
    links: set[Link] = msgspec.field(default_factory=set)
    first_ms: int = 1 << 62
    """Of their receipt; `last_ms` the latest. Those of replays are older, and left out."""
    last_ms: int = 0


class Walk:
    """Takes the log's records in order. `compare` gets what is to be compared with store and state, slice by slice.

    `excluded`: the backfills whose events link nothing. `deleted`: events that were deleted since they were stored.
    """

    def __init__(
        self,
        ledger: Mapping[Lane, Account],
        compare: Callable[[Stored], None],
        excluded: Collection[str] = (),
        deleted: Collection[str] = (),
    ) -> None:
        self.records = 0
        self.events = 0
        """Of the records whose lines were read."""
        self.bytes = 0
        self.damage: list[Damage] = []
        self.wrong: list[str] = []
        """What is wrong with lines, the first hundred; `wrongs` counts all."""
        self.wrongs = 0
        self.names: dict[Name, int] = {}
        """With the greatest schema version."""
        self.dialects: set[str] = set()
        self.first: int | None = None
        """Where the first record that is there begins."""
        self.newest_ms = 0
        self.waiting = dict.fromkeys(Lane, 0)
        """Events that are not stored yet, by the headers; `waiting_bytes` all of the log from the first cursor on."""
        self.waiting_bytes = 0
        self.ahead: dict[Ahead, dict[str, int]] = {(lane, replay): {} for lane in Lane for replay in (False, True)}
        """Some of them: their ids, and where their records begin."""
        self.between: set[int] = set()
        """Those of the cursors' and plans' positions that lie between two records."""
        self._ledger = ledger
        self._least = min(account.cursor.position for account in ledger.values())
        self._compare = compare
        self._excluded = excluded
        self._deleted = deleted
        self._stored = Stored()
        plans = [account.plan for account in ledger.values() if account.plan]
        self._wanted = {account.cursor.position for account in ledger.values()}
        self._wanted |= {place for plan in plans for place in (plan.start, plan.end)}

    def take(self, found: Sound | Damage) -> None:
        if isinstance(found, Damage):
            self.damage.append(found)
            return
        head = found.head
        self.records += 1
        self.bytes += head.end - head.position
        self.first = head.position if self.first is None else self.first
        self.between |= self._wanted & {head.position, head.end}
        self.newest_ms = max(self.newest_ms, received_ms(head.batch))
        self.dialects.add(head.dialect)
        if head.position >= self._least:
            self.waiting_bytes += head.end - head.position
        for lane, share in head.lanes.items():
            if head.position >= self._ledger[lane].cursor.position:
                self.waiting[lane] += share.count
        for record in found.shares:
            self._take_lines(record)

    def finish(self) -> None:
        """Compares what is left."""
        if self._stored.facts or self._stored.replays:
            self._compare(self._stored)
            self._stored = Stored()

    def _take_lines(self, record: Record) -> None:
        lines = read_lines(record)
        self.events += len(lines)
        for why in faults_in(record, lines):
            self.wrongs += 1
            if len(self.wrong) < _KEPT:
                self.wrong.append(f"record at {record.position}: {why}")
        for line in lines:
            name = Name(record.workspace, line.signal_id, line.signal)
            self.names[name] = max(self.names.get(name, 0), line.schema_version or 0)
        if record.position < self._ledger[record.lane].cursor.position:
            self._must_be_stored(record, lines)
        elif len(ahead := self.ahead[record.lane, record.replay]) < AHEAD:
            ahead.update((line.id, record.position) for line in lines)

    def _must_be_stored(self, record: Record, lines: Sequence[Line]) -> None:
        stored, ms = self._stored, received_ms(record.batch)
        if any(line.id in self._deleted for line in lines):
            record, lines = _without(record, lines, self._deleted)
        if record.replay:
            stored.replays.update((line.id, _fact(record, line)) for line in lines)
        else:
            stored.facts.update((line.id, _fact(record, line)) for line in lines)
            stored.first_ms, stored.last_ms = min(stored.first_ms, ms), max(stored.last_ms, ms)
        if lines:
            stored.links |= links_of(record, self._excluded)
        if len(stored.facts) + len(stored.replays) >= SLICE:
            self.finish()


def _without(record: Record, lines: Sequence[Line], deleted: Collection[str]) -> tuple[Record, Sequence[Line]]:
    """What is left of a record without some of its events."""
    kept = [line.id not in deleted for line in lines]
    texts = b"".join(compress(record.lines.splitlines(keepends=True), kept))
    return structs.replace(record, lines=texts), [*compress(lines, kept)]


def read_lines(record: Record) -> list[Line]:
    """The events of a record; none when they cannot be read."""
    try:
        return decode_lines(record.lines)
    except (msgspec.MsgspecError, RecursionError):
        return []


def faults_in(record: Record, lines: Sequence[Line]) -> Iterator[str]:
    """How the lines of a record differ from what its header claims and an event must be."""
    if len(lines) != record.count:
        yield f"{record.count} events by its header, {len(lines)} that can be read"
    if not lines:
        return
    prefix = id_text(record.batch)[:-2]
    if any(line.id[:-2] != prefix or line.id[-2:] not in _SUFFIXES for line in lines):
        yield f"ids that are not of its batch {prefix}00"
    if len({line.id for line in lines}) != len(lines):
        yield "an id twice"
    if any(line.reason not in _REASONS for line in lines):
        yield "a reason that there is not"
    if any(bool(line.replayed_ms) != record.replay for line in lines):
        yield "an event that was replayed and does not say so, or the other way round"
    if record.replay and any(line.reason for line in lines):
        yield "an event that was replayed though it is rejected again"
    if not all(line.identities and memoryview(line.data)[0] == _BRACE for line in lines):
        yield "an event about nobody, or whose data is no object"
    times = [line.occurred_ms for line in lines]
    if (min(times), max(times)) != (record.first_ms, record.last_ms):
        yield "other dates than its header claims"


def _fact(record: Record, line: Line) -> Fact:
    about = (record.lane.value, record.workspace, record.dialect, line.signal, line.signal_id)
    return Fact(line.id, *about, line.schema_version, line.occurred_ms, line.reason, line.value, line.replayed_ms)
