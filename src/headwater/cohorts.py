"""Cohorts as they are asked for: made, listed, previewed, explained, exported.

What lasts is in `state.cohorts`; who is in right now, and why, is known by `live`. Every question is about one
workspace and sees nothing of another. Safe to use from threads.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal

import msgspec

from headwater import clock
from headwater.errors import ConflictError, HeadwaterError, InvalidError, NotFoundError, UnavailableError
from headwater.live.base import Explained, Questions
from headwater.rules import grammar
from headwater.rules.cohort import Definition, Leaf, Metric, Performed, Sequence, is_subject
from headwater.rules.cursor import decoded, encoded, numbered, refused
from headwater.rules.filters import identity_of
from headwater.rules.ids import new_id
from headwater.rules.membership import (
    CSV_HEAD,
    ChangeAnswer,
    ChangePage,
    CohortAnswer,
    CohortPage,
    ConditionAnswer,
    ExplainAnswer,
    HistoryAnswer,
    MemberAnswer,
    MemberPage,
    PreviewAnswer,
    SampleAnswer,
    StepAnswer,
    csv_line,
    member_of,
    named,
)
from headwater.rules.names import check_name
from headwater.rules.profile import profile_id, representative
from headwater.signals import Signal
from headwater.state.cohorts import FIRST, NOTHING, Change, Cohort, Course, Member, Memberships, Place, Step

MOST = 1000
"""Cohorts of a workspace: each is kept right with every event."""
LARGEST = 64 * 1024
"""Bytes of a definition as JSON."""
MOST_IDENTITIES = 10_000
"""Identities of a page of members: one that has more ends earlier."""
SAMPLE = 10
"""Profiles that a preview shows."""

SPAN = 24
"""Steps of a history, unless it is said from when on."""
MOST_STEPS = 1000

_LENGTHS = {"hour": clock.HOUR_MS, "day": clock.DAY_MS}
_DIGITS = 15  # of the milliseconds in a list's cursor
_BITE = 2000  # members of an export taken at once
_PIECE = 128 * 1024  # bytes of an export handed on at once

Format = Literal["csv", "ndjson"]
Members = list[MemberAnswer]


class Cohorts:
    """The questions and changes."""

    def __init__(
        self,
        kept: Memberships,
        live: Questions,
        signals_of: Callable[[str], Mapping[str, Signal]],
        connected: Callable[[str, str], tuple[str, ...]],
    ) -> None:
        """`signals_of` a workspace, by slug; `connected` (workspace, identity): its profile's identities, sorted."""
        self._kept = kept
        self._live = live
        self._signals_of = signals_of
        self._connected = connected

    def create(self, workspace: str, name: str, definition: dict[str, Any]) -> CohortAnswer:
        """Returns when its first members are found. Raises InvalidError, and ConflictError for a name that is taken
        or when there are too many."""
        parsed = self._parsed(workspace, definition)
        as_of = self._as_of(workspace)  # while the engine catches up, nothing is begun
        if self._kept.count(workspace) >= MOST:
            raise ConflictError(f"There are {MOST} cohorts already; delete one first")
        cohort = Cohort(new_id("coh"), workspace, check_name(name), definition, clock.now_ms())
        self._kept.add(cohort)
        try:
            self._live.define(cohort, parsed)
        except BaseException:
            # Each may fail as well; what went wrong first is what is told.
            with suppress(HeadwaterError):
                self._kept.remove(cohort.id)
            with suppress(HeadwaterError):  # it may have begun all the same
                self._live.forget(cohort.id)
            raise
        return self._answer(self._cohort(workspace, cohort.id), as_of)

    def list(self, workspace: str, limit: int, cursor: str | None) -> CohortPage:
        """Oldest first."""
        rest = self._kept.listed(workspace, _place(cursor), limit + 1)
        more = _cursor(rest[limit - 1]) if len(rest) > limit else None
        return CohortPage([self._answer(cohort) for cohort in rest[:limit]], more)

    def show(self, workspace: str, cohort_id: str) -> CohortAnswer:
        """Raises NotFoundError, as all below."""
        return self._answer(self._cohort(workspace, cohort_id))

    def rename(self, workspace: str, cohort_id: str, name: str) -> CohortAnswer:
        """Raises ConflictError when the name is taken."""
        cohort, as_of = self._cohort(workspace, cohort_id), self._as_of(workspace)
        self._kept.retitle(cohort.id, check_name(name))
        return self._answer(self._cohort(workspace, cohort_id), as_of)

    def delete(self, workspace: str, cohort_id: str) -> None:
        cohort = self._cohort(workspace, cohort_id)
        self._kept.remove(cohort.id)
        with suppress(UnavailableError):  # then it is forgotten at the next start
            self._live.forget(cohort.id)

    def preview(self, workspace: str, definition: dict[str, Any]) -> PreviewAnswer:
        """Who would be in now. Nothing is kept."""
        parsed, as_of = self._parsed(workspace, definition), self._as_of(workspace)
        found = self._live.preview(workspace, parsed, SAMPLE)
        return PreviewAnswer(found.size, [self._sampled(workspace, identity) for identity in found.sample], as_of)

    def members(self, workspace: str, cohort_id: str, limit: int, cursor: str | None) -> MemberPage:
        """In the order of the identities that stand for the profiles."""
        cohort, as_of = self._filled(workspace, cohort_id), self._as_of(workspace)
        found = self._kept.page(cohort.id, decoded(cursor), limit + 1)
        shown: Members = []
        identities = 0
        for each in found[:limit]:
            shown.append(self._member(workspace, each))
            identities += len(shown[-1].identities)
            if identities >= MOST_IDENTITIES:
                break
        more = encoded(found[len(shown) - 1].identity) if len(found) > len(shown) else None
        return MemberPage(shown, more, as_of)

    def explain(self, workspace: str, cohort_id: str, key: str) -> ExplainAnswer:
        """Why the profile of an identity (`type:id`) is in or out; one never seen is out."""
        cohort, identity = self._cohort(workspace, cohort_id), _identity(key, "identity")
        connected, as_of = self._connected(workspace, identity), self._as_of(workspace)
        since_ms = self._kept.since(cohort.id, representative(workspace, connected))
        subject = cohort.definition["subject"]
        return ExplainAnswer(
            member=self._live.member(cohort.id, identity),
            since=clock.iso_or_none(since_ms),
            subject=subject,
            is_subject=any(is_subject(each, subject) for each in connected),
            profile_id=profile_id(workspace, connected),
            identities=named(connected),
            explain=[_condition(each) for each in self._live.explain(cohort.id, identity)],
            as_of=as_of,
        )

    def changes(
        self, workspace: str, cohort_id: str, limit: int, cursor: str | None, key: str | None = None
    ) -> ChangePage:
        """Who entered and left, newest first; with a key, of that profile alone, whatever it stood under then."""
        cohort, as_of = self._cohort(workspace, cohort_id), self._as_of(workspace)
        of = None if key is None else self._connected(workspace, _identity(key, "identity"))
        found = self._kept.changes(cohort.id, numbered(cursor), limit + 1, of)
        more = encoded(str(found[limit - 1][0])) if len(found) > limit else None
        return ChangePage([self._change(workspace, change) for _, change in found[:limit]], more, as_of)

    def history(
        self, workspace: str, cohort_id: str, step: Literal["hour", "day"], from_ms: int | None, to_ms: int | None
    ) -> HistoryAnswer:
        """How many were in, by whole UTC hours or days, oldest first: up to now, and from when its first members were
        found on, for before that nothing is known. Without `from_ms` the last `SPAN` steps.

        What was erased never was: it is missing from all steps.
        """
        cohort, length, now = self._filled(workspace, cohort_id), _LENGTHS[step], clock.now_ms()
        end = min(now if to_ms is None else to_ms - 1, now) // length + 1
        start = end - SPAN if from_ms is None else from_ms // length
        if from_ms is not None and to_ms is not None and from_ms >= to_ms:
            raise InvalidError("'from' must be before 'to'", "from")
        start = max(start, (cohort.filled_ms or 0) // length)
        if end - start > MOST_STEPS:
            raise InvalidError(f"there are more than {MOST_STEPS} steps from 'from' to 'to'", "from")
        if start >= end:
            return HistoryAnswer([])
        course = self._kept.course(cohort.id, start * length, length)
        sizes = _sizes(course, now // length - start)
        return HistoryAnswer(
            [
                StepAnswer(clock.to_iso((start + number) * length), of.entered, of.left, size)
                for number, (of, size) in enumerate(sizes[: end - start])
            ]
        )

    def export(self, workspace: str, cohort_id: str, format_: Format) -> Iterator[bytes]:
        """All members in pieces, as CSV with a head or as NDJSON."""
        self._as_of(workspace)  # while the engine catches up, what is written down is old
        return self._exported(self._filled(workspace, cohort_id), format_)

    def _exported(self, cohort: Cohort, format_: Format) -> Iterator[bytes]:
        piece = bytearray(CSV_HEAD if format_ == "csv" else b"")
        line = csv_line if format_ == "csv" else _json_line
        after = ""
        while bite := self._kept.page(cohort.id, after, _BITE):
            for member in bite:
                piece += line(self._member(cohort.workspace, member))
                if len(piece) >= _PIECE:
                    yield bytes(piece)
                    piece.clear()
            after = bite[-1].identity
        if piece:
            yield bytes(piece)

    def _parsed(self, workspace: str, definition: dict[str, Any]) -> Definition:
        _check_sound(definition)
        return grammar.parse(definition, self._signals_of(workspace))

    def _cohort(self, workspace: str, cohort_id: str) -> Cohort:
        cohort = self._kept.cohort(workspace, cohort_id)
        if cohort is None:
            raise NotFoundError(f"There is no cohort '{cohort_id}'")
        return cohort

    def _as_of(self, workspace: str) -> str:
        """Taken before anything is looked at, so that what is answered is no older."""
        return clock.to_iso(self._live.as_of(workspace))

    def _filled(self, workspace: str, cohort_id: str) -> Cohort:
        """Raises UnavailableError as long as its first members are being written down."""
        cohort = self._cohort(workspace, cohort_id)
        if cohort.filled_ms is None:
            raise UnavailableError("its first members are being found")
        return cohort

    def _size(self, cohort: Cohort) -> int | None:
        """None where it is not known: its first members are being found, or it stands still."""
        with suppress(UnavailableError):
            return None if cohort.filled_ms is None else self._live.size(cohort.id)
        return None

    def _answer(self, cohort: Cohort, as_of: str | None = None) -> CohortAnswer:
        as_of = as_of or self._as_of(cohort.workspace)
        return CohortAnswer(
            id=cohort.id,
            name=cohort.name,
            size=self._size(cohort),
            definition=cohort.definition,
            created_at=clock.to_iso(cohort.created_ms),
            as_of=as_of,
        )

    def _sampled(self, workspace: str, identity: str) -> SampleAnswer:
        connected = self._connected(workspace, identity)
        return SampleAnswer(profile_id(workspace, connected), named(connected))

    def _member(self, workspace: str, member: Member) -> MemberAnswer:
        return member_of(workspace, self._connected(workspace, member.identity), member.since_ms)

    def _change(self, workspace: str, change: Change) -> ChangeAnswer:
        connected = self._connected(workspace, change.identity)
        return ChangeAnswer(
            at=clock.to_iso(change.at_ms),
            change="entered" if change.entered else "left",
            kind=change.kind,
            event_id=change.event_id,
            profile_id=profile_id(workspace, connected),
            identities=named(connected),
        )


def _sizes(course: Course, running: int) -> list[tuple[Step, int]]:
    """What happened in each step, the one that runs being the last, and the size at its end: counted back from those
    who are in now. What a clock that was set back left behind now counts as of now."""
    size, found = course.members, list[tuple[Step, int]]()
    later = [of for number, of in course.steps.items() if number >= running]
    for number in range(running, -1, -1):
        of = course.steps.get(number, NOTHING) if number < running else _sum(later)
        found.append((of, max(size, 0)))
        size -= of.entered - of.left - of.merged
    return found[::-1]


def _sum(steps: Iterable[Step]) -> Step:
    return Step(*map(sum, zip((0, 0, 0), *map(msgspec.structs.astuple, steps), strict=True)))


def _cursor(cohort: Cohort) -> str:
    ms, id_ = cohort.place
    return encoded(f"{ms:0{_DIGITS}}{id_}")


def _place(cursor: str | None) -> Place:
    text = decoded(cursor)
    ms, id_ = text[:_DIGITS], text[_DIGITS:]
    if text and not (len(ms) == _DIGITS and ms.isascii() and ms.isdecimal()):
        raise refused()
    return (int(ms), id_) if text else FIRST


def _identity(key: str, path: str) -> str:
    identity = identity_of(key)
    if identity is None:
        raise InvalidError(
            f"'{path}' must be type:id, as email:ada@example.com, phone:+19494572000 or account:42", path
        )
    return identity


def _condition(found: Explained) -> ConditionAnswer:
    leaf = found.leaf
    return ConditionAnswer(grammar.condition(leaf), grammar.describe(leaf), found.holds, _shown(leaf, found.observed))


def _shown(leaf: Leaf, observed: Any) -> Any:
    """Of somebody who was never seen nothing was observed: to sums, counts and sequences that is a value, too."""
    match leaf:
        case Sequence():
            return [clock.to_iso(ms) for ms in observed or ()]
        case Performed(measure="count" | "sum") | Metric(aggregation="count" | "sum") if observed is None:
            return 0
        case _:
            return observed


def _json_line(member: MemberAnswer) -> bytes:
    return msgspec.json.encode(member) + b"\n"


def _check_sound(definition: dict[str, Any]) -> None:
    """InvalidError for what could not be given back as it came: halves of characters, NaN, endless nesting."""
    try:
        size = len(json.dumps(definition, allow_nan=False, ensure_ascii=False).encode())
    except (ValueError, RecursionError):
        raise InvalidError(
            "'definition' holds what is no JSON: NaN, Infinity, a lone surrogate", "definition"
        ) from None
    if size > LARGEST:
        raise InvalidError(f"'definition' must have at most {LARGEST} bytes", "definition")
