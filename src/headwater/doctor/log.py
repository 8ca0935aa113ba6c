"""The log held against itself and against the lanes' cursors."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from headwater.catalog.examined import Contents
from headwater.doctor.report import Check, fault, ok, some, unchecked, warning
from headwater.doctor.walk import Name, Walk
from headwater.events import Lane, received_ms
from headwater.log.base import Reader, Sound, Survey
from headwater.state.base import Account

RESTORE = (
    "do not start headwater; keep a copy of the data directory as it is; restore the log directory as it was at the "
    "time of state.db, or all of the data directory from one backup"
)

_EVER = 1 << 62
"""A moment after all."""
_REPLAYED = 10_000
"""Moments of replays that are asked for one by one."""


def files(survey: Survey, leftovers: Collection[str], expected: bool, running: bool) -> Check:
    """The segments, each ending where the next one begins. `expected`: there was a log once; `running`: it is being
    written now."""
    size = sum(each.size for each in survey.segments)
    figures = {
        "segments": len(survey.segments),
        "oldest": oldest_of(survey),
        "durable": survey.durable,
        "bytes": size,
        "leftovers": sorted(leftovers),
        "behind": survey.behind,
    }
    said = f"{len(survey.segments)} segments, positions {figures['oldest']} to {survey.durable}, {size} bytes"
    if survey.durable and not (survey.segments or survey.begun):
        return fault("log.files", f"{said}: all of them are gone", RESTORE, **figures)
    if not survey.durable and expected:
        return fault("log.files", "the log is empty or its marker `durable` is gone", RESTORE, **figures)
    if leftovers:
        advice = "nothing needs to be done; files that end in .new may be removed while headwater is stopped"
        return warning("log.files", f"{said}; of no account: {some(sorted(leftovers))}", advice, **figures)
    if survey.behind and not running:
        said = f"{said}; {survey.behind} bytes behind the durable end, which a crash left"
        advice = "nothing needs to be done: the next start takes what of it is a whole record and cuts the rest off"
        return warning("log.files", said, advice, **figures)
    return ok("log.files", said, **figures)


def records(walk: Walk, survey: Survey, payloads: str) -> Check:
    """Every record, header and payload, by its checksums, one following on the other."""
    figures = {"records": walk.records, "bytes": walk.bytes, "damaged": len(walk.damage)}
    said = f"{walk.records} records, {walk.bytes} bytes; {payloads}"
    if walk.damage:
        lost = [f"{each.position} to {each.end} ({each.why})" for each in walk.damage]
        return fault("log.records", f"{said}; positions that cannot be read: {some(lost)}", RESTORE, **figures)
    if walk.records == 0 and survey.durable and (survey.segments or not survey.begun):
        return fault("log.records", f"the log has positions to {survey.durable} and not one record", RESTORE, **figures)
    return ok("log.records", f"{said}; every checksum holds, no position is missing", **figures)


def lines(walk: Walk) -> Check:
    """What the records say, by what their headers claim."""
    said = f"{walk.events} events in the records that were read"
    if walk.wrongs:
        advice = f"no disk does that: keep a copy of the log and report it; {RESTORE}"
        return fault("log.lines", f"{said}; {walk.wrongs} records are wrong: {some(walk.wrong)}", advice)
    return ok("log.lines", f"{said}; each is whole and of its batch", events=walk.events)


def oldest_of(survey: Survey) -> int:
    """Where the log begins."""
    return survey.segments[0].base if survey.segments else survey.durable


def received(reader: Reader) -> dict[str, Any]:
    """When the log's events were received, for `examine_doomed`: since a moment, or, if they are there by a replay, at
    one of some (UTC ms). Goes by headers alone; what is damaged is told elsewhere."""
    since, replayed = _EVER, set[int]()
    for found in reader.examine(0, payloads=False):
        if isinstance(found, Sound):
            ms = received_ms(found.head.batch)
            since, replayed = (since, replayed | {ms}) if found.head.replay else (min(since, ms), replayed)
    older = sorted(ms for ms in replayed if ms < since)
    if len(older) > _REPLAYED:
        return {"since_ms": older[0], "replayed": []}
    return {"since_ms": since, "replayed": older}


def cursors(oldest: int, durable: int, ledger: Mapping[Lane, Account], walk: Walk) -> Check:
    """Whether the log still has everything that is not stored: no cursor outside of it or inside of a record.

    `oldest` was read before the ledger, `durable` after it: a log that moves on meanwhile is no fault.
    """
    figures = {lane.value: account.cursor.position for lane, account in ledger.items()}
    said = f"log {oldest} to {durable}; " + ", ".join(f"{lane} at {place}" for lane, place in figures.items())
    wrong = [why for lane, account in ledger.items() for why in _misplaced(lane, account, oldest, durable, walk)]
    figures |= {"oldest": oldest, "durable": durable}
    if wrong:
        return fault("log.cursors", f"{said}: {some(wrong)}", RESTORE, **figures)
    return ok("log.cursors", f"{said}; everything from the cursors on is there", **figures)


def _misplaced(lane: Lane, account: Account, oldest: int, durable: int, walk: Walk) -> Iterator[str]:
    place, plan = account.cursor.position, account.plan
    if place > durable:
        yield f"the log ends {place - durable} positions before the {lane} cursor: it was emptied or cut"
    elif place < oldest:
        yield f"the log begins {oldest - place} positions behind the {lane} cursor: what lay there was never stored"
    elif _is_inside(place, durable, walk):
        yield f"the {lane} cursor, {place}, is where no record begins"
    if plan is None:
        return
    if not place <= plan.start <= plan.end:
        yield f"{lane} block {plan.block} was planned from {plan.start} to {plan.end}, the cursor is at {place}"
    elif plan.end > durable:
        yield f"{lane} block {plan.block} was planned to {plan.end}, behind the log's end"
    elif any(_is_inside(at, durable, walk) for at in (plan.start, plan.end)):
        yield f"{lane} block {plan.block} was planned from {plan.start} to {plan.end}, where no record begins"


def _is_inside(place: int, durable: int, walk: Walk) -> bool:
    """Whether a position lies inside of a record; not where the log was trimmed meanwhile, or cannot be read."""
    if walk.first is None or place <= walk.first or place >= durable or place in walk.between:
        return False
    return not any(each.position <= place <= each.end for each in walk.damage)


def known(walk: Walk, contents: Contents | None, dialects: Collection[str]) -> Check:
    """Whether the catalog knows what the records name."""
    if contents is None:
        return unchecked("log.catalog", "the catalog cannot be read")
    found = [*unknown_names(walk.names, contents)]
    found += [f"the dialect '{each}'" for each in sorted(walk.dialects - set(dialects))]
    said = f"{len(walk.names)} signals named in the log"
    if found:
        return fault("log.catalog", f"{said}; the catalog does not know {some(found)}", RESTORE_CATALOG, unknown=found)
    return ok("log.catalog", f"{said}; the catalog knows each, and its schema versions", names=len(walk.names))


RESTORE_CATALOG = (
    "stop headwater, restore catalog.db from its newest backup: it is older than the events or was changed"
)


def unknown_names(names: Mapping[Name, int], contents: Contents) -> Iterator[str]:
    """What of it the catalog does not know. `names`: with the greatest schema version."""
    workspaces = {each.id for each in contents.workspaces}
    signals = {each.id: each for each in contents.signals}
    latest: dict[str, int] = {}
    for each in contents.versions:
        latest[each.signal_id] = max(latest.get(each.signal_id, 0), each.version)
    for name, version in names.items():
        signal = signals.get(name.signal_id)
        if name.workspace not in workspaces:
            yield f"the workspace {name.workspace}"
        elif signal is None or (signal.workspace, signal.slug) != (name.workspace, name.signal):
            yield f"the signal {name.signal_id} ('{name.signal}') in {name.workspace}"
        elif version > latest.get(name.signal_id, 0):
            yield f"version {version} of the schema of {name.signal_id} ('{name.signal}')"
