"""The store held against itself, the state, the log and the catalog. Every question it asks is bounded in memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice

import msgspec

from headwater.catalog.examined import Contents
from headwater.doctor.log import RESTORE_CATALOG, unknown_names
from headwater.doctor.report import Check, Tell, fault, ok, some, unchecked, warning
from headwater.doctor.walk import Ahead, Fact, Name, Stored
from headwater.events import Lane, month_of
from headwater.state.base import Account, Gone
from headwater.store.base import Examined

TWINS = 4_000_000
"""Rows whose ids are held in memory at once when doubles are looked for: some 100 MB."""

IDS = 5_000
"""Events asked for by their ids at once."""

_RESTORE = (
    "stop headwater and keep a copy of the data directory as it is; restore all of it from one backup, then send again "
    "what came after that"
)
_KEPT = 100

_facts = msgspec.json.Decoder(Fact)


def parts(store: Examined, deep: bool, tell: Tell) -> Check:
    """Every part read back against its checksums (`deep`), and none set aside."""
    found = store.rows("examine_parts", {})
    aside = store.rows("examine_detached", {})
    figures = {
        "parts": len(found),
        "events": sum(row["rows"] for row in found),
        "bytes": sum(row["bytes"] for row in found),
        "detached": [row["name"] for row in aside],
    }
    said = f"{len(found)} parts, {figures['events']} events, {figures['bytes']} bytes"
    broken = [*_broken(store, found, tell)] if deep else []
    if broken:
        return fault("store.parts", f"{said}; what cannot be read back: {some(broken)}", _RESTORE, **figures)
    if aside:
        names = [f"{row['name']} ({row['reason'] or 'by hand'})" for row in aside]
        advice = (
            "if store.counts finds all rows, they may be removed; else they are the rows that are missing there: keep "
            "them, they are in the folder `detached` of the table"
        )
        return warning("store.parts", f"{said}; set aside: {some(names)}", advice, **figures)
    return ok("store.parts", f"{said}; {'each was read back' if deep else 'none is set aside'}", **figures)


def _broken(store: Examined, found: Sequence[dict[str, object]], tell: Tell) -> Iterator[str]:
    for number, row in enumerate(found):
        tell("reading the store's parts back", number, len(found))
        if why := store.check(str(row["name"])):
            yield f"{row['name']}: {why}"


def blocks(
    store: Examined,
    before: Mapping[Lane, Account],
    after: Callable[[], Mapping[Lane, Account]],
    deleting: Callable[[], Sequence[Gone]] = tuple,
) -> Check:
    """Every committed block has rows, unless all were deleted, and no other block has.

    `before` was read before, `after` is read afterwards: what was committed, planned or deleted meanwhile is as it
    should be.
    """
    committed = {lane: account.cursor.block for lane, account in before.items()}
    beyond = {lane: _beyond(store, lane, last) for lane, last in committed.items()}
    under_way = deleting()
    now = after()
    lost = [each for lane, last in committed.items() if last for each in _lost(store, lane, last, now, under_way)]
    strange = [
        f"{lane} block {block} with {events} events"
        for lane, found in beyond.items()
        for block, events in found.items()
        if not _is_known(now[lane], block)
    ]
    figures = {lane.value: {"committed": last, "beyond": beyond[lane]} for lane, last in committed.items()}
    said = ", ".join(f"{lane} 1 to {last}" if last else f"{lane} none" for lane, last in committed.items())
    if lost or strange:
        what = [f"nothing is left of {some(lost)}"] if lost else []
        what += [f"nobody committed or planned {some(strange)}"] if strange else []
        return fault("store.blocks", f"committed blocks: {said}; {'; '.join(what)}", _RESTORE, **figures)
    return ok("store.blocks", f"committed blocks: {said}; each is there, and no other", **figures)


def _beyond(store: Examined, lane: Lane, last: int) -> dict[int, int]:
    rows = store.rows("examine_beyond", {"lane": lane.value, "last": last})
    return {row["block"]: row["events"] for row in rows}


def _is_known(account: Account, block: int) -> bool:
    return block <= account.cursor.block or (account.plan is not None and account.plan.block == block)


def _lost(
    store: Examined, lane: Lane, last: int, ledger: Mapping[Lane, Account], deleting: Sequence[Gone]
) -> list[str]:
    """Committed blocks without a row of which not every row was deleted."""
    (found,) = store.rows("examine_blocks", {"lane": lane.value, "last": last})
    emptied = [*ledger[lane].emptied]
    if found["blocks"] == last - sum(min(to, last) - first + 1 for first, to in emptied if first <= last):
        return []
    emptied += [span for gone in deleting if gone.lane is lane for span in gone.emptied]
    about = {"firsts": [first for first, _ in emptied], "lasts": [to for _, to in emptied]}
    gaps = store.rows("examine_gaps", {"lane": lane.value, "last": last} | about)
    zero = [f"{lane} block 0, which there is not"] if found["blocks"] > last else []
    return [f"{lane} block {row['block']}" for row in gaps] or zero


def counts(
    store: Examined,
    ledger: Mapping[Lane, Account],
    after: Callable[[], Mapping[Lane, Account]] | None = None,
    deleting: Callable[[], Sequence[Gone]] = tuple,
) -> Check:
    """The rows of the committed blocks, by lane and month, against those the state counted when it committed them.

    With `after`: where they differ it is looked again, by what it says then, for they may have been deleted meanwhile.
    """
    under_way = deleting()
    wrong, total, uncounted = [], 0, []
    for lane, account in ledger.items():
        span = {"lane": lane.value, "after": account.counted_after, "last": account.cursor.block}
        there = {row["month"]: row["events"] for row in store.rows("examine_counted", span)}
        total += sum(there.values())
        uncounted += [f"{lane} block 1 to {account.counted_after}"] if account.counted_after else []
        for month in sorted(there.keys() | account.months.keys()):
            has, wanted = there.get(month, 0), account.months.get(month, 0)
            least = wanted - sum(gone.months.get(month, 0) for gone in under_way if gone.lane is lane)
            if not least <= has <= wanted:
                wrong.append(f"{lane} {month}: {has} events, {wanted} were committed ({has - wanted:+d})")
    if wrong and after is not None:
        return counts(store, after(), None, deleting)
    said = f"{total} events" + (f"; of {some(uncounted)} nobody counted the rows" if uncounted else "")
    if wrong:
        return fault("store.counts", f"{said}; {some(wrong)}", _RESTORE, events=total, wrong=wrong)
    return ok("store.counts", f"{said}; by lane and month as many as were committed", events=total)


def twins(store: Examined, tell: Tell) -> Check:
    """No event twice: rows against different ids, slice by slice."""
    months = {row["month"]: row["events"] for row in store.rows("examine_months", {})}
    todo = [(month, slices, slice_) for month, rows in months.items() for slices, slice_ in _slices(rows)]
    doubled, examples, total, replayed = 0, list[str](), 0, 0
    for number, (month, slices, slice_) in enumerate(todo):
        tell("looking for doubled events", number, len(todo))
        about = {"month": month, "slices": slices, "slice": slice_}
        (found,) = store.rows("examine_twins", about)
        total += found["events"]
        if found["events"] != found["ids"]:
            doubled += found["events"] - found["ids"]
            examples += [f"{row['event_id']} {row['times']} times" for row in store.rows("examine_twin_ids", about)]
    for month in months:
        (found,) = store.rows("examine_replayed", {"month": month})
        replayed += found["replayed"]
        if found["replayed"] != found["rejected"] or found["others"]:
            doubled += max(found["others"], 1)
            examples += [f"events of {month} that were replayed and had not been rejected"]
    figures = {"events": total - replayed, "replayed": replayed}
    if doubled:
        said = f"{total - replayed} events; {doubled} of them again: {some(examples)}"
        return fault("store.twins", said, _RESTORE, **figures, doubled=doubled, examples=examples)
    said = f", and {replayed} of them replayed, once each" if replayed else ""
    return ok("store.twins", f"{total - replayed} events, as many different ids{said}", **figures)


def _slices(rows: int) -> Iterator[tuple[int, int]]:
    count = -(-rows // TWINS) or 1
    return ((count, number) for number in range(count))


def known(store: Examined, contents: Callable[[], Contents | None]) -> Check:
    """Whether the catalog, read after the store, knows what the rows name."""
    found = store.rows("examine_names", {})
    names: dict[Name, int] = {}
    for row in found:
        names[Name(row["workspace"], row["signal_id"], row["signal"])] = row["version"]
    catalog = contents()
    if catalog is None:
        return unchecked("store.catalog", "the catalog cannot be read")
    unknown = [*unknown_names(names, catalog)]
    said = f"{len(names)} signals have events"
    if unknown:
        said = f"{said}; the catalog does not know {some(unknown)}"
        return fault("store.catalog", said, RESTORE_CATALOG, unknown=unknown)
    return ok("store.catalog", f"{said}; the catalog knows each, and its schema versions", names=len(names))


def loaded(store: Examined, contents: Callable[[], Contents | None]) -> Check:
    """Whether the catalog, read after the store, knows the backfills that rows name: else no revert ever finds them."""
    found = store.rows("examine_backfills", {})
    catalog = contents()
    if catalog is None:
        return unchecked("store.backfills", "the catalog cannot be read")
    there = {(each.workspace, each.id) for each in catalog.backfills}
    unknown = [
        f"{row['backfill_id']} in {row['workspace']} ({row['events']} events)"
        for row in found
        if (row["workspace"], row["backfill_id"]) not in there
    ]
    said = f"{len(found)} backfills have events"
    if unknown:
        said = f"{said}; the catalog does not know {some(unknown)}"
        return fault("store.backfills", said, RESTORE_CATALOG, unknown=unknown)
    return ok("store.backfills", f"{said}; the catalog knows each", backfills=len(found))


class Matching:
    """Compares what the log has behind the cursors with what is stored, event by event."""

    def __init__(self, store: Examined) -> None:
        self._store = store
        self._compared = self._missing = self._different = 0
        self._examples: list[str] = []

    def compare(self, stored: Stored) -> None:
        if stored.facts:
            self._hold(stored.facts, self._between(stored.first_ms, stored.last_ms))
        if stored.replays:
            self._hold(stored.replays, self._replayed(stored.replays))

    def _hold(self, facts: Mapping[str, Fact], found: Iterable[Fact]) -> None:
        wanted = dict(facts)
        self._compared += len(wanted)
        for fact in found:
            if (of := wanted.pop(fact.event_id, None)) is not None and of != fact:
                self._different += 1
                self._note(f"{fact.event_id} is stored as {_unlike(of, fact)}")
        self._missing += len(wanted)
        for id_ in wanted:
            self._note(f"{id_} is not stored")

    def _between(self, first_ms: int, last_ms: int) -> Iterator[Fact]:
        about = {"months": _months(first_ms, last_ms), "from_ms": first_ms, "to_ms": last_ms}
        return self._asked("examine_events", about)

    def _replayed(self, ids: Iterable[str]) -> Iterator[Fact]:
        for month, some_ids in groupby(sorted(ids), key=_month):
            while piece := list(islice(some_ids, IDS)):
                yield from self._asked("examine_replays", {"month": month, "ids": piece})

    def _asked(self, query: str, about: Mapping[str, object]) -> Iterator[Fact]:
        rest = b""
        for piece in self._store.stream(query, about):
            head, _, rest = (rest + piece).rpartition(b"\n")
            yield from _facts.decode_lines(head)
        yield from _facts.decode_lines(rest)

    def _note(self, text: str) -> None:
        if len(self._examples) < _KEPT:
            self._examples.append(text)

    def check(self, early: Sequence[str]) -> Check:
        """`early`: events that are stored though no block that holds them was planned."""
        figures = {
            "compared": self._compared,
            "missing": self._missing,
            "different": self._different,
            "early": len(early),
        }
        said = f"{self._compared} events that the log still has behind the cursors"
        wrong = [f"{self._missing} are not in the store"] if self._missing else []
        wrong += [f"{self._different} are there with another outcome"] if self._different else []
        wrong += [f"{len(early)} before the cursors are stored already, and would be again"] if early else []
        if wrong:
            said = f"{said}: {', '.join(wrong)}: {some([*self._examples, *early])}"
            return fault("store.log", said, "do not start headwater; " + _RESTORE, **figures)
        return ok("store.log", f"{said}: each is in the store, as it was acknowledged", **figures)


def _unlike(one: Fact, other: Fact) -> str:
    names = [name for name in Fact.__struct_fields__ if getattr(one, name) != getattr(other, name)]
    return ", ".join(f"{name} {getattr(other, name)!r}, logged as {getattr(one, name)!r}" for name in names)


def _months(first_ms: int, last_ms: int) -> list[int]:
    """Every month from the one moment to the other, at most those of some years."""
    first, last = divmod(month_of(first_ms), 100), divmod(month_of(last_ms), 100)
    begin, end = first[0] * 12 + first[1] - 1, last[0] * 12 + last[1] - 1
    return [number // 12 * 100 + number % 12 + 1 for number in range(begin, end + 1)]


def stored_early(
    store: Examined, ahead: Mapping[Ahead, Mapping[str, int]], after: Callable[[], Mapping[Lane, Account]]
) -> list[str]:
    """Events that lay before the lanes' cursors and are in the store, though even now no plan or commit reaches them.

    `ahead`: ids and where their records begin.
    """
    found = {which: _there(store, which, ids) for which, ids in ahead.items() if ids}
    now = after()
    reached = {
        lane: max(account.cursor.position, account.plan.end if account.plan else 0) for lane, account in now.items()
    }
    return [id_ for which, ids in found.items() for id_ in ids if ahead[which][id_] >= reached[which[0]]]


def _there(store: Examined, which: Ahead, ids: Iterable[str]) -> list[str]:
    known = sorted(ids)
    there: list[str] = []
    for month, some_ids in groupby(known, key=_month):
        about = {"lane": which[0].value, "replays": which[1], "months": [month], "ids": list(some_ids)}
        there += [row["event_id"] for row in store.rows("examine_ids", about)]
    return there


def _month(event_id: str) -> int:
    return month_of(int(event_id[:8] + event_id[9:13], 16))
