"""`GET /v1/live` of a running headwater: what comes in is on its people's screens in two seconds, and on no others."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness import Server, Workspace, running, until
from headwater.web.patience import STALL_SECONDS
from headwater.web.proxy import STREAMS, STREAMS_EACH
from watching import Watch, watching
from wire.languages import BIGMIND, BIK, SIGNAL

SOON = 2.0
"""Seconds."""


@pytest.fixture
def watched(workspace: Workspace) -> Workspace:
    """A workspace with a Bigmind signal that quarantines, and has a schema."""
    made = workspace.client.post("/v1/signals", json={"name": SIGNAL, "type": "event", "rate_limit": None})
    assert made.status_code == 201, made.text
    schema = {"type": "object", "properties": {"page": {"type": "string"}}}
    assert workspace.client.post(f"/v1/signals/{SIGNAL}/versions", json={"schema": schema}).status_code == 201
    return workspace


def watching_of(workspace: Workspace, query: str = "") -> Any:
    return watching(workspace.server, workspace.key, query)


def bigmind(workspace: Workspace, *events: dict[str, Any]) -> list[str]:
    """Sends them; their ids."""
    answer = workspace.client.post(BIGMIND.batch, content=BIGMIND.batch_of(*events))
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["data"]]


def bik(workspace: Workspace, *events: dict[str, Any]) -> int:
    answer = workspace.client.post(BIK.batch, content=BIK.batch_of(*events))
    assert answer.status_code == 200, answer.text
    return len(events)


def test_events_of_both_dialects_are_shown_soon_with_their_outcome(watched: Workspace) -> None:
    with watching_of(watched) as watch:
        assert watch.headers["content-type"].startswith("text/event-stream")
        assert watch.headers["cache-control"] == "no-store"
        began = time.monotonic()
        fine, bad = bigmind(watched, BIGMIND.event(data={"page": "/"}), BIGMIND.event(data={"page": 5}))
        bik(watched, BIK.event(phoneNumber="+19494572000"))
        watch.until(lambda watch: len(watch.events) == 3)
        assert time.monotonic() - began < SOON
        shown = dict(watch.events)
    assert (shown[fine]["status"], shown[fine]["reason"], shown[fine]["dialect"]) == ("processed", None, "bigmind")
    assert (shown[bad]["status"], shown[bad]["reason"]) == ("rejected", "schema_violation")
    (third,) = (event for id_, event in shown.items() if id_ not in (fine, bad))
    assert third["dialect"] == "bik" and third["signal"] == "pageViewed" and third["lane"] == "realtime"
    identities = [{"type": "email", "id": "test@bik.ai"}, {"type": "phone", "id": "+19494572000"}]
    assert third["identities"] == identities
    for event in shown.values():
        answer = watched.client.get(f"/v1/events/{event['id']}").json()
        assert {name: answer[name] for name in event} == event, "as it is answered elsewhere"


def test_filters(watched: Workspace) -> None:
    queries = [
        f"?signal={SIGNAL}",
        "?status=rejected",
        "?lane=migration",
        "?identity=email:%20A@bik.ai",
        "?identity=phone:+19494572000",
        f"?signal={SIGNAL}&status=processed",
    ]
    with ExitStack() as stack:
        watches = [stack.enter_context(watching_of(watched, query)) for query in queries]
        unfiltered = stack.enter_context(watching_of(watched))
        fine, bad = bigmind(watched, BIGMIND.event(), BIGMIND.event(data={"page": 5}))
        one = BIK.event(email="a@bik.ai")
        bik(watched, one, {**one, "isMigration": True}, BIK.event(phoneNumber="+19494572000"))
        unfiltered.until(lambda watch: len(watch.events) == 5)
        time.sleep(0.5)
        of_a = {
            id_
            for id_, event in unfiltered.events.items()
            if {"type": "email", "id": "a@bik.ai"} in event["identities"]
        }
        phoned = {id_ for id_, event in unfiltered.events.items() if len(event["identities"]) == 2}
        migrated = {id_ for id_, event in unfiltered.events.items() if event["lane"] == "migration"}
        assert (len(of_a), len(phoned), len(migrated)) == (2, 1, 1)
        wanted = [{fine, bad}, {bad}, migrated, of_a, phoned, {fine}]
        assert [set(watch.events) for watch in watches] == wanted
        assert [watch.matched for watch in watches] == [len(each) for each in wanted]


@pytest.mark.parametrize(
    "query", ["?status=odd", "?lane=fast", "?identity=ada", "?signal=", "?page=2", "?lane=realtime&lane=migration"]
)
def test_what_is_asked_wrongly_is_refused(workspace: Workspace, query: str) -> None:
    answer = workspace.client.get(f"/v1/live{query}")
    assert answer.status_code == 400 and answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["path"] == query[1:].split("=")[0]


def test_who_may_not_read_may_not_watch(workspace: Workspace) -> None:
    made = workspace.client.post("/v1/keys", json={"name": "sender", "scopes": ["ingest"]}).json()
    with workspace.server.client(made["key"]) as client:
        assert client.get("/v1/live").status_code == 403
    assert httpx.get(f"{workspace.server.url}/v1/live", trust_env=False).status_code == 401


def test_head_and_other_methods(workspace: Workspace) -> None:
    answer = workspace.client.head("/v1/live")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
    assert workspace.client.post("/v1/live", json={}).status_code == 405
    assert workspace.client.get("/v1/live/x").status_code == 404


def test_a_replayed_event_is_shown_with_its_new_outcome(watched: Workspace) -> None:
    with watching_of(watched) as watch:
        (bad,) = bigmind(watched, BIGMIND.event(data={"page": 5}))
        watch.until(lambda watch: watch.events.get(bad, {}).get("status") == "rejected")
        schema = {"type": "object"}
        assert watched.client.post(f"/v1/signals/{SIGNAL}/versions", json={"schema": schema}).status_code == 201
        outcome = watched.client.post("/v1/rejected/replay", json={"filter": {}}).json()
        assert outcome["replayed"] == 1, outcome
        watch.until(lambda watch: watch.events[bad]["status"] == "processed")
        watch.until(lambda watch: watch.total("processed") == 1)
        assert (watch.total("accepted"), watch.total("rejected")) == (1, 1)


def test_nobody_sees_another_workspace(watched: Workspace, server: Server) -> None:
    stranger = server.client().post("/v1/workspaces", json={"name": f"stranger to {watched.id}"}).json()
    with watching(server, stranger["api_key"]) as theirs, watching_of(watched) as mine:
        bigmind(watched, *[BIGMIND.event(data={"page": 5})] * 10)
        bik(watched, *[BIK.event()] * 10)
        mine.until(lambda watch: watch.total("processed") == watch.total("rejected") == 10)
        time.sleep(1.5)
        assert theirs.matched == 0 and not theirs.events
        for point in theirs.points:
            assert not any(count for lane in point["lanes"].values() for count in lane.values()), point
        assert not any(lane["backlog"] for tick in theirs.of("tick") for lane in tick["lanes"])


def test_points_add_up_to_what_was_sent_whoever_begins_to_watch_when(watched: Workspace) -> None:
    with ExitStack() as stack:
        watches = [stack.enter_context(watching_of(watched))]
        for number in range(12):
            bik(watched, *[BIK.event()] * 50, {**BIK.event(), "isMigration": True})
            bik(watched, *[BIK.event(createdAt="2020-01-01T00:00:00Z")] * 5)
            time.sleep(0.25)
            if number % 5 == 2:
                watches.append(stack.enter_context(watching_of(watched)))
        for watch in watches:
            watch.until(lambda watch: watch.total("processed") + watch.total("rejected") == 12 * 55)
            assert (watch.total("accepted"), watch.total("processed"), watch.total("rejected")) == (660, 600, 60)
            migrated = [watch.total(what, "migration") for what in ("accepted", "processed", "rejected")]
            watch.until(lambda watch: watch.total("processed", "migration") == 12)
            assert watch.total("accepted", "migration") == 12, migrated
            moments = [point["at"] for point in watch.points]
            assert moments == sorted(set(moments))
            assert watch.until(lambda watch: watch.points[-1]["lanes"]["realtime"])["backlog"] == 0
        assert watches[0].matched == 672
        assert all(tick["shown"] == len(tick["events"]) <= 40 for tick in watches[0].of("tick"))


def test_ticks_come_four_times_a_second_and_points_each(workspace: Workspace) -> None:
    with watching_of(workspace) as watch:
        time.sleep(5)
        assert 17 <= len(watch.of("tick")) <= 21
        assert 4 <= len(watch.of("point")) <= 6
        (hello,) = watch.of("hello")
        assert hello["step_seconds"] == 1 and len(hello["points"]) <= 900


def test_a_revoked_key_watches_no_longer(workspace: Workspace) -> None:
    made = workspace.client.post("/v1/keys", json={"name": "leaving", "scopes": ["read"]}).json()
    with watching(workspace.server, made["key"]) as watch:
        assert workspace.client.delete(f"/v1/keys/{made['id']}").status_code in (200, 204)
        assert watch.ended.wait(15)
    assert watch.status == 200
    with workspace.server.client(made["key"]) as client:
        assert client.get("/v1/live").status_code == 401


# --- servers of the test's own ---------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    with running(Server(tmp_path / "data")) as server:
        yield server


def keys_of(server: Server, count: int) -> list[str]:
    with server.client() as client:
        made = [client.post("/v1/workspaces", json={"name": f"w{number}"}).json() for number in range(count)]
    return [each["api_key"] for each in made]


def refusal(server: Server, key: str) -> httpx.Response:
    with server.client(key) as client:
        answer = client.get("/v1/live")
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
    assert answer.headers["content-type"] == "application/problem+json"
    return answer


def test_streams_are_bounded_and_others_do_not_notice(own: Server) -> None:
    keys = keys_of(own, STREAMS // STREAMS_EACH + 1)
    with ExitStack() as stack:
        watches: list[Watch] = []
        for key in keys[:-1]:
            watches += [stack.enter_context(watching(own, key)) for _ in range(STREAMS_EACH)]
            refusal(own, key)
        assert len(watches) == STREAMS and not any(watch.ended.is_set() for watch in watches)
        refusal(own, keys[-1])
        with own.client() as client:
            began = time.monotonic()
            assert client.get("/v1/events").status_code == 200, "a question takes none of their places"
            assert time.monotonic() - began < SOON
        time.sleep(1)
        assert all(watch.of("tick") for watch in watches)

    def again() -> bool:
        with watching(own, keys[-1]) as watch:
            return watch.status == 200

    until(again, 5, "places are given back")


def test_an_engine_that_dies_ends_the_stream_and_one_can_come_back(own: Server) -> None:
    with own.client() as client, watching(own) as watch:
        own.kill_engine()
        assert watch.ended.wait(5)
        answer = client.get("/v1/live")
        assert answer.status_code == 503 and answer.headers["retry-after"]
        assert answer.headers["content-type"] == "application/problem+json"
        own.wait_engine()
        with watching(own) as after:
            assert client.post(BIK.batch, content=BIK.batch_of(BIK.event())).status_code == 200
            after.until(lambda watch: len(watch.events) == 1)
    assert "Traceback" not in own.log(), own.log()


def test_a_stop_waits_for_no_stream(own: Server) -> None:
    with watching(own) as watch:
        began = time.monotonic()
        assert own.stop() == 0
        assert time.monotonic() - began < 8
        assert watch.ended.wait(1)
    assert "Traceback" not in own.log(), own.log()


def unread(server: Server, key: str) -> list[socket.socket]:
    """Streams that nobody reads, all but one of those that a workspace may have."""
    request = f"GET /v1/live HTTP/1.1\r\nHost: headwater\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    some = [socket.socket() for _ in range(STREAMS_EACH - 1)]
    for each in some:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        each.connect(("127.0.0.1", server.port))
        each.sendall(request)
    return some


def test_clients_that_read_nothing_are_cut_and_take_no_memory(own: Server) -> None:
    """Whether much happens or nothing does, while one who reads is not cut."""
    quiet, busy = keys_of(own, 2)
    event = BIK.event(eventProperties={"text": "x" * 100}, email=f"{'a' * 60}@bik.ai", phoneNumber="+19494572000")
    with watching(own, quiet) as one, watching(own, busy) as other:
        before = own.resident("gateway"), own.resident("engine")
        held = unread(own, quiet) + unread(own, busy)
        time.sleep(1)
        refusal(own, quiet)
        refusal(own, busy)
        with own.client(busy) as client:
            for _ in range(4 * (STALL_SECONDS + 15)):
                assert client.post(BIK.batch, content=BIK.batch_of(*[event] * 50)).status_code == 200
                time.sleep(0.25)

        def again(key: str) -> bool:
            with watching(own, key) as watch:
                return watch.status == 200

        for key in (quiet, busy):
            until(lambda key=key: again(key), 20, "their places are given back")  # type: ignore[misc]
        after = own.resident("gateway"), own.resident("engine")
        print("MiB of gateway and engine before and after:", before, after)
        assert after[0] - before[0] < 40
        assert not one.ended.is_set() and not other.ended.is_set()
    for each in held:
        each.close()
    assert "Traceback" not in own.log(), own.log()
