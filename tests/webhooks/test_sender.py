"""What becomes of a delivery, with the time passed in."""

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from harness import until
from headwater.clock import DAY_MS
from headwater.rules.address import networks
from headwater.rules.retries import schedule
from headwater.rules.signature import new_secret
from headwater.state.webhooks import Delivery, Message, Place, Turn, Webhook
from headwater.state.webhooks_sqlite import SqliteOutbox
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


def test_a_receiver_may_ask_for_more_time() -> None:
    turn, _ = decided(WEBHOOK, DELIVERY, Reply(429, "answered 429", b"", "3600"), NOW, 0.5)
    assert turn == Turn("pending", NOW + 3_600_000)
    turn, _ = decided(WEBHOOK, DELIVERY, Reply(429, "answered 429", b"", "999999"), NOW, 0.5)
    assert turn == Turn("pending", NOW + DAY_MS)


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
    outbox, stop = Late(tmp_path / "webhooks.db"), threading.Event()
    attempted: list[str] = []
    sender = Sender(outbox, networks(["127.0.0.1"]), lambda outcome, _: attempted.append(outcome))

    def waiting(_: Got) -> tuple[int, Mapping[str, str], bytes]:
        outbox.release.wait(10)
        return 200, {}, b""

    with receiving() as receiver:
        receiver.answer = waiting
        outbox.add(replace(WEBHOOK, url=receiver.url, secret=new_secret()))
        outbox.put(WEBHOOK.id, [Message("msg_1", "cohort.left", b'{"type": "cohort.left"}', 0)])
        thread = threading.Thread(target=sender.run, args=(stop,), daemon=True)
        thread.start()
        until(lambda: outbox.asked >= 2 and not outbox.pending(WEBHOOK.id), 30, "it was delivered")
        outbox.put(WEBHOOK.id, [Message("msg_2", "cohort.left", b'{"type": "cohort.left"}', 0)])
        sender.wake()
        until(lambda: not outbox.pending(WEBHOOK.id), 30, "and the next one")
        stop.set()
        sender.wake()
        thread.join()
        assert [each.id for each in receiver.got()] == ["msg_1", "msg_2"] and attempted == ["success"] * 2
    outbox.close()
