"""What becomes of a delivery, with the time passed in."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from harness import until
from headwater.clock import DAY_MS
from headwater.errors import UnavailableError
from headwater.rules.address import networks
from headwater.rules.retries import schedule
from headwater.rules.signature import new_secret
from headwater.state.webhooks import Attempt, Delivery, Message, Pause, Place, Turn, Webhook
from headwater.state.webhooks_sqlite import SqliteOutbox
from headwater.webhooks import sender
from headwater.webhooks.request import Reply
from headwater.webhooks.sender import Sender, decided
from receiving import Got, receiving

NOW = 1_800_000_000_000
WEBHOOK = Webhook(
    id="wh_00000001",
    workspace="ws_abcdefgh",
    url="https://hooks.example/",
    events=("cohort.left",),
    cohorts=(),
    description="",
    secret="whsec_x",
    created_ms=NOW,
    place=Place(),
)
DELIVERY = Delivery(1, WEBHOOK.id, "msg_1", "cohort.left", b"{}", NOW, "pending", 0, None, NOW, None, None)
BROKEN = Reply(500, "answered 500")


def test_a_success_ends_it_and_a_410_ends_all() -> None:
    assert decided(WEBHOOK, DELIVERY, Reply(204, ""), NOW, 0.5) == (Turn("delivered"), None)
    assert decided(WEBHOOK, DELIVERY, Reply(410, "answered 410"), NOW, 0.5) == (Turn("failed"), "gone")


def test_a_ping_is_tried_once() -> None:
    assert decided(WEBHOOK, replace(DELIVERY, type="ping"), BROKEN, NOW, 0.5) == (Turn("failed"), None)


def test_after_a_day_of_failures_it_is_given_up_and_its_webhook_rests() -> None:
    delivery, webhook, now, attempts = DELIVERY, WEBHOOK, NOW, 0
    while True:
        turn, pause = decided(webhook, delivery, BROKEN, now, 0.5)
        attempts += 1
        webhook = replace(webhook, failing_ms=webhook.failing_ms or now)
        delivery = replace(delivery, attempts=attempts, first_ms=delivery.first_ms or now)
        if turn.status != "pending":
            break
        assert pause is None and turn.next_ms is not None
        now = turn.next_ms
    assert (turn, pause, now) == (Turn("failed"), "failing", NOW + DAY_MS)
    assert attempts == len(list(schedule()))


def test_where_others_are_taken_one_that_is_not_is_given_up_alone() -> None:
    delivery = replace(DELIVERY, attempts=14, first_ms=NOW - DAY_MS)
    assert decided(replace(WEBHOOK, failing_ms=NOW - 5), delivery, BROKEN, NOW, 0.5) == (Turn("failed"), None)


def test_a_webhook_does_not_rest_for_one_failure(tmp_path: Path) -> None:
    failing = replace(WEBHOOK, failing_ms=NOW - 10 * DAY_MS)
    for delivery in (DELIVERY, replace(DELIVERY, attempts=5, first_ms=NOW - DAY_MS // 2)):
        turn, pause = decided(failing, delivery, BROKEN, NOW, 0.5)
        assert (turn.status, pause) == ("pending", None)
    assert decided(failing, replace(DELIVERY, type="ping"), BROKEN, NOW, 0.5) == (Turn("failed"), None)


def test_a_receiver_may_ask_for_more_time() -> None:
    turn, _ = decided(WEBHOOK, DELIVERY, Reply(429, "answered 429", b"", "3600"), NOW, 0.5)
    assert turn == Turn("pending", NOW + 3_600_000)
    turn, _ = decided(WEBHOOK, DELIVERY, Reply(429, "answered 429", b"", "999999"), NOW, 0.5)
    assert turn == Turn("pending", NOW + DAY_MS)


@contextmanager
def sending(outbox: SqliteOutbox) -> Iterator[Sender]:
    stop = threading.Event()
    sender = Sender(outbox, networks(["127.0.0.1"]), lambda *_: None)
    thread = threading.Thread(target=sender.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield sender
    finally:
        stop.set()
        sender.wake()
        thread.join()
        outbox.close()


def fill(outbox: SqliteOutbox, url: str, id: str = WEBHOOK.id, count: int = 8) -> None:
    outbox.add(replace(WEBHOOK, id=id, url=url, secret=new_secret(), created_ms=len(outbox.webhooks())))
    outbox.put(id, [Message(f"msg_{id}_{at}", "cohort.left", b'{"type": "cohort.left"}', 0) for at in range(count)])


@pytest.mark.parametrize("fails", [False, True])
def test_many_slow_receivers_hinder_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    monkeypatch.setattr(sender, "MOST", 8)
    outbox, release = SqliteOutbox(tmp_path / "webhooks.db"), threading.Event()

    def slowly(_: Got) -> tuple[int, Mapping[str, str], bytes]:
        release.wait(15)
        return 200, {}, b""

    with receiving() as slow, receiving() as quick:
        slow.answer = slowly
        for at in range(9 if fails else 3):
            fill(outbox, slow.url, f"wh_0000000{at}")
            if fails:
                failed = replace(outbox.due(NOW, 1)[-1], number=0)
                outbox.record(failed, Attempt(0, 1, None, "no answer within 20 s"), Turn("pending", NOW))
        with sending(outbox) as started:
            until(lambda: len(slow.got()) >= 2, 12, "they have begun")
            fill(outbox, quick.url, "wh_00000009")
            started.wake()
            until(lambda: len({each.id for each in quick.got()}) == 8, 12, "all of the other one")
            assert len(slow.got()) <= (2 if fails else 7), "and they have not ended"
            release.set()


class Full(SqliteOutbox):
    """A disk on which nothing fits."""

    looks = 0
    fails = True

    def record(self, delivery: Delivery, attempt: Attempt, turn: Turn, pause: Pause | None = None) -> None:
        if self.fails:
            raise UnavailableError("webhooks: the file cannot be used now: the disk is full")
        super().record(delivery, attempt, turn, pause)

    def prune(self, before_ms: int, keep: int, most: int) -> int:
        self.looks += 1
        return 0


def test_what_cannot_be_written_down_is_not_sent_over_and_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_PRUNE_SECONDS", 0)
    monkeypatch.setattr(sender, "LOOK_SECONDS", 0.05)
    outbox = Full(tmp_path / "webhooks.db")
    with receiving() as receiver, monkeypatch.context() as patch:
        patch.setattr(sender, "FIRST_REST", 3600.0, raising=False)
        patch.setattr(sender, "LAST_REST", 3600.0, raising=False)
        fill(outbox, receiver.url)
        with sending(outbox):
            until(lambda: receiver.got(), 12, "it has begun")
            until(lambda seen=outbox.looks: outbox.looks > seen + 20, 60, "it has looked often since")
        ids = [each.id for each in receiver.got()]
        assert len(ids) == len(set(ids)), "none was sent again"


def test_once_it_can_be_written_down_all_of_it_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "FIRST_REST", 0.05)
    monkeypatch.setattr(sender, "LAST_REST", 0.1)
    outbox = Full(tmp_path / "webhooks.db")
    with receiving() as receiver:
        fill(outbox, receiver.url)
        with sending(outbox):
            until(lambda: len(receiver.got()) >= 6, 30, "some were tried again")
            outbox.fails = False
            until(lambda: not outbox.pending(WEBHOOK.id), 30, "all were delivered")


class Late(SqliteOutbox):
    """Tells what is due of a moment when a delivery was under way that has ended since."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.release = threading.Event()
        self.asked = 0

    def due(self, now_ms: int, most: int) -> Sequence[Delivery]:
        found = super().due(now_ms, most)
        self.asked += bool(found)
        if self.asked == 2 and found:
            self.release.set()
            until(lambda: self.delivery(WEBHOOK.id, found[0].id).status == "delivered", 30, "it is written down")  # type: ignore[union-attr]
            time.sleep(0.1)  # and its task has ended
        return found


def test_what_was_delivered_a_moment_ago_is_not_sent_again(tmp_path: Path) -> None:
    outbox = Late(tmp_path / "webhooks.db")

    def waiting(_: Got) -> tuple[int, Mapping[str, str], bytes]:
        outbox.release.wait(10)
        return 200, {}, b""

    with receiving() as receiver:
        receiver.answer = waiting
        outbox.add(replace(WEBHOOK, url=receiver.url, secret=new_secret()))
        outbox.put(WEBHOOK.id, [Message("msg_1", "cohort.left", b'{"type": "cohort.left"}', 0)])
        with sending(outbox) as started:
            until(lambda: outbox.asked >= 2 and not outbox.pending(WEBHOOK.id), 30, "it was delivered")
            outbox.put(WEBHOOK.id, [Message("msg_2", "cohort.left", b'{"type": "cohort.left"}', 0)])
            started.wake()
            until(lambda: not outbox.pending(WEBHOOK.id), 30, "and the next one")
        assert [each.id for each in receiver.got()] == ["msg_1", "msg_2"]
