"""What every outbox promises."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from databases import Databases
from headwater.clock import DAY_MS
from headwater.errors import StartError
from headwater.state.webhook_tables import TableOutbox
from headwater.state.webhooks import Attempt, Delivery, Figures, Message, Outbox, Place, Turn, Webhook
from headwater.state.webhooks_moving import WebhooksMove
from headwater.state.webhooks_postgres import PostgresOutbox
from headwater.state.webhooks_sqlite import SqliteOutbox

WORKSPACE, OTHER = "ws_abcdefgh", "ws_zyxwvuts"
ADA, BOB = "email:ada@x.example", "email:bob@x.example"
NOW = 1_800_000_000_000


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.cluster)])
def adapter(request: pytest.FixtureRequest) -> Callable[[Path], Outbox]:
    if request.param == "sqlite":
        return SqliteOutbox
    databases = Databases(request.getfixturevalue("postgres"))
    return lambda path: PostgresOutbox(databases.url(path))


@pytest.fixture
def opened(adapter: Callable[[Path], Outbox], tmp_path: Path) -> Callable[[], Outbox]:
    return lambda: adapter(tmp_path / "webhooks.db")


@pytest.fixture
def outbox(opened: Callable[[], Outbox]) -> Iterator[Outbox]:
    outbox = opened()
    yield outbox
    outbox.close()


def made(outbox: Outbox, id: str = "wh_00000001", workspace: str = WORKSPACE, created_ms: int = NOW) -> Webhook:
    webhook = Webhook(
        id=id,
        workspace=workspace,
        url="https://hooks.example/a?b=c%20d",
        events=("cohort.entered", "events.rejected"),
        cohorts=("coh_1",),
        description="für alle",
        secret="whsec_x",
        created_ms=created_ms,
        place=Place(7, {"realtime": 3, "migration": 0}, 5),
    )
    outbox.add(webhook)
    return webhook


def message(id: str, *names: str, at_ms: int = NOW, event_id: str | None = None) -> Message:
    return Message(id, "cohort.entered", b'{"type":"\xc3\xbc\\u0000"}', at_ms, event_id, names)


def tried(outbox: Outbox, delivery: Delivery, error: str, turn: Turn, at_ms: int = NOW) -> None:
    outbox.record(delivery, Attempt(at_ms, 12, None if error else 200, error, b"\x00\xff"), turn)


def test_a_webhooks_life(outbox: Outbox, opened: Callable[[], Outbox]) -> None:
    first, second = made(outbox), made(outbox, "wh_00000002", OTHER, NOW + 1)
    assert outbox.webhooks() == [first, second]
    assert outbox.webhooks(OTHER) == [second] and outbox.webhooks("ws_nobodys") == []
    assert outbox.webhook(OTHER, first.id) is None
    changed = replace(first, url="https://b.example/", secret="whsec_y", old_secret="whsec_x", old_until_ms=NOW + 5)
    outbox.edit(changed)
    again = opened()
    assert again.webhook(WORKSPACE, first.id) == changed
    again.close()
    assert changed.secrets(NOW) == ("whsec_y", "whsec_x") and changed.secrets(NOW + 5) == ("whsec_y",)
    outbox.remove(first.id)
    assert outbox.webhooks() == [second]
    outbox.put(first.id, [message("msg_1")])
    assert outbox.figures() == Figures(1, 0, 0, None)


def test_messages_and_how_far_it_was_read_go_together(outbox: Outbox) -> None:
    webhook = made(outbox)
    place = Place(9, {"realtime": 4}, 6)
    outbox.put(webhook.id, [message("msg_1"), message("msg_2")], place, ["bf_1:closed"])
    # All or nothing: of two with the same id neither is there, and nothing was moved.
    with pytest.raises(Exception, match=r"(?i)unique|constraint"):
        outbox.put(webhook.id, [message("msg_3"), message("msg_2")], Place(99), ["bf_2:closed"])
    found = outbox.webhook(WORKSPACE, webhook.id)
    assert found is not None and found.place == place
    assert outbox.told(webhook.id) == {"bf_1:closed"}
    assert [each.id for each in outbox.due(NOW, 9)] == ["msg_1", "msg_2"]
    assert outbox.pending(webhook.id) == 2
    assert outbox.due(NOW - 1, 9) == []


def test_what_somebody_else_has_put_meanwhile_is_not_put_again(outbox: Outbox) -> None:
    webhook = made(outbox)
    assert outbox.put(webhook.id, [message("msg_1")], Place(9, {"realtime": 4}, 6), before=webhook.place)
    assert not outbox.put(webhook.id, [message("msg_2")], Place(8), before=webhook.place)
    found = outbox.webhook(WORKSPACE, webhook.id)
    assert found is not None and found.place == Place(9, {"realtime": 4}, 6)
    assert outbox.put(webhook.id, [message("msg_3")], None, ["bf_1:closed"], before=found.place)
    assert not outbox.put(webhook.id, [message("msg_4")], None, ["bf_2:closed", "bf_1:closed"], before=found.place)
    assert outbox.told(webhook.id) == {"bf_1:closed"}
    assert [each.id for each in outbox.due(NOW, 9)] == ["msg_1", "msg_3"]
    assert not outbox.put("wh_nobodys0", [message("msg_5")])


def test_attempts_turn_deliveries(outbox: Outbox) -> None:
    webhook = made(outbox)
    outbox.put(webhook.id, [message("msg_1"), message("msg_2")])
    one, two = outbox.due(NOW, 9)
    assert one.body == message("msg_1").body and one.first_ms is None
    tried(outbox, one, "answered 500", Turn("pending", NOW + 5000))
    tried(outbox, two, "", Turn("delivered"), NOW + 1)
    assert outbox.due(NOW + 4999, 9) == []
    (again,) = outbox.due(NOW + 5000, 9)
    assert (again.attempts, again.first_ms) == (1, NOW)
    found = outbox.webhook(WORKSPACE, webhook.id)
    assert found is not None and (found.failing_ms, found.delivered_ms) == (None, NOW + 13)
    tried(outbox, again, "answered 500", Turn("failed"), NOW + 5000)
    assert outbox.attempts(one.number) == [
        Attempt(NOW, 12, None, "answered 500", b"\x00\xff"),
        Attempt(NOW + 5000, 12, None, "answered 500", b"\x00\xff"),
    ]
    assert [each.id for each in outbox.deliveries(webhook.id, None, None, 9)] == ["msg_2", "msg_1"]
    assert [each.id for each in outbox.deliveries(webhook.id, "failed", None, 9)] == ["msg_1"]
    assert outbox.deliveries(webhook.id, None, two.number, 9) == outbox.deliveries(webhook.id, "failed", None, 9)
    found = outbox.webhook(WORKSPACE, webhook.id)
    assert found is not None and found.failing_ms == NOW + 5000


def test_one_that_rests_sends_pings_alone_and_goes_on_anew(outbox: Outbox) -> None:
    webhook = made(outbox)
    outbox.put(webhook.id, [message("msg_1"), Message("msg_2", "ping", b"{}", NOW)])
    one, ping = outbox.due(NOW, 9)
    outbox.record(one, Attempt(NOW, 1, 410, "answered 410"), Turn("pending", NOW + 9999), "gone")
    outbox.pause(webhook.id, "by_hand", NOW + 2)
    found = outbox.webhook(WORKSPACE, webhook.id)
    assert found is not None and (found.paused, found.paused_ms) == ("gone", NOW + 1)
    assert outbox.due(NOW + 9999, 9) == [ping]
    assert outbox.figures() == Figures(0, 1, 2, None)
    outbox.resume(webhook.id, NOW + 3)
    found = outbox.webhook(WORKSPACE, webhook.id)
    assert found is not None and (found.paused, found.failing_ms) == (None, None)
    again = outbox.due(NOW + 3, 9)
    assert [(each.id, each.attempts, each.first_ms) for each in again] == [("msg_1", 0, None), ("msg_2", 0, None)]
    assert outbox.skip(webhook.id, Place(50)) == 2
    assert outbox.due(NOW + 9999, 9) == [] and outbox.pending(webhook.id) == 0


def test_a_failed_ping_says_nothing_about_a_webhook_and_a_new_url_begins_anew(outbox: Outbox) -> None:
    webhook = made(outbox)
    outbox.put(webhook.id, [Message("msg_1", "ping", b"{}", NOW), message("msg_2")])
    ping, one = outbox.due(NOW, 9)
    tried(outbox, ping, "answered 500", Turn("failed"))
    assert outbox.webhook(WORKSPACE, webhook.id) == webhook
    tried(outbox, one, "answered 500", Turn("pending", NOW + 5))
    outbox.edit(webhook)
    assert outbox.webhook(WORKSPACE, webhook.id) == replace(webhook, failing_ms=NOW)
    outbox.edit(webhook, True)
    assert outbox.webhook(WORKSPACE, webhook.id) == webhook


def test_what_was_resumed_meanwhile_does_not_rest_again(outbox: Outbox) -> None:
    webhook = made(outbox)
    outbox.put(webhook.id, [message("msg_1")])
    (one,) = outbox.due(NOW, 9)
    tried(outbox, one, "answered 500", Turn("pending", NOW + DAY_MS))
    outbox.resume(webhook.id, NOW + DAY_MS)
    late = Attempt(NOW + DAY_MS, 12, 500, "answered 500")
    outbox.record(one, late, Turn("failed"), "failing")
    assert outbox.webhook(WORKSPACE, webhook.id) == replace(webhook, failing_ms=NOW + DAY_MS)
    outbox.record(one, replace(late, at_ms=NOW + 2 * DAY_MS), Turn("failed"), "failing")
    found = outbox.webhook(WORKSPACE, webhook.id)
    assert found is not None and found.paused == "failing"


def test_what_was_given_up_meanwhile_is_not_tried_again(outbox: Outbox) -> None:
    webhook = made(outbox)
    outbox.put(webhook.id, [message("msg_1"), message("msg_2")])
    one, two = outbox.due(NOW, 9)
    assert outbox.skip(webhook.id, webhook.place) == 2
    tried(outbox, one, "answered 500", Turn("pending", NOW + 5))
    tried(outbox, two, "", Turn("delivered"))
    assert outbox.due(NOW + 5, 9) == []
    shown = outbox.deliveries(webhook.id, None, None, 9)
    assert [(each.id, each.status, each.attempts, each.next_ms) for each in shown] == [
        ("msg_2", "delivered", 1, None),
        ("msg_1", "failed", 1, None),
    ]
    assert all(each.done_ms for each in shown)


def test_what_came_to_its_end_can_be_sent_again(outbox: Outbox) -> None:
    webhook = made(outbox)
    outbox.put(webhook.id, [message(f"msg_{at}", at_ms=NOW + at) for at in range(4)])
    for delivery, status in zip(outbox.due(NOW + 9, 9), ("failed", "failed", "delivered", "failed"), strict=True):
        tried(outbox, delivery, "" if status == "delivered" else "no", Turn(status))  # type: ignore[arg-type]
    assert outbox.replay_failed(webhook.id, NOW + 1, NOW + 50) == 2
    assert [each.id for each in outbox.due(NOW + 50, 9)] == ["msg_1", "msg_3"]
    assert outbox.replay(webhook.id, "msg_2", NOW + 40)
    assert [each.id for each in outbox.due(NOW + 40, 9)] == ["msg_2"]
    assert not outbox.replay(webhook.id, "msg_9", NOW) and not outbox.replay("wh_other000", "msg_0", NOW)


def test_who_is_erased_is_in_no_delivery(outbox: Outbox) -> None:
    webhook, elsewhere = made(outbox), made(outbox, "wh_00000002", OTHER)
    outbox.put(webhook.id, [message("msg_1", ADA, BOB, event_id="e1"), message("msg_2", ADA), message("msg_3", BOB)])
    outbox.put(elsewhere.id, [message("msg_4", ADA, event_id="e1")])
    one, two, three, four = sorted(outbox.due(NOW, 9), key=lambda each: each.id)
    tried(outbox, one, "", Turn("delivered"))
    assert [(of.id, each.id) for of, each in outbox.caused(WORKSPACE, "e1")] == [(webhook.id, "msg_1")]
    outbox.erase(WORKSPACE, [ADA, "email:nobody@x.example"])
    # It was on its way: what came of that is written down, without what was answered.
    tried(outbox, two, "answered 500", Turn("pending", NOW + 5))
    shown = {each.id: (each.status, each.body) for each in outbox.deliveries(webhook.id, None, None, 9)}
    body = message("x").body
    assert shown == {"msg_1": ("erased", b""), "msg_2": ("erased", b""), "msg_3": ("pending", body)}
    assert {each.answer for number in (one.number, two.number) for each in outbox.attempts(number)} == {b""}
    assert outbox.due(NOW + 9, 9) in ([three, four], [four, three])
    assert outbox.caused(WORKSPACE, "e1") == []
    assert not outbox.replay(webhook.id, "msg_1", NOW)
    assert outbox.wipe()


def test_the_log_is_bounded_by_time_and_number(outbox: Outbox) -> None:
    webhook = made(outbox)
    outbox.put(webhook.id, [message(f"msg_{at}", ADA) for at in range(6)])
    for at, delivery in enumerate(outbox.due(NOW, 5)):
        tried(outbox, delivery, "", Turn("delivered"), NOW + at)
    assert outbox.prune(NOW + 14, 100, 1) == 1 and outbox.prune(NOW + 14, 100, 9) == 1
    assert outbox.prune(0, 2, 9) == 1
    assert [each.id for each in outbox.deliveries(webhook.id, None, None, 9)] == ["msg_5", "msg_4", "msg_3"]
    outbox.remove(webhook.id)
    assert outbox.deliveries(webhook.id, None, None, 9) == []


def test_what_a_removal_left_that_was_cut_short_goes_later(
    outbox: Outbox, opened: Callable[[], Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = made(outbox)
    outbox.put(webhook.id, [message(f"msg_{at}") for at in range(3)])
    with monkeypatch.context() as patch:
        patch.setattr(TableOutbox, "_forget", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            outbox.remove(webhook.id)
    assert outbox.webhooks() == [] and outbox.due(NOW, 9) == []
    again = opened()
    assert [again.prune(0, 9, 2) for _ in range(3)] == [2, 1, 0]
    again.close()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["ok", "no", "late"])), max_size=30))
def test_every_delivery_is_in_one_state_at_a_time(outbox: Outbox, steps: list[tuple[int, str]]) -> None:
    webhook = made(outbox, f"wh_{random.getrandbits(40):08x}")
    outbox.put(webhook.id, [message(f"msg_{webhook.id}_{at}") for at in range(4)])
    now, open_ = NOW, {f"msg_{webhook.id}_{at}" for at in range(4)}
    for which, outcome in steps:
        now += 10
        due = [each for each in outbox.due(now, 9) if each.webhook == webhook.id]
        assert {each.id for each in due} == open_
        if which < len(due):
            turn = {"ok": Turn("delivered"), "no": Turn("failed"), "late": Turn("pending", now + 10)}[outcome]
            tried(outbox, due[which], "" if outcome == "ok" else "no", turn, now)
            open_ -= set() if outcome == "late" else {due[which].id}
    assert outbox.pending(webhook.id) == len(open_)
    assert len(outbox.deliveries(webhook.id, None, None, 9)) == 4
    outbox.remove(webhook.id)


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    SqliteOutbox(tmp_path / "webhooks.db").close()
    apsw.Connection(str(tmp_path / "webhooks.db")).execute("PRAGMA user_version = 99")
    with pytest.raises(StartError, match="newer headwater"):
        SqliteOutbox(tmp_path / "webhooks.db")


@pytest.mark.cluster
def test_a_file_moves_to_a_database_and_what_has_other_numbers_there_is_told_again(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres").database()
    file = SqliteOutbox(tmp_path / "webhooks.db")
    webhook = made(file)
    file.put(webhook.id, [message("msg_1", ADA), message("msg_2", BOB)], told=["bf_1:closed"])
    tried(file, file.due(NOW, 9)[0], "answered 500", Turn("pending", NOW + 5))
    file.close()
    move = WebhooksMove(url)
    assert move.is_empty()
    for _ in range(2):  # the second time over what the first one left
        move.run(tmp_path / "webhooks.db", tmp_path, Place(5, {"realtime": 9}))
    assert not move.is_empty()
    move.close()
    moved = PostgresOutbox(url)
    (found,) = moved.webhooks()
    assert found == replace(webhook, place=Place(5, {"realtime": 3, "migration": 0}, 5), failing_ms=NOW)
    assert [(each.id, each.attempts) for each in moved.due(NOW + 5, 9)] == [("msg_2", 0), ("msg_1", 1)]
    assert moved.told(webhook.id) == {"bf_1:closed"}
    moved.put(webhook.id, [message("msg_3")])
    moved.erase(WORKSPACE, [ADA])
    statuses = {each.id: each.status for each in moved.deliveries(webhook.id, None, None, 9)}
    assert statuses == {"msg_1": "erased", "msg_2": "pending", "msg_3": "pending"}
    moved.close()
