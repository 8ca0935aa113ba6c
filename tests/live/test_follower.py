"""The thread behind live cohorts: when it begins, what it waits for, and in which order it takes things in."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from msgspec import structs

from harness import until
from headwater.errors import UnavailableError
from headwater.live.live import Live
from headwater.live.rebuilding import Rebuilding
from headwater.rules.grammar import parse
from headwater.rules.ids import new_id
from headwater.state.base import Link
from headwater.state.cohorts import Cohort
from live.test_moving_clock import Rig, Settled
from parts import Parts, Sent, running_parts
from truth.plans import Plan, Sending
from truth.world import Kind

SIGNALS = {"bought": Kind(), "left": Kind()}
NEVER_LEFT = {"subject": "person", "where": {"not": {"performed": "left"}}}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    with running_parts(tmp_path_factory.mktemp("follower")) as made:
        yield made


def plan(*sendings: Sending) -> Plan:
    return Plan(SIGNALS, sendings, (NEVER_LEFT,), (), 100, 0)


def bought(*identities: str) -> Sending:
    return Sending("bought", identities, None, {})


def test_nobody_is_seen_before_it_is_known_whom_they_belong_with(parts: Parts) -> None:
    rig = Rig(parts, plan())
    rig.define(NEVER_LEFT)
    (cohort,) = rig.cohorts
    whole = parts.pipeline._stored

    def late(links: Sequence[Link]) -> None:
        rig.live.step()  # the block is committed, its links are not known yet
        whole(links)

    parts.pipeline._stored = late  # type: ignore[method-assign,assignment]
    try:
        rig.send([bought("email:new@x.example", "phone:+19494572000")])
    finally:
        parts.pipeline._stored = whole
    rig.check()
    assert [change.entered for _, change in rig.memberships.changes(cohort, None, 10)] == [True]


def test_it_waits_for_a_catalog(parts: Parts) -> None:
    """The engine may be there before the gateway made the catalog, or brought it to this version."""
    rig = Rig(parts, plan())
    rig.define(NEVER_LEFT)
    rig.send([bought("email:a@x.example")])
    rig.check()
    (cohort,) = rig.cohorts

    class Late(Settled):
        there = 0

        def revision(self) -> int:
            return self.there

        def ever(self, workspace: str) -> Any:
            return self.signals_of(workspace) if self.there else {}

    catalog = Late(rig.workspace, SIGNALS, (), 100)
    live = Live(parts.reader, parts.store, parts.state, rig.people, catalog, rig.mine, lambda: rig.now)  # type: ignore[arg-type]
    stop = threading.Event()
    thread = threading.Thread(target=live.run, args=(stop,))
    thread.start()
    try:
        assert not live.figures().ready
        catalog.there = 1
        until(lambda: live.figures().ready, 30, "it has begun")
        assert live.size(cohort) == 1
    finally:
        stop.set()
        live.wake()
        thread.join()


def test_a_command_that_nobody_waits_for_is_not_carried_out(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(parts, plan())
    monkeypatch.setattr("headwater.live.follower.ANSWER_SECONDS", 0.1)
    definition = parse(NEVER_LEFT, rig.catalog.signals_of(""))
    cohort = Cohort(new_id("coh"), rig.workspace, "late", NEVER_LEFT, rig.now)
    with pytest.raises(Exception, match="takes longer"):
        rig.live.define(cohort, definition)  # nobody steps
    rig.live.step()
    assert rig.live.figures().cohorts == 0


def test_cursors_that_pass_over_the_other_lane_are_followed(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the members would be called as old as the last block for good."""
    rig = Rig(parts, plan())
    rig.define(NEVER_LEFT)
    small = structs.replace(parts.pipeline._settings, segment_bytes=4)
    monkeypatch.setattr(parts.pipeline, "_settings", small)
    rig.send([bought("email:b@x.example")])
    rig.now += 1
    rig.live.step()
    assert rig.live.as_of() == rig.now


TWICE = {"subject": "person", "where": {"performed": "bought", "count": {">=": 2}}}
BOB, DEVICE = "email:bob@x.example", "phone:+19494572009"


def test_who_is_dropped_takes_nothing_of_others_along(parts: Parts) -> None:
    """An event of Bob's that names the one who is dropped was told to Bob already."""
    rig = Rig(parts, plan())
    rig.define(TWICE)
    rig.define(NEVER_LEFT)
    twice, never_left = rig.cohorts
    rig.send([bought(BOB, DEVICE)])
    rig.check()
    rig._command(lambda: rig.live.drop(rig.workspace, [DEVICE]))
    rig.live.step()
    assert (rig.live.size(twice), rig.live.size(never_left)) == (0, 1)
    assert rig.live.differences(rig.workspace) == []


def test_nobody_is_dropped_before_what_was_stored_is_taken_in(parts: Parts) -> None:
    rig = Rig(parts, plan())
    rig.define(NEVER_LEFT)
    ahead = {lane: structs.replace(cursor, position=1 << 50) for lane, cursor in rig.live._cursors.items()}
    with pytest.raises(UnavailableError):
        rig.live._drop(rig.workspace, [BOB], (), ahead)


def test_a_workspace_that_is_made_anew_twice_is_as_of_before_until_it_is(parts: Parts) -> None:
    rig = Rig(parts, plan())
    rig.define(NEVER_LEFT)
    rig.send([bought(BOB)])
    rig.check()
    before = rig.live.as_of(rig.workspace)
    rig.live._rebuild(rig.workspace, "backfill")
    rig.now += 10
    rig.live._rebuild(rig.workspace, "backfill")  # while it is under way: once more
    steps = 0
    while rig.workspace in rig.live._rebuilding:
        assert rig.live.as_of(rig.workspace) == before
        rig.live.step()
        steps += 1
    assert steps > 1
    rig.live.step()
    assert rig.live.as_of(rig.workspace) == rig.now
    assert rig.live.size(next(iter(rig.cohorts))) == 1


def test_what_is_held_while_a_workspace_is_made_anew_is_seen_by_nobody(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(parts, plan())
    rig.define(NEVER_LEFT)
    (cohort,) = rig.cohorts
    monkeypatch.setattr(Rebuilding, "is_done", lambda self: False)
    rig.live._rebuild(rig.workspace, "backfill")
    rig.catalog.turned = frozenset({"bf_BBBBBBBB"})
    parts.send(rig.workspace, Sent(rig.now, (BOB,), "bought", backfill="bf_BBBBBBBB"), received_ms=rig.now)
    parts.drain()
    rig.live.step()
    assert rig.live.size(cohort) == 0
    assert rig.memberships.changes(cohort, None, 10) == []


HOUR = 3_600_000
RECENT = {"subject": "person", "where": {"performed": "bought", "within": "2h"}}


@pytest.mark.parametrize("ahead", [HOUR, 3 * HOUR])
def test_a_clock_that_was_ahead_for_hours_is_followed_back(parts: Parts, ahead: int) -> None:
    """Else cohorts would stand still for as long; who left since it was ahead is there again, and what was dated by
    it counts once it is so late."""
    rig = Rig(parts, plan())
    rig.define(RECENT)
    rig.send([bought(BOB)])
    rig.check()
    rig.now += ahead
    rig.send([bought(DEVICE)])
    rig.check()
    rig.now -= ahead
    rig.live.step()
    assert rig.live.as_of(rig.workspace) <= rig.now, "an answer as of a time that is yet to come"
    rig.check()
    (cohort,) = rig.cohorts
    assert [member.identity for member in rig.memberships.members(cohort)] == [BOB]
    rig.now += ahead
    rig.check()
    assert rig.live.differences(rig.workspace) == []


def test_a_clock_that_is_set_back_by_a_moment_brings_nobody_back(parts: Parts) -> None:
    rig = Rig(parts, plan())
    rig.define(RECENT)
    rig.send([bought(BOB)])
    rig.now += 2 * HOUR
    rig.check()
    rig.now -= 500
    rig.live.step()
    (cohort,) = rig.cohorts
    assert rig.live.size(cohort) == 0 and not rig.live._rebuilding
