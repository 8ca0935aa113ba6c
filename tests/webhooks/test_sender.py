"""What becomes of a delivery, with the time passed in."""

from msgspec.structs import replace

from headwater.clock import DAY_MS
from headwater.rules.retries import schedule
from headwater.state.webhooks import Delivery, Place, Turn, Webhook
from headwater.webhooks.request import Reply
from headwater.webhooks.sender import decided

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
