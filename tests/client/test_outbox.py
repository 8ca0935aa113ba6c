"""What goes together and when: by whatever is added and answered, in whatever order."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater_client import Event, Settings
from headwater_client.answers import Again, Refusal, Split, Taken, Verdict
from headwater_client.outbox import Batch, Item, Outbox

SMALL = Settings(batch_events=7, batch_bytes=1024, max_events=40, max_bytes=4096, interval=1, backoff_first=0.5)


def event(number: int, dialect: Any = "bigmind", size: int = 0, reference: str = "") -> Event:
    return Event(dialect, "s", b"%06d" % number + b"x" * size, reference or f"r{number}")


class World:
    """An outbox, its clock, and what is known of each event: nothing else may become of it."""

    def __init__(self) -> None:
        self.outbox = Outbox(SMALL, Random(1))
        self.now = 100.0
        self.number = 0
        self.inside: dict[Item, str] = {}
        """Accepted and not settled, with the key of the batch it is in; empty without one."""
        self.settled: Counter[Item] = Counter()
        self.flying: list[Batch] = []
        self.bodies: dict[str, bytes] = {}
        """By key: what was sent under it."""
        self.ended: set[str] = set()
        """Keys that were answered for good."""

    def add(self, dialect: str, size: int, reference: str, home: int) -> None:
        made = event(self.number, dialect, size, reference)
        self.number += 1
        if not self.outbox.has_room(len(made.body)):
            assert self.outbox.events == SMALL.max_events or self.outbox.bytes + len(made.body) > SMALL.max_bytes
            return
        item = Item(made, home)
        self.outbox.add(item, self.now)
        self.inside[item] = ""

    def take(self) -> None:
        due = self.outbox.due(self.now)
        batch = self.outbox.take(self.now, self.now + 1e9)
        assert (batch is not None) == (due == 0), "what is said to be due is handed out"
        if batch is None:
            return
        self.flying.append(batch)
        items, body = batch.items, batch.body()
        assert 1 <= len(items) <= SMALL.batch_events
        assert len(items) == 1 or len(body) <= SMALL.batch_bytes
        assert len({item.event.dialect for item in items}) == 1 and len({item.home for item in items}) == 1
        references = [item.event.reference for item in items]
        assert len(set(references)) == len(references)
        assert self.bodies.setdefault(batch.key, body) == body, "a key is always sent with the same body"
        assert batch.key not in self.ended
        for item in items:
            assert self.inside[item] in ("", batch.key), "in one batch at a time"
            self.inside[item] = batch.key

    def settle(self, which: int, verdict: str, part: int) -> None:
        batch = self.flying.pop(which % len(self.flying))
        count = len(batch.items)
        some = tuple(index for index in range(count) if (part >> index) & 1)
        said: Verdict = {
            "taken": Taken(),
            "again": Again("x", wait=part % 3, alone=bool(part & 1), slow=not part % 5),
            "split": Split(Refusal(0, "c", "", "")),
            "limited": Taken(limited=some, wait=part % 4),
            "refused": Taken(refused=tuple(Refusal(index, "c", "", "") for index in some)),
        }[verdict]
        back = self.outbox.settle(batch, said, self.now)
        if verdict == "again":
            assert back == ()
            return
        self.ended.add(batch.key)
        expected = [batch.items[index] for index in some] if verdict == "limited" else []
        expected = list(batch.items) if verdict == "split" and count > 1 else expected
        assert list(back) == expected
        for item in batch.items:
            if item in back:
                self.inside[item] = ""
            else:
                del self.inside[item]
                self.settled[item] += 1

    def check(self) -> None:
        assert self.outbox.events == len(self.inside) <= SMALL.max_events
        assert self.outbox.bytes == sum(item.size for item in self.inside) <= SMALL.max_bytes

    def drain(self) -> None:
        """Everything that was accepted comes out once the server takes it."""
        self.outbox.flushing = True
        for _ in range(10_000):
            while self.flying:
                self.settle(0, "taken", 0)
                self.check()
            due = self.outbox.due(self.now)
            if due is None:
                break
            self.now += due
            self.take()
        assert not self.inside and not self.outbox.events
        assert set(self.settled.values()) <= {1}


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"),
            st.sampled_from(("bigmind", "bik")),
            st.sampled_from((0, 10, 300, 1500)),
            st.sampled_from(("", "", "", "same")),
            st.sampled_from((0, 0, 0, 1)),
        ),
        st.just(("take",)),
        st.tuples(
            st.just("settle"),
            st.integers(0, 9),
            st.sampled_from(("taken", "again", "split", "limited", "refused")),
            st.integers(0, 127),
        ),
        st.tuples(st.just("pass"), st.sampled_from((0.0, 0.1, 1.0, 100.0))),
    ),
    max_size=120,
)


def play(world: World, kind: str, *more: Any) -> None:
    if kind == "add":
        world.add(*more)
    elif kind == "take":
        world.take()
    elif kind == "settle" and world.flying:
        world.settle(*more)
    elif kind == "pass":
        world.now += more[0]


@settings(max_examples=300)
@given(STEPS)
def test_nothing_is_lost_doubled_or_over_a_bound(steps: list[Any]) -> None:
    world = World()
    for step in steps:
        play(world, *step)
        world.check()
    world.drain()


@settings(max_examples=100)
@given(STEPS)
def test_what_is_cleared_is_all_that_was_not_settled(steps: list[Any]) -> None:
    world = World()
    for step in steps:
        play(world, *step)
    cleared = world.outbox.clear()
    assert Counter(cleared) == Counter(world.inside.keys())
    assert (world.outbox.events, world.outbox.bytes, world.outbox.due(world.now)) == (0, 0, None)
    assert not any(world.outbox.is_flying(batch) for batch in world.flying)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_events_keep_their_order(sizes: list[int]) -> None:
    outbox = Outbox(Settings(batch_events=7, batch_bytes=1024))
    for number, size in enumerate(sizes):
        outbox.add(Item(event(number, size=size)), 0.0)
    bodies = []
    while batch := outbox.take(1.0, 1.0):
        bodies += [item.event.body for item in batch.items]
    assert bodies == sorted(bodies) and len(bodies) == len(sizes)


def filled(count: int, **more: Any) -> Outbox:
    outbox = Outbox(Settings(batch_events=10, **more), Random(1))
    for number in range(count):
        outbox.add(Item(event(number)), 0.0)
    return outbox


def test_a_batch_goes_when_it_is_full_or_its_first_event_has_waited() -> None:
    outbox = filled(13, interval=2.0)
    assert outbox.due(0.0) == 0 and len(outbox.take(0.0, 0.0).items) == 10  # type: ignore[union-attr]
    assert outbox.take(0.0, 0.0) is None and outbox.due(0.5) == 1.5
    assert len(outbox.take(2.0, 0.0).items) == 3  # type: ignore[union-attr]
    assert outbox.due(2.0) is None


def test_a_batch_goes_when_it_has_enough_bytes() -> None:
    outbox = Outbox(Settings(batch_bytes=1024, interval=60))
    for number in range(3):
        outbox.add(Item(event(number, size=400)), 0.0)
        assert (outbox.take(0.0, 0.0) is not None) == (number == 2)


def test_what_fails_waits_longer_each_time_and_never_longer_than_the_most() -> None:
    outbox = filled(10, backoff_first=1.0, backoff_most=20.0)
    now, waits = 0.0, []
    for _ in range(200):
        batch = outbox.take(now, now)
        assert batch is not None
        outbox.settle(batch, Again("HTTP 503"), now)
        wait = outbox.due(now)
        assert wait is not None
        waits.append(wait)
        now += wait
    assert all(wait <= 2.0 * 2**tries for tries, wait in enumerate(waits)) and max(waits) <= 20
    assert max(waits[:2]) < 4 < max(waits[10:]) and min(waits[10:]) < 5, "full jitter: anywhere up to the bound"


def test_a_server_that_fails_gets_no_other_batch_meanwhile() -> None:
    outbox = filled(100, backoff_first=1.0)
    batch = outbox.take(0.0, 0.0)
    assert batch is not None
    outbox.settle(batch, Again("HTTP 503", wait=5), 0.0)
    assert outbox.take(4.9, 0.0) is None and (outbox.due(0.0) or 0) >= 5
    assert outbox.take(60.0, 0.0) is not None


def test_one_batch_that_cannot_pass_holds_up_no_other() -> None:
    outbox = filled(100, backoff_first=0.1, backoff_most=1000)
    poison = outbox.take(0.0, 0.0)
    assert poison is not None
    now, passed = 0.0, 0
    batch: Batch | None = poison
    for _ in range(40):
        if batch is poison:
            outbox.settle(batch, Again("HTTP 500"), now)
        elif batch is not None:
            outbox.settle(batch, Taken(), now)
            passed += 1
        now += outbox.due(now) or 0
        batch = outbox.take(now, now)
    assert passed == 9


def test_a_wrong_key_is_tried_again_slowly() -> None:
    outbox = filled(10, backoff_first=0.1, backoff_most=60)
    batch = outbox.take(0.0, 0.0)
    assert batch is not None
    outbox.settle(batch, Again("HTTP 401", slow=True), 0.0)
    assert 30 <= (outbox.due(0.0) or 0) <= 60


def test_limited_events_go_first_once_their_time_has_come() -> None:
    outbox = filled(30, backoff_first=0.0)
    batch = outbox.take(0.0, 0.0)
    assert batch is not None
    limited = batch.items[8:]
    assert outbox.settle(batch, Taken(limited=(8, 9), wait=30), 0.0) == limited
    following = outbox.take(0.0, 0.0)
    assert following is not None and not set(following.items) & set(limited)
    again = outbox.take(30.0, 0.0)
    assert again is not None and again.items[:2] == limited and again.key != batch.key


def test_halves_go_on_until_one_event_is_alone() -> None:
    """Of a hundred, one is to blame: found in 2 log2(100) requests, and the others arrive."""
    outbox = Outbox(Settings(), Random(1))
    for number in range(100):
        outbox.add(Item(event(number)), 0.0)
    taken, refused, requests = 0, [], 0
    while batch := outbox.take(10.0, 0.0):
        requests += 1
        if any(item.event.reference == "r42" for item in batch.items):
            outbox.settle(batch, Split(Refusal(0, "invalid", "", "")), 10.0)
            refused = [item.event.reference for item in batch.items]
        else:
            outbox.settle(batch, Taken(), 10.0)
            taken += len(batch.items)
    assert (taken, refused) == (99, ["r42"]) and requests <= 15 and outbox.events == 0


def test_what_was_left_by_another_process_keeps_its_key() -> None:
    outbox, batch = Outbox(Settings(interval=60)), Batch((Item(event(1)),), "kept", 5.0, unknown=True, begun=True)
    outbox.restore([batch], [Item(event(2))], 100.0)
    first, second = outbox.take(100.0, 9.0), outbox.take(100.0, 9.0)
    assert first is batch and (batch.key, batch.formed) == ("kept", 5.0)
    assert second is not None and second.items[0].event.reference == "r2" and second.formed == 9.0


@pytest.mark.parametrize("name", ["batch_events", "batch_bytes", "max_events", "concurrency", "timeout"])
def test_settings_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Settings(**{name: 0})
