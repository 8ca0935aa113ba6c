"""Rejected events taken once more: judged by what holds now, and those that pass appended to the log, each under its
own id. The front half of their second way; `rejected` finds them.

Each is stored once, however often and by however many it is asked: a claim lies in the log beside it, and whoever
comes later finds that, until the engine has stored the event and finds it rejected no more.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby, islice
from typing import NoReturn
from uuid import UUID

import msgspec

from headwater import clock
from headwater.claims.base import Claims, Reserved, claim_key, reserved
from headwater.config import Windows
from headwater.dialects.base import Dialect, Fault, dotted
from headwater.errors import UnavailableError
from headwater.events import MAX_BATCH, Batch, Claim, Event, Lane, Line, Part, batch_of
from headwater.intake import Intake
from headwater.outcomes import Reason
from headwater.rules.filters import Place
from headwater.rules.hints import hint_of
from headwater.rules.lane import place_again
from headwater.rules.refused import FIRST, PAGE_EVENTS, Candidate, Candidates, Refused

AT_ONCE = 2
"""Pages of candidates under way; who wants a further one waits. Judging takes time from those who send events."""
TURN_SECONDS = 60.0
"""How long one waits, at most."""
WAVE = 8
"""Pieces of up to MAX_BATCH events whose fsync is awaited together."""
FRESH = 20.0
"""Seconds for which candidates are good, from the moment that they are asked for: somebody may be erased meanwhile,
and an erasure waits for longer."""

Source = Callable[[Place, int], Awaitable[Candidates]]
"""Up to so many candidates behind a place. Raises UnavailableError."""

_encode_lines = msgspec.json.Encoder().encode_lines


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be replayed, and how."""

    workspace: str
    which: Refused
    lane: Lane | None = None
    """None: the one that takes an event now."""
    dry_run: bool = False
    """Only count."""
    after: Place = FIRST
    most: int | None = None
    """Rejected events looked at; None: all."""


class Failing(msgspec.Struct):
    """Events of a signal that would be rejected again, or refused, for the same reason."""

    reason: str
    """One of `outcomes.Reason`, or a fault's code."""
    signal: str
    events: int
    sample: str
    """The id of one of them; `detail` is of that one."""
    detail: str | None
    hint: str


class Outcome(msgspec.Struct):
    """What a replay came to."""

    matched: int = 0
    would_pass: int = 0
    replayed: int = 0
    """They wait in the log to be stored. 0 in a dry run."""
    already: int = 0
    """Somebody else replayed them meanwhile; in `would_pass`, too."""
    lanes: dict[Lane, int] = msgspec.field(default_factory=lambda: dict.fromkeys(Lane, 0))
    """Where those that pass go."""
    failing: list[Failing] = msgspec.field(default_factory=list)
    """The most frequent first."""
    next: str | None = None
    """Cursor of the place behind which it is to be gone on; None: all of them were looked at."""


class _Judged(msgspec.Struct, frozen=True, gc=False):
    """A candidate, and what is to become of it."""

    candidate: Candidate
    event: Event
    lane: Lane
    reason: str
    """Empty when it passes."""
    detail: str


class _Tally:
    """Counts what becomes of candidates."""

    def __init__(self) -> None:
        self.outcome = Outcome()
        self._failing: dict[tuple[str, str], Failing] = {}

    def count(self, judged: Iterable[_Judged]) -> None:
        for each in judged:
            self.outcome.matched += 1
            if each.reason:
                self._fail(each)
            else:
                self.outcome.would_pass += 1
                self.outcome.lanes[each.lane] += 1

    def told(self, after: Place | None) -> Outcome:
        self.outcome.next = after.encode() if after else None
        order = sorted(self._failing.values(), key=lambda each: (-each.events, each.reason, each.signal))
        self.outcome.failing = order
        return self.outcome

    def _fail(self, judged: _Judged) -> None:
        signal = judged.candidate.signal
        known = self._failing.get((judged.reason, signal))
        if known is None:
            about = (judged.reason, signal, 1, judged.candidate.event_id, judged.detail or None)
            self._failing[judged.reason, signal] = Failing(*about, hint_of(judged.reason))
        else:
            known.events += 1


class Replay:
    """For one gateway."""

    def __init__(self, intake: Intake, claims: Claims, windows: Windows, dialects: Iterable[Dialect]) -> None:
        self._intake = intake
        self._claims = claims
        self._windows = windows
        self._dialects = {dialect.name: dialect for dialect in dialects}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def run(self, order: Order, source: Source) -> Outcome:
        """Raises UnavailableError when the log or the engine fails, or too many others replay: what was replayed until
        then is, and to ask again goes on with the rest."""
        tally, after = _Tally(), order.after
        while (left := _left(order, tally.outcome.matched)) > 0:
            async with self._turn():  # for each page anew: a long replay lets others through
                until = time.monotonic() + FRESH
                page = await _fresh(source, after, left)
                last = await self._replay(order, page.data, tally, until)
            if page.next is None and last is None:
                return tally.told(None)
            after = last or page.next or after
        return tally.told(after)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """First come, first served. Raises UnavailableError."""
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise UnavailableError("too many replays are under way") from None
        try:
            yield
        finally:
            self._turns.release()

    async def _replay(
        self, order: Order, candidates: Sequence[Candidate], tally: "_Tally", until: float
    ) -> Place | None:
        """None when it came to the end; else the place behind which the rest is to be read anew, for it is `until`.

        Raises UnavailableError when it is that already.
        """
        last = None
        for wave in _waves(candidates):
            if time.monotonic() > until:
                return last or _late()
            passing = []
            for piece in wave:
                judged = self._judge(order, piece)
                tally.count(judged)
                passing.append([each for each in judged if not each.reason])
                await asyncio.sleep(0)  # who sends events goes first
            if not order.dry_run:
                await self._append_all(order.workspace, passing, tally.outcome)
            last = max(candidate.place for piece in wave for candidate in piece)
        return None

    def _judge(self, order: Order, candidates: Sequence[Candidate]) -> list[_Judged]:
        now, found = clock.now_ms(), list[_Judged]()
        for name, some in groupby(candidates, key=lambda candidate: candidate.dialect):
            dialect, taken = self._dialects[name], list(some)
            events = [_event(candidate) for candidate in taken]
            faults = _first(self._intake.judge(order.workspace, dialect, events))
            for index, (candidate, event) in enumerate(zip(taken, events, strict=True)):
                lane, late = place_again(self._windows, candidate.occurred_ms, now, order.lane, dialect.old_migrates)
                reason, detail = _why(event, faults.get(index), late)
                found.append(_Judged(candidate, event, lane, reason, detail))
        return found

    async def _append_all(self, workspace: str, wave: Sequence[Sequence[_Judged]], outcome: Outcome) -> None:
        """Every piece is brought to its end, and counted, before a failure is told."""
        results = await asyncio.gather(*(self._append(workspace, piece) for piece in wave), return_exceptions=True)
        for piece, result in zip(wave, results, strict=True):
            if not isinstance(result, BaseException):
                outcome.replayed += result
                outcome.already += len(piece) - result
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _append(self, workspace: str, piece: Sequence[_Judged]) -> int:
        """Makes those durable that nobody replayed before, and returns how many."""
        keys = {claim_key(workspace, "replay", each.candidate.event_id): each for each in piece}
        async with reserved(self._claims, keys) as held:
            fresh = [each for key, each in keys.items() if key not in held.known]
            appended = [_appended(held, batch) for batch in _batches(workspace, fresh, clock.now_ms())]
            results = await asyncio.gather(*appended, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return len(fresh)


async def _fresh(source: Source, after: Place, most: int) -> Candidates:
    """Raises UnavailableError for candidates that would be of no use any more."""
    try:
        async with asyncio.timeout(FRESH):
            return await source(after, most)
    except TimeoutError:
        _late()


def _late() -> NoReturn:
    raise UnavailableError("the engine takes too long to say which events are rejected")


async def _appended(held: Reserved, batch: Batch) -> None:
    """A coroutine, so that a log which refuses at once fails this batch alone, and the others are waited for."""
    await held.append(batch)


def _left(order: Order, matched: int) -> int:
    """How many events are to be asked for next."""
    return PAGE_EVENTS if order.most is None else min(PAGE_EVENTS, order.most - matched)


def _waves(candidates: Iterable[Candidate]) -> Iterator[list[list[Candidate]]]:
    """Pieces of up to MAX_BATCH events, in which those of a batch lie side by side."""
    left = iter(candidates)
    while wave := sorted(islice(left, WAVE * MAX_BATCH), key=lambda candidate: candidate.event_id):
        yield [wave[at : at + MAX_BATCH] for at in range(0, len(wave), MAX_BATCH)]


def _batch_of(candidate: Candidate) -> str:
    return candidate.event_id[:-2]


def _event(candidate: Candidate) -> Event:
    """As a dialect would have read it: the latest schema version is meant."""
    return Event(
        id=candidate.event_id,
        signal=candidate.signal,
        occurred_ms=candidate.occurred_ms,
        identities=tuple(candidate.identities),
        data=msgspec.json.decode(candidate.data),
    )


def _first(faults: Iterable[Fault]) -> dict[int, Fault]:
    """The first fault of each event that has one."""
    found: dict[int, Fault] = {}
    for fault in faults:
        found.setdefault(fault.index, fault)
    return found


def _why(event: Event, fault: Fault | None, late: Reason | None) -> tuple[str, str]:
    """Why it does not pass, and what is wrong: empty when it does."""
    if fault is not None:
        reason = Reason.SCHEMA_VIOLATION if fault.code == "schema" else fault.code
        return reason, f"{dotted(fault.path).removeprefix('.')} {fault.text}"
    if event.reason:
        return event.reason, event.detail
    return (late, "") if late else ("", "")


def _batches(workspace: str, fresh: Iterable[_Judged], now_ms: int) -> Iterator[Batch]:
    """One record for what is replayed of each original batch, under its id."""
    for _, some in groupby(fresh, key=lambda each: _batch_of(each.candidate)):
        events = list(some)
        lanes = {lane: [each for each in events if each.lane is lane] for lane in Lane}
        yield Batch(
            batch_of(UUID(events[0].candidate.event_id)),
            workspace,
            events[0].candidate.dialect,
            tuple(_part(lane, of, now_ms) for lane, of in lanes.items() if of),
            tuple(_claim(workspace, each.candidate.event_id) for each in events),
            replay=True,
        )


def _claim(workspace: str, event_id: str) -> Claim:
    return Claim(claim_key(workspace, "replay", event_id), UUID(event_id).bytes)


def _part(lane: Lane, judged: Sequence[_Judged], now_ms: int) -> Part:
    times = [each.candidate.occurred_ms for each in judged]
    return Part(lane, len(judged), min(times), max(times), _encode_lines([_line(each, now_ms) for each in judged]))


def _line(judged: _Judged, now_ms: int) -> Line:
    """What was sent stays as it was written down, byte for byte; what was found about it is new, its signal too: in
    some dialects a name may mean another one by now."""
    candidate, event = judged.candidate, judged.event
    return Line(
        candidate.event_id,
        event.signal,
        event.signal_id,
        event.schema_version,
        candidate.occurred_ms,
        "",
        "",
        candidate.identities,
        candidate.name,
        msgspec.Raw(candidate.data.encode()),
        candidate.reference,
        candidate.backfill_id,
        event.value,
        now_ms,
    )
