"""The client of threads, against the fake."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest

from harness import until
from headwater_client import (
    Client,
    ClosedError,
    Dropped,
    Event,
    FullError,
    Refused,
    Settings,
    SettingsError,
    bik,
    signal,
)
from headwater_client.errors import SpoolError
from headwater_client.testing import FakeHeadwater

QUICK: dict[str, Any] = {"interval": 0.01, "backoff_first": 0.001, "backoff_most": 0.01}
NEVER: dict[str, Any] = {"interval": 3600}
"""Nothing is sent unless it is flushed."""


def client(fake: FakeHeadwater, more: dict[str, Any] | None = None, **callbacks: Any) -> Client:
    return Client("http://headwater.test", "hw_key", Settings(**(more or QUICK)), transport=fake, **callbacks)


def visit(number: int = 0, **more: Any) -> Event:
    return signal("visits", ("account", "1"), {"number": number}, **more)


def at_work() -> list[threading.Thread]:
    """Threads of clients."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("headwater-client")]


def numbers(fake: FakeHeadwater) -> list[int]:
    return sorted(event.get("data", event.get("eventProperties"))["number"] for event in fake.events)


def test_events_are_sent_in_the_background() -> None:
    fake = FakeHeadwater()
    with client(fake) as sender:
        assert sender.track(visit(1)) and sender.track(bik("addToCart", {"number": 2}, email="a@b.c"))
        until(lambda: len(fake.events) == 2, what="nobody flushed, and they came")
    assert {request.dialect for request in fake.requests} == {"bigmind", "bik"}
    assert {request.authorization for request in fake.requests} == {"Bearer hw_key"}


def test_flush_waits_for_everything_and_batches_are_full() -> None:
    fake = FakeHeadwater()
    with client(fake, NEVER) as sender:
        for number in range(250):
            sender.track(visit(number))
        assert sender.flush(30)
        assert numbers(fake) == list(range(250))
        assert sorted(len(request.events) for request in fake.requests) == [50, 100, 100]
        assert sender.figures().delivered == 250 and sender.figures().waiting == 0


def test_many_threads_track_at_once() -> None:
    fake = FakeHeadwater()
    with client(fake) as sender:
        threads = [
            threading.Thread(target=lambda first=first: [sender.track(visit(first + n)) for n in range(200)])
            for first in range(0, 1600, 200)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sender.flush(30)
    assert numbers(fake) == list(range(1600))


@pytest.mark.parametrize("how", [500, 503, 409, 429, 408, httpx2.ReadTimeout("x"), httpx2.ConnectError("x")])
@pytest.mark.parametrize("taken", [False, True])
def test_what_fails_is_sent_again_and_taken_once(how: Any, taken: bool) -> None:
    fake = FakeHeadwater()
    fake.fail(how, 3, taken=taken)
    with client(fake, QUICK | {"concurrency": 1}) as sender:
        for number in range(10):
            sender.track(visit(number))
        assert sender.flush(30)
        assert numbers(fake) == list(range(10))
        assert sender.figures().failures == 3
    tries = [request for request in fake.requests if request.events == fake.requests[0].events]
    assert len(tries) >= 4 and len({request.idempotency_key for request in tries}) == 1


def test_only_what_was_limited_is_sent_again_under_another_key() -> None:
    fake = FakeHeadwater()
    fake.limit("visits", 30, retry_after=0.01)
    with client(fake, NEVER | {"backoff_first": 0.001, "backoff_most": 0.01}) as sender:
        for number in range(50):
            sender.track(visit(number))
        assert not sender.flush(0.2)
        assert numbers(fake) == list(range(30)) and sender.figures().waiting == 20
        fake.limit("visits", 100)
        assert sender.flush(30)
    assert numbers(fake) == list(range(50))
    first, *others = fake.requests
    assert len(first.events) == 50 and all(len(request.events) == 20 for request in others)
    assert first.idempotency_key not in {request.idempotency_key for request in others}


def test_bik_limited_in_part_and_whole() -> None:
    fake = FakeHeadwater()
    fake.limit("addToCart", 3, retry_after=0.01)
    with client(fake, NEVER | {"backoff_first": 0.001, "backoff_most": 0.01}) as sender:
        for number in range(5):
            sender.track(bik("addToCart", {"number": number}, email="a@b.c"))
        assert not sender.flush(0.2)
        fake.limit("addToCart", 100)
        assert sender.flush(30)
    assert numbers(fake) == list(range(5))


def test_refused_events_are_told_and_the_others_arrive() -> None:
    fake, told = FakeHeadwater(), list[Refused]()
    fake.refuse(lambda event: event["data"]["number"] == 3, code="schema", path="data.number", message="is wrong")
    with client(fake, NEVER, on_refused=told.append) as sender:
        for number in range(5):
            sender.track(visit(number))
        assert sender.flush(30)
        figures = sender.figures()
    assert numbers(fake) == [0, 1, 2, 4] and (figures.refused, figures.delivered) == (1, 4)
    assert [(each.event.fields["data"], each.code, each.path) for each in told] == [
        ({"number": 3}, "schema", "data.number")
    ]
    assert told[0].message == "data.number is wrong" and told[0].hint


def test_one_event_that_spoils_its_batch_is_found() -> None:
    class Spoilt(FakeHeadwater):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            if b'"number":13' in request.read():
                return httpx2.Response(400, json={"success": False, "error": "Request body is nested too deeply"})
            return super().handle_request(request)

    fake, told = Spoilt(), list[Refused]()
    with client(fake, NEVER, on_refused=told.append) as sender:
        for number in range(60):
            sender.track(visit(number))
        assert sender.flush(30)
    assert numbers(fake) == [number for number in range(60) if number != 13]
    assert [(each.event.fields["data"]["number"], each.message) for each in told] == [
        (13, "Request body is nested too deeply")
    ]


def test_what_is_larger_than_any_request_is_refused_at_once() -> None:
    told: list[Refused] = []
    with client(FakeHeadwater(), on_refused=told.append) as sender:
        assert not sender.track(signal("v", ("account", "1"), {"x": "y" * (5 << 20)}))
    assert [each.code for each in told] == ["too_large"]


def test_a_wrong_key_loses_nothing() -> None:
    right = threading.Event()

    class Wrong(FakeHeadwater):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            if not right.is_set():
                self.fail(401)
            return super().handle_request(request)

    with client(Wrong(), QUICK) as sender:
        sender.track(visit())
        until(lambda: sender.figures().problem == "HTTP 401")
        right.set()
        assert sender.flush(30) and sender.figures().delivered == 1 and sender.figures().problem == ""


@pytest.mark.parametrize("status", [400, 404, 410, 413, 422])
def test_a_page_of_something_in_between_loses_nothing(status: int) -> None:
    pages, told = iter([b"<html>"] * 3), list[Refused]()

    class Between(FakeHeadwater):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            if page := next(pages, None):
                return httpx2.Response(status, content=page)
            return super().handle_request(request)

    fake = Between()
    with client(fake, QUICK, on_refused=told.append) as sender:
        sender.track(visit(1))
        assert sender.flush(30) and sender.figures().delivered == 1 and sender.figures().failures == 3
    assert numbers(fake) == [1] and not told


def test_full_drops_and_tells() -> None:
    told: list[Dropped] = []
    sender = client(FakeHeadwater(), NEVER | {"max_events": 5}, on_dropped=told.append)
    with sender:
        assert [sender.track(visit(number)) for number in range(7)] == [True] * 5 + [False] * 2
        assert [(each.reason, each.event.fields["data"]["number"]) for each in told] == [("full", 5), ("full", 6)]
        assert sender.figures().dropped == 2


def test_full_by_bytes() -> None:
    settings = NEVER | {"batch_bytes": 1024, "max_bytes": 2048}
    fake = FakeHeadwater()
    fake.fail(503, 1000)
    with client(fake, settings | {"exit_seconds": 0}) as sender:
        accepted = [sender.track(visit(number)) for number in range(100)]
        assert 0 < accepted.count(True) < 100 and sender.figures().waiting_bytes <= 2048


def test_full_raises() -> None:
    with client(FakeHeadwater(), NEVER | {"max_events": 1, "when_full": "raise"}) as sender:
        sender.track(visit())
        with pytest.raises(FullError, match="1 events"):
            sender.track(visit())


def test_full_blocks_until_there_is_room() -> None:
    fake = FakeHeadwater()
    with client(fake, QUICK | {"max_events": 5, "batch_events": 2, "when_full": "block"}) as sender:
        for number in range(100):
            assert sender.track(visit(number)) and sender.figures().waiting <= 5
    assert numbers(fake) == list(range(100))


def test_close_ends_whoever_is_blocked() -> None:
    fake, caught = FakeHeadwater(), list[Exception]()
    fake.fail(503, 10_000)
    sender = client(fake, {"max_events": 1, "when_full": "block"})
    sender.track(visit())

    def blocked() -> None:
        try:
            sender.track(visit())
        except ClosedError as error:
            caught.append(error)

    thread = threading.Thread(target=blocked)
    thread.start()
    assert not sender.close(0.05)
    thread.join(30)
    assert len(caught) == 1


def test_what_was_not_sent_in_time_is_told_in_the_end() -> None:
    fake, told = FakeHeadwater(), list[Dropped]()
    fake.fail(503, 10_000)
    sender = client(fake, on_dropped=told.append)
    for number in range(3):
        sender.track(visit(number))
    assert not sender.close(0.05)
    assert Counter(each.reason for each in told) == {"closed": 3} and not fake.events
    assert not sender.close() and sender.figures().dropped == 3, "once is enough"
    with pytest.raises(ClosedError):
        sender.track(visit())


@pytest.mark.parametrize("lost", [False, True])
def test_whoever_closes_later_hears_what_became_of_it(lost: bool) -> None:
    begun, go, said, told = threading.Event(), threading.Event(), list[bool](), list[Dropped]()

    class Hanging(FakeHeadwater):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            begun.set()
            assert go.wait(60)
            return super().handle_request(request)

    sender = client(Hanging(), on_dropped=told.append)
    sender.track(visit())
    assert begun.wait(30)
    first = threading.Thread(target=lambda: said.append(sender.close(0.3 if lost else 60)))
    first.start()
    until(lambda: sender._closed)
    assert not sender.close(0), "it is not through yet"
    second = threading.Thread(target=lambda: said.append(sender.close(60)))
    third = threading.Thread(target=lambda: said.append(sender.flush()))
    second.start()
    third.start()
    if not lost:
        go.set()
    for thread in (first, second, third):
        thread.join(60)
    go.set()
    assert said == [not lost] * 3 and [each.reason for each in told] == ["closed"] * lost


def test_a_callback_may_close_too() -> None:
    fake, said = FakeHeadwater(), list[bool]()
    fake.fail(503, 10_000)
    # Whoever waited here for the first close would wait for themselves, and for longer than a test may take.
    sender = client(fake, {"exit_seconds": 10_000.0}, on_dropped=lambda _: said.append(sender.close()))
    for number in range(3):
        sender.track(visit(number))
    assert not sender.close(0.05) and said == [False] * 3


def test_a_callback_of_the_client_s_own_thread_may_close_while_it_is_closed() -> None:
    fake, said = FakeHeadwater(), list[bool]()
    fake.refuse(lambda event: True)

    def refused(_: Refused) -> None:
        until(lambda: sender._closed)
        said.append(sender.close())

    sender = client(fake, {"exit_seconds": 10_000.0}, on_refused=refused)
    sender.track(visit())
    assert sender.close() and said == [False]


def unstarted(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("how", ["track", "flush"])
def test_where_no_thread_can_be_started_events_wait(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    fake = FakeHeadwater()
    with client(fake) as sender:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", unstarted)
            assert sender.track(visit(1)) and sender.track(visit(2))
        assert [record.getMessage() for record in caplog.records] == [
            "a thread cannot be started: can't start new thread"
        ]
        if how == "track":
            assert sender.track(visit(3))
            until(lambda: numbers(fake) == [1, 2, 3])
        assert sender.flush(30)
    assert numbers(fake)[:2] == [1, 2]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_is_replaced() -> None:
    """As what it would end by, SystemExit, is caught nowhere."""

    def leave(refused: Refused) -> None:
        raise SystemExit

    fake = FakeHeadwater()
    fake.refuse(lambda event: event["data"]["number"] == 1)
    with client(fake, QUICK | {"concurrency": 1}, on_refused=leave) as sender:
        sender.track(visit(1))
        (thread,) = sender._threads
        until(lambda: not thread.is_alive())
        sender.track(visit(2))
        until(lambda: numbers(fake) == [2])
        assert not sender.close(0)


def test_callbacks_may_raise_and_may_track() -> None:
    fake = FakeHeadwater()
    fake.refuse(lambda event: event["data"]["number"] == 1)

    def mend(refused: Refused) -> None:
        sender.track(visit(refused.event.fields["data"]["number"] + 100))
        raise RuntimeError("its fault")

    with client(fake, on_refused=mend) as sender:
        sender.track(visit(1))
        until(lambda: numbers(fake) == [101])


def test_one_reference_twice_is_never_in_one_batch() -> None:
    """Or an answer that names events by it could not be read."""
    fake = FakeHeadwater()
    with client(fake, NEVER) as sender:
        for number in range(6):
            sender.track(visit(number, reference=f"order-{number % 2}"))
        assert sender.flush(30)
    assert numbers(fake) == list(range(6)) and [len(request.events) for request in fake.requests] == [2, 2, 2]


def test_compressed_bodies() -> None:
    fake = FakeHeadwater()
    with client(fake, QUICK | {"compress": True}) as sender:
        sender.track(visit(5))
    assert numbers(fake) == [5]


SECRET = "s3cret"


def test_nothing_that_was_sent_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fake = FakeHeadwater()
    fake.fail(503)
    fake.fail(httpx2.ReadError(SECRET))
    fake.refuse(lambda event: True, message=SECRET, path=SECRET)
    sender = Client("http://headwater.test", SECRET, Settings(**QUICK, max_events=1), transport=fake)
    sender.track(signal("v", ("account", SECRET), {SECRET: SECRET}, reference=SECRET))
    sender.track(signal("v", ("account", SECRET), {SECRET: SECRET}))
    assert sender.close(30)
    told = [record.getMessage() for record in caplog.records if record.name == "headwater_client"]
    assert len(told) >= 3 and any("refused: 1 schema" in text for text in told)
    assert SECRET not in caplog.text


def test_an_outage_is_told_once_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "headwater_client")
    fake = FakeHeadwater()
    fake.fail(503, 20)
    with client(fake, QUICK) as sender:
        sender.track(visit())
        assert sender.flush(30)
    told = [record.getMessage() for record in caplog.records if record.name == "headwater_client"]
    assert told == ["events are not delivered and wait: HTTP 503", "events are delivered again"]


def test_a_wrong_key_is_told_in_the_middle_of_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    fake = FakeHeadwater()
    fake.fail(503, 2)
    fake.fail(401, 3)
    with client(fake, QUICK) as sender:
        sender.track(visit())
        assert sender.flush(30)
    told = [(record.levelname, record.getMessage()[-8:]) for record in caplog.records if record.levelname != "INFO"]
    assert told == [("WARNING", "HTTP 503"), ("ERROR", "HTTP 401")]


@pytest.mark.parametrize("url", ["", "headwater.test", "ftp://headwater.test", "http://"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(SettingsError, match="url"):
        Client(url, "key")


@pytest.mark.parametrize("key", ["", "ключ", "a\nb"])
def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(SettingsError, match="key"):
        Client("http://headwater.test", key)


# --- with a spool ---------------------------------------------------------------------------------------------------


def test_what_was_not_sent_is_sent_by_the_next_client(tmp_path: Path) -> None:
    away, told = FakeHeadwater(), list[Dropped]()
    away.fail(httpx2.ReadTimeout("x"), 10_000, taken=True)
    settings = QUICK | {"spool": tmp_path, "batch_events": 4}
    first = client(away, settings, on_dropped=told.append)
    for number in range(10):
        first.track(visit(number))
    assert not first.close(0.2) and not told
    keys = {request.idempotency_key for request in away.requests}
    away._failures.clear()
    with client(away, settings) as second:
        assert second.flush(30) and second.figures().adopted == 10
    assert numbers(away) == list(range(10)), "what had been taken is not taken again"
    assert keys <= {request.idempotency_key for request in away.requests if request.status == 200}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("left", [False, True])
def test_what_lies_in_the_spool_is_sent_without_any_event(tmp_path: Path, left: bool) -> None:
    away, fake = FakeHeadwater(), FakeHeadwater()
    away.fail(503, 10_000)
    if left:
        first = client(away, QUICK | {"spool": tmp_path})
        first.track(visit(7))
        assert not first.close(0)
    until(lambda: not at_work(), what="the first one's threads have ended")
    second = client(fake, QUICK | {"spool": tmp_path})
    assert bool(at_work()) == left, "no thread before it is needed: a server may fork"
    if left:
        until(lambda: numbers(fake) == [7])
    assert second.close(30) and not list(tmp_path.iterdir())


def stale(folder: Path, when_stale: str) -> tuple[FakeHeadwater, list[Dropped]]:
    """A batch that may have been taken, left behind; then a client for which that is too long ago."""
    away, fake, told = FakeHeadwater(), FakeHeadwater(), list[Dropped]()
    away.fail(httpx2.ReadTimeout("x"), 10_000)
    first = client(away, QUICK | {"spool": folder})
    first.track(visit(1))
    until(lambda: away.requests)
    assert not first.close(0.01)
    settings = QUICK | {"spool": folder, "key_hours": 0, "when_stale": when_stale}
    with client(fake, settings, on_dropped=told.append) as second:
        assert second.flush(30)
    assert not list(folder.iterdir())
    return fake, told


def test_what_may_have_been_taken_long_ago_is_sent(tmp_path: Path) -> None:
    fake, told = stale(tmp_path, "send")
    assert numbers(fake) == [1] and not told


def test_what_may_have_been_taken_long_ago_is_dropped(tmp_path: Path) -> None:
    fake, told = stale(tmp_path, "drop")
    assert not fake.events and [each.reason for each in told] == ["stale"]


@pytest.mark.parametrize("policy", ["drop", "raise"])
def test_a_disk_that_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str) -> None:
    fake, told = FakeHeadwater(), list[Dropped]()
    with client(fake, QUICK | {"spool": tmp_path, "when_full": policy}, on_dropped=told.append) as sender:

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("headwater_client.spool.File.append", full)
            if policy == "raise":
                with pytest.raises(SpoolError, match="space"):
                    sender.track(visit(1))
            else:
                assert not sender.track(visit(1)) and [each.reason for each in told] == ["spool"]
        assert sender.track(visit(2)) and sender.flush(30)
    assert numbers(fake) == [2]


def test_with_sync_each_event_is_written_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with client(FakeHeadwater(), QUICK | {"spool": tmp_path, "sync": True}) as sender:
        before = len(synced)
        sender.track(visit())
        assert len(synced) > before


# --- processes ------------------------------------------------------------------------------------------------------


def run(program: str, *arguments: str) -> str:
    """What a process prints."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, check=True, timeout=60, capture_output=True, text=True).stdout


EXIT = """
from headwater_client import Client, Settings, signal
from headwater_client.testing import FakeHeadwater
import atexit
fake = FakeHeadwater()
atexit.register(lambda: print(len(fake.events)))
client = Client("http://headwater.test", "key", Settings(interval=3600), transport=fake)
for number in range(7):
    client.track(signal("v", ("account", "1")))
"""


def test_the_end_of_a_process_sends_what_is_left() -> None:
    program = EXIT.replace("import atexit\nfake", "import atexit\nimport headwater_client.client as module\nfake")
    # exit handlers run last in, first out: the client's own is to come before the one that prints
    program += "\natexit.unregister(module._close_all)\natexit.register(module._close_all)\n"
    assert run(program).strip() == "7"


FORK = """
import os, sys, threading
from headwater_client import Client, Settings, signal
from headwater_client.testing import FakeHeadwater
fake = FakeHeadwater()
folder = sys.argv[1] if len(sys.argv) > 1 else None
client = Client("http://headwater.test", "key", Settings(interval=3600, spool=folder), transport=fake)
def track(*numbers):
    for number in numbers:
        client.track(signal("v", ("account", "1"), {"number": number}))
track(1, 2)
# somebody tracks all the time, so that the lock is held while it forks
going = True
def busy():
    while going:
        client.figures()
threading.Thread(target=busy, daemon=True).start()
for child in range(5):
    if not os.fork():
        track(10 + child)
        assert client.flush(20)
        os.write(1, f"child {[event['data']['number'] for event in fake.events]}\\n".encode())
        client.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
going = False
track(3)
assert client.close(20)
os.write(1, f"parent {[event['data']['number'] for event in fake.events]}\\n".encode())
"""


@pytest.mark.parametrize("spooled", [False, True])
def test_parent_and_children_send_their_own(tmp_path: Path, spooled: bool) -> None:
    said = run(FORK, *([str(tmp_path)] if spooled else []))
    assert said.splitlines() == [*(f"child [{10 + child}]" for child in range(5)), "parent [1, 2, 3]"]
    assert not list(tmp_path.iterdir())


def test_a_client_nobody_holds_keeps_nothing_alive() -> None:
    for _ in range(20):
        with client(FakeHeadwater()) as sender:
            sender.track(visit())
    until(lambda: not at_work(), what="its threads have ended")


def test_tracking_does_not_wait_for_the_server() -> None:
    """While the server hangs, events are accepted all the same."""
    hangs = threading.Event()

    class Hanging(FakeHeadwater):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            assert hangs.wait(60)
            return super().handle_request(request)

    fake = Hanging()
    with client(fake, QUICK | {"concurrency": 1, "batch_events": 1}) as sender:
        for number in range(500):
            sender.track(visit(number))
        assert not fake.events
        hangs.set()
        assert sender.flush(60)
    assert numbers(fake) == list(range(500))


def test_time_is_that_of_tracking() -> None:
    fake = FakeHeadwater()
    before = time.time()
    with client(fake) as sender:
        sender.track(visit())
    assert fake.events[0]["timestamp"].startswith(time.strftime("%Y-%m-%d", time.gmtime(before)))
