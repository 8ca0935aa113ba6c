"""Live membership while time goes by, against an evaluator of its own: real log, store and state, and a clock we move.

Events come in pieces in any order, cohorts are made before and after them, identities are cut apart, and now and then
the engine's memory is lost. After every step, who is written down as a member is who should be.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from figures import Section, tell
from headwater.errors import InvalidError
from headwater.events import Lane
from headwater.links import Links
from headwater.live.live import Live
from headwater.people import People
from headwater.rules.grammar import parse
from headwater.rules.ids import new_id
from headwater.rules.values import value_of
from headwater.signals import Signal
from headwater.state.cohorts import Cohort
from parts import Parts, Sent, new_workspace, running_parts
from tools import often
from truth.cohorts import members
from truth.plans import Plan, Sending, happening, plans, resolved
from truth.world import Happening, Kind, World

START = 1_790_000_000_000 + 12_345_678
HOUR, DAY = 3_600_000, 86_400_000
JUMPS = st.sampled_from([1, 999, 10_000, 90_000, HOUR - 1, 5 * HOUR, DAY, 7 * DAY, 31 * DAY])
STEPS = st.lists(
    st.one_of(JUMPS, st.sampled_from(["send", "send", "define", "forget everything", "cut", "turn", "turn"])),
    max_size=14,
)
BACKFILLS = ("", "", "bf_AAAAAAAA", "bf_BBBBBBBB")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    with running_parts(tmp_path_factory.mktemp("clock")) as made:
        yield made


class Settled:
    """A catalog in which nothing changes but which backfills count."""

    def __init__(self, workspace: str, signals: dict[str, Kind], never: Sequence[str], cap: int) -> None:
        self._workspace = SimpleNamespace(id=workspace, never_connect=tuple(never), max_identities=cap)
        self._signals = {slug: _signal(workspace, slug, kind) for slug, kind in signals.items()}

        self.turned: frozenset[str] = frozenset()

    def excluded(self, workspace: str) -> frozenset[str]:
        return self.turned

    def signals_of(self, workspace: str) -> Mapping[str, Signal]:
        return self._signals

    ever = signals_of

    def workspaces(self) -> Sequence[Any]:
        return [self._workspace]

    def revision(self) -> int:
        return 1


def _signal(workspace: str, slug: str, kind: Kind) -> Signal:
    return Signal(
        id="sig_" + "A" * 8,
        workspace=workspace,
        slug=slug,
        name=slug,
        type=kind.type,  # type: ignore[arg-type]
        active=True,
        rate_limit=None,
        enforcement="quarantine",
        aggregation=kind.aggregation or None,  # type: ignore[arg-type]
        period=kind.period or None,  # type: ignore[arg-type]
        value=kind.value or None,
    )


class Rig:
    """One workspace of an engine whose clock stands still unless we move it."""

    def __init__(self, parts: Parts, plan: Plan) -> None:
        self.parts, self.plan, self.now = parts, plan, START
        self.workspace = new_workspace()
        self.catalog = Settled(self.workspace, plan.signals, plan.never, plan.cap)
        self.world = World(plan.signals, [], frozenset(plan.never), plan.cap)
        self.cohorts: dict[str, dict[str, Any]] = {}
        self.memberships = parts.memberships
        self.begin()

    def begin(self) -> None:
        """An engine that knows nothing but what is on disk."""
        self.people = People(self.parts.state, self.catalog.excluded)
        state, reader, store = self.parts.state, self.parts.reader, self.parts.store
        self.mine = SimpleNamespace(
            cohorts=lambda: [each for each in self.memberships.cohorts() if each.workspace == self.workspace],
            fill=self.memberships.fill,
            members=self.memberships.members,
            apply=self.memberships.apply,
            erase=self.memberships.erase,
        )
        self.live = Live(reader, store, state, self.people, self.catalog, self.mine, lambda: self.now)  # type: ignore[arg-type]
        self.parts.people, self.parts.live = self.people, self.live
        self.live.start()

    def send(self, sendings: Sequence[Sending]) -> None:
        for some in (sendings[at : at + 7] for at in range(0, len(sendings), 7)):
            drafts = [
                replace(happening(one, "", START, self.now), backfill=BACKFILLS[number % 4])
                for number, one in enumerate(some, len(self.world.happenings))
            ]
            sent = [self._as_sent(one) for one in drafts]
            _, ids = self.parts.send(self.workspace, *sent, received_ms=self.now)
            known = [replace(one, id=str(id_)) for one, id_ in zip(drafts, ids, strict=True)]
            self.world = replace(self.world, happenings=[*self.world.happenings, *known])
        self.parts.drain()

    def _as_sent(self, one: Happening) -> Sent:
        signal = self.catalog.signals_of("")[one.signal]
        value = value_of(signal, dict(one.data)) if signal.value else None
        reason = "schema_violation" if self.world.rejected(one) else ""
        lane = Lane.MIGRATION if one.migration else Lane.REALTIME
        return Sent(
            *(one.at, one.identities, one.signal, lane, reason, one.name, dict(one.data)),
            value=None if reason else value,
            backfill=one.backfill,
        )

    def define(self, given: dict[str, Any]) -> None:
        definition = resolved(given, START)
        try:
            parsed = parse(definition, self.catalog.signals_of(""))
        except InvalidError:
            return
        cohort = Cohort(new_id("coh"), self.workspace, new_id("name"), definition, self.now)
        self.memberships.add(cohort)
        self._command(lambda: self.live.define(cohort, parsed))
        self.cohorts[cohort.id] = definition

    def _command(self, work: Callable[[], Any]) -> Any:
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(work)
            while not done.done():
                self.live.step()
            return done.result()

    def cut(self) -> None:
        """Cuts the first profile that can be cut, if there is one."""
        for profile in sorted(map(sorted, self.world.profiles)):
            if len(profile) > 1:
                self.people.unmerge(self.workspace, profile[0], self.now)
                self.world = self.world.unmerged(profile[0], self.now)
                return

    def turn(self) -> None:
        """A backfill counts no more, or counts again."""
        which = BACKFILLS[2 + len(self.world.happenings) % 2]
        self.catalog.turned ^= {which}
        Links(self.parts.store, self.parts.state, self.people).of_backfill(self.workspace, which)
        self.world = replace(self.world, excluded=self.catalog.turned)

    def check(self) -> None:
        self.live.step()
        deadline = time.monotonic() + 30
        while self.workspace in self.live._rebuilding:
            assert time.monotonic() < deadline, "it is not made anew"
            self.live.step()
        world = replace(self.world)
        for id_, definition in self.cohorts.items():
            expected = members(world, definition, self.now)
            written = [member.identity for member in self.memberships.members(id_)]
            found = {frozenset(self.people.connected(self.workspace, identity)) for identity in written}
            assert len(found) == len(written), f"{definition}: a profile is in twice: {written}"
            assert found == expected, f"{definition} at {self.now - START} ms"
            assert self.live.size(id_) == len(expected)
            parsed = parse(definition, self.catalog.signals_of(""))
            preview = self._command(lambda parsed=parsed: self.live.preview(self.workspace, parsed, 5))
            assert preview.size == len(expected), f"preview of {definition}"


def play(parts: Parts, plan: Plan, steps: Sequence[Any]) -> None:
    rig = Rig(parts, plan)
    waiting, cohorts = list(plan.sendings), list(plan.definitions)
    steps = ["define", *steps, *["send"] * len(waiting), *["define"] * len(cohorts), 86_400_000]
    for step in steps:
        match step:
            case int():
                rig.now += step
            case "send" if waiting:
                size = max(1, len(plan.sendings) // 4)
                rig.send(waiting[:size])
                del waiting[:size]
            case "define" if cohorts:
                rig.define(cohorts.pop())
            case "forget everything":
                rig.begin()
            case "cut":
                if waiting:  # in the same moment as events come in
                    rig.send([waiting.pop()])
                rig.cut()
            case "turn":
                rig.turn()
            case _:
                continue
        rig.check()
    assert rig.live.differences(rig.workspace) == []
    event(f"members: {min(3, sum(rig.live.size(id_) for id_ in rig.cohorts))}")


ANY_HOW = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    derandomize=False,
)


@settings(ANY_HOW, max_examples=25)
@given(plan=plans(most=30, cohorts=4), steps=STEPS)
def test_members_are_right_at_any_time(parts: Parts, plan: Plan, steps: list[Any]) -> None:
    play(parts, plan, steps)


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_members_are_right_at_any_time_often(parts: Parts) -> None:
    played = 0

    @settings(ANY_HOW, max_examples=often(150))
    @given(plan=plans(most=60, cohorts=6), steps=STEPS)
    def run(plan: Plan, steps: list[Any]) -> None:
        nonlocal played
        play(parts, plan, steps)
        played += 1

    run()
    tell(Section.TRUTH, "cohorts while the clock is moved by hand", workspaces=played, members_wrong=0)
