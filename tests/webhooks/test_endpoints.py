"""Webhooks and what they follow, in this process: bounds, pages, what is told from when on."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from headwater.clock import now_ms
from headwater.errors import ConflictError, UnavailableError
from headwater.state.cohorts import Change, Cohort
from headwater.state.cohorts_sqlite import SqliteMemberships
from headwater.state.webhooks import Attempt, Message, Place, Turn, Webhook
from headwater.state.webhooks_sqlite import SqliteOutbox
from headwater.webhooks import endpoints, sources
from headwater.webhooks.endpoints import Endpoints
from headwater.webhooks.follower import Follower
from headwater.webhooks.sources import Changes, Found

WORKSPACE, COHORT, OTHER = "ws_abcdefgh", "coh_00000001", "coh_00000002"
HOOK = "https://198.41.0.4/hook"


class Broken:
    """A source that cannot be read now."""

    events = frozenset((sources.REJECTED,))

    def here(self, workspace: str, place: Place) -> tuple[Place, Sequence[str]]:
        return place, ()

    def read(self, webhook: Webhook, now: int) -> Found:
        raise UnavailableError("the store is away")


class Desk:
    def __init__(self, directory: Path) -> None:
        self.memberships = SqliteMemberships(directory / "cohorts.db")
        self.outbox = SqliteOutbox(directory / "webhooks.db")
        self.follower = self.following(lambda _, each: (each,))
        self.endpoints = Endpoints(self.outbox, self.memberships, self.follower, (), lambda: None)
        self.memberships.add(Cohort(COHORT, WORKSPACE, "all", {}, 1))
        self.memberships.add(Cohort(OTHER, WORKSPACE, "others", {}, 1))
        self.people = 0

    def following(self, connected: Callable[[str, str], Sequence[str]]) -> Follower:
        return Follower(self.outbox, [Broken(), Changes(self.memberships, connected)], lambda: None)

    def enter(self, count: int = 1, cohort: str = COHORT) -> None:
        ids = [f"email:{number}@x.example" for number in range(self.people, self.people + count)]
        self.people += count
        self.memberships.apply([Change(cohort, each, now_ms(), True, "event") for each in ids])

    def leave(self, person: int, cohort: str = COHORT) -> None:
        self.memberships.apply([Change(cohort, f"email:{person}@x.example", now_ms(), False, "event")])

    def look(self) -> None:
        with suppress(UnavailableError):  # of the one source, when all were read
            self.follower.look()

    def waiting(self, id: str) -> int:
        return self.outbox.pending(id)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.outbox.close()
    desk.memberships.close()


def test_there_are_so_many_and_no_more(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MOST", 3)
    ids = [desk.endpoints.create(WORKSPACE, HOOK, ["cohort.left"]).id for _ in range(3)]
    with pytest.raises(ConflictError):
        desk.endpoints.create(WORKSPACE, HOOK, ["cohort.left"])
    desk.endpoints.create("ws_zyxwvuts", HOOK, ["cohort.left"])
    first = desk.endpoints.list(WORKSPACE, 2, None)
    rest = desk.endpoints.list(WORKSPACE, 2, first.next)
    assert {each.id for each in (*first.data, *rest.data)} == set(ids) and rest.next is None


def test_a_source_that_fails_holds_up_no_other_and_each_change_makes_one_delivery(desk: Desk) -> None:
    desk.enter()
    id_ = desk.endpoints.create(WORKSPACE, HOOK, ["cohort.entered"]).id
    desk.look()
    assert desk.waiting(id_) == 0, "what was before it is not told"
    desk.enter(3)
    with pytest.raises(UnavailableError):
        desk.follower.look()
    desk.look()
    assert desk.waiting(id_) == 3


def test_what_is_too_slow_is_read_no_further(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "CHANGES", 4)
    monkeypatch.setattr("headwater.webhooks.follower.MOST_PENDING", 6)
    id_ = desk.endpoints.create(WORKSPACE, HOOK, ["cohort.entered"]).id
    desk.enter(20)
    for _ in range(9):
        desk.look()
    assert desk.waiting(id_) == 8
    desk.outbox.skip(id_, desk.outbox.webhooks()[0].place)
    for _ in range(9):
        desk.look()
    assert desk.waiting(id_) == 8, "and goes on where it was"


def test_events_that_are_added_are_told_from_then_on(desk: Desk) -> None:
    id_ = desk.endpoints.create(WORKSPACE, HOOK, ["events.rejected"]).id
    desk.enter(2)
    desk.endpoints.update(WORKSPACE, id_, {"events": ["events.rejected", "cohort.entered"]})
    desk.enter()
    desk.look()
    assert desk.waiting(id_) == 1
    desk.endpoints.update(WORKSPACE, id_, {"description": "the same"})
    desk.enter()
    desk.look()
    assert desk.waiting(id_) == 2


def test_a_webhook_of_certain_cohorts_hears_of_no_other(desk: Desk) -> None:
    id_ = desk.endpoints.create(WORKSPACE, HOOK, ["cohort.entered"], [OTHER]).id
    desk.enter(2)
    desk.look()
    assert desk.waiting(id_) == 0
    desk.enter(cohort=OTHER)
    desk.look()
    assert desk.waiting(id_) == 1


@pytest.mark.parametrize("looks", [0, 1])
@pytest.mark.parametrize("after", [{"cohorts": []}, {"events": ["cohort.entered", "cohort.left"], "cohorts": [COHORT]}])
def test_what_it_is_set_to_holds_from_then_on(desk: Desk, after: dict[str, Any], looks: int) -> None:
    id_ = desk.endpoints.create(WORKSPACE, HOOK, ["cohort.entered"], [OTHER]).id
    desk.enter(3)
    desk.leave(0)
    desk.enter(cohort=OTHER)
    desk.leave(1)
    for _ in range(looks):
        desk.look()
    desk.endpoints.update(WORKSPACE, id_, after)
    desk.look()
    assert desk.waiting(id_) == 1, "what was before it is told as it was set then"
    desk.enter()
    desk.look()
    assert desk.waiting(id_) == 2


def test_what_was_not_for_it_before_it_was_paused_is_not_told_after(desk: Desk) -> None:
    id_ = desk.endpoints.create(WORKSPACE, HOOK, ["cohort.entered"], [OTHER]).id
    desk.enter(3)
    desk.look()
    desk.endpoints.update(WORKSPACE, id_, {"paused": True})
    desk.endpoints.update(WORKSPACE, id_, {"cohorts": []})
    desk.enter()
    desk.endpoints.update(WORKSPACE, id_, {"paused": False})
    desk.look()
    assert desk.waiting(id_) == 1


def test_what_lies_far_behind_is_told_as_it_was_set_up_to_what_may_wait(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "CHANGES", 3)
    monkeypatch.setattr("headwater.webhooks.follower.MOST_PENDING", 5)
    id_ = desk.endpoints.create(WORKSPACE, HOOK, ["cohort.entered"], [OTHER]).id
    desk.enter(7)
    desk.enter(4, OTHER)
    desk.endpoints.update(WORKSPACE, id_, {"cohorts": []})
    assert desk.waiting(id_) == 4
    desk.enter(3)
    desk.look()
    assert desk.waiting(id_) == 7


def test_an_engine_that_does_not_lead_any_more_tells_nothing(desk: Desk) -> None:
    def frozen(_: str, each: str) -> Sequence[str]:
        desk.look()  # meanwhile the next one tells it
        return (each,)

    id_ = desk.endpoints.create(WORKSPACE, HOOK, ["cohort.entered"]).id
    desk.enter()
    with suppress(UnavailableError):
        desk.following(frozen).look()
    desk.look()
    assert desk.waiting(id_) == 1


def test_a_webhook_that_goes_elsewhere_does_not_fail_there_yet(desk: Desk) -> None:
    id_ = desk.endpoints.create(WORKSPACE, HOOK, ["cohort.entered"]).id
    desk.enter()
    desk.look()
    (delivery,) = desk.outbox.due(now_ms(), 9)
    desk.outbox.record(delivery, Attempt(now_ms(), 1, 500, "answered 500"), Turn("pending", now_ms()))
    assert desk.endpoints.update(WORKSPACE, id_, {"description": "CRM"}).failing_since is not None
    assert desk.endpoints.update(WORKSPACE, id_, {"url": f"{HOOK}/new"}).failing_since is None


def test_the_file_is_its_owners_alone(desk: Desk, tmp_path: Path) -> None:
    desk.outbox.add(replace(_webhook(), id="wh_00000009"))
    desk.outbox.put("wh_00000009", [Message("msg_1", "ping", b"{}", 1)])
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.glob("webhooks.db*")}
    assert len(modes) == 3 and set(modes.values()) == {"0o600"}, modes


def _webhook() -> Webhook:
    return Webhook("wh_1", WORKSPACE, HOOK, ("cohort.left",), (), "", "whsec_x", 1, Place())
