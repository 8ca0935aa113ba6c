"""The thread behind live cohorts: when it begins, what it waits for, and in which order it takes things in."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from msgspec import structs

from harness import until
from headwater.live.live import Live
from headwater.rules.grammar import parse
from headwater.rules.ids import new_id
from headwater.state.base import Link
from headwater.state.cohorts import Cohort
from live.test_moving_clock import Rig, Settled
from parts import Parts, running_parts
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
