"""The client of tasks, against the fake."""

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any

import httpx2
import pytest

from headwater_client import AsyncClient, ClosedError, Dropped, Event, FullError, Refused, Settings, bik, signal
from headwater_client.spool import Found, Spool
from headwater_client.testing import FakeHeadwater

QUICK: dict[str, Any] = {"interval": 0.01, "backoff_first": 0.001, "backoff_most": 0.01}
NEVER: dict[str, Any] = {"interval": 3600}


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs a test in a loop of its own, for a minute at most."""

    @wraps(test)
    def run(*args: Any, **more: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **more), 60))

    return run


def client(fake: FakeHeadwater, more: dict[str, Any] | None = None, **callbacks: Any) -> AsyncClient:
    return AsyncClient("http://headwater.test", "hw_key", Settings(**(more or QUICK)), transport=fake, **callbacks)


def visit(number: int = 0) -> Event:
    return signal("visits", ("account", "1"), {"number": number})


def numbers(fake: FakeHeadwater) -> list[int]:
    return sorted(event.get("data", event.get("eventProperties"))["number"] for event in fake.events)


@in_loop
async def test_events_are_sent_in_the_background() -> None:
    fake = FakeHeadwater()
    async with client(fake) as sender:
        await sender.track(visit(1))
        await sender.track(bik("addToCart", {"number": 2}, email="a@b.c"))
        while len(fake.events) < 2:  # noqa: ASYNC110  # the fake tells nobody
            await asyncio.sleep(0.01)


@in_loop
async def test_flush_waits_for_everything_and_batches_are_full() -> None:
    fake = FakeHeadwater()
    async with client(fake, NEVER) as sender:
        await asyncio.gather(*[sender.track(visit(number)) for number in range(250)])
        assert await sender.flush(30)
        assert numbers(fake) == list(range(250)) and len(fake.requests) == 3


@pytest.mark.parametrize("how", [503, 429, httpx2.ReadTimeout("x")])
@in_loop
async def test_what_fails_is_sent_again_and_taken_once(how: Any) -> None:
    fake = FakeHeadwater()
    fake.fail(how, 5, taken=True)
    async with client(fake) as sender:
        for number in range(10):
            await sender.track(visit(number))
        assert await sender.flush(30)
    assert numbers(fake) == list(range(10))


@in_loop
async def test_refused_and_limited() -> None:
    fake, told = FakeHeadwater(), list[Refused]()
    fake.refuse(lambda event: event["data"]["number"] == 0)
    fake.limit("visits", 4, retry_after=0.01)
    async with client(fake, NEVER | {"backoff_first": 0.001, "backoff_most": 0.01}, on_refused=told.append) as sender:
        for number in range(10):
            await sender.track(visit(number))
        assert not await sender.flush(0.2)
        fake.limit("visits", 100)
        assert await sender.flush(30)
    assert numbers(fake) == list(range(1, 10)) and [each.code for each in told] == ["schema"]


@in_loop
async def test_full_drops_raises_or_blocks() -> None:
    told: list[Dropped] = []
    async with client(FakeHeadwater(), NEVER | {"max_events": 1}, on_dropped=told.append) as sender:
        assert [await sender.track(visit()) for _ in range(2)] == [True, False]
    async with client(FakeHeadwater(), NEVER | {"max_events": 1, "when_full": "raise"}) as sender:
        await sender.track(visit())
        with pytest.raises(FullError):
            await sender.track(visit())
    fake = FakeHeadwater()
    async with client(fake, QUICK | {"max_events": 3, "when_full": "block"}) as sender:
        for number in range(50):
            await sender.track(visit(number))
            assert sender.figures().waiting <= 3
    assert numbers(fake) == list(range(50)) and [each.reason for each in told] == ["full"]


@in_loop
async def test_what_was_not_sent_in_time_is_told_in_the_end() -> None:
    fake, told = FakeHeadwater(), list[Dropped]()
    fake.fail(503, 10_000)
    sender = client(fake, on_dropped=told.append)
    for number in range(3):
        await sender.track(visit(number))
    assert not await sender.close(0.05)
    assert Counter(each.reason for each in told) == {"closed": 3}
    assert not await sender.close()
    with pytest.raises(ClosedError):
        await sender.track(visit())
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("headwater-client")]


@pytest.mark.parametrize("lost", [False, True])
@in_loop
async def test_whoever_closes_later_hears_what_became_of_it(lost: bool) -> None:
    begun, go, told = asyncio.Event(), asyncio.Event(), list[Dropped]()

    class Hanging(FakeHeadwater):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            begun.set()
            await go.wait()
            return await super().handle_async_request(request)

    sender = client(Hanging(), on_dropped=told.append)
    await sender.track(visit())
    await begun.wait()
    first = asyncio.create_task(sender.close(0.2 if lost else 60))
    await asyncio.sleep(0)
    assert not await sender.close(0), "it is not through yet"
    second, third = asyncio.create_task(sender.close(60)), asyncio.create_task(sender.flush())
    await asyncio.sleep(0)
    if not lost:
        go.set()
    assert await asyncio.gather(first, second, third) == [not lost] * 3
    assert [each.reason for each in told] == ["closed"] * lost


@in_loop
async def test_a_close_that_was_cut_short_is_ended_by_the_next() -> None:
    fake = FakeHeadwater()
    sender = client(fake)
    await sender.track(visit())
    assert await sender.flush()
    closing = asyncio.create_task(sender.close())
    while not sender._stopped:  # noqa: ASYNC110  # the very moment is wanted
        await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert await sender.close() and sender._http.is_closed


@in_loop
async def test_close_leaves_alone_what_was_about_to_be_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, fake = FakeHeadwater(), FakeHeadwater()
    away.fail(503, 10_000)
    async with client(away, QUICK | {"spool": tmp_path, "exit_seconds": 0}) as left:
        await left.track(visit(7))
    reading, go, real = threading.Event(), threading.Event(), Spool.adopt

    def slow(self: Spool, room: float) -> Found | None:
        found = real(self, room)
        reading.set()
        assert go.wait(30)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "adopt", slow)
        async with client(FakeHeadwater(), QUICK | {"spool": tmp_path, "exit_seconds": 0}):
            while not reading.is_set():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        go.set()
    monkeypatch.setattr("headwater_client.delivery.ADOPT_SECONDS", 0.05)  # the thread may have it for a moment still
    async with client(fake, QUICK | {"spool": tmp_path}):
        while not fake.events:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert numbers(fake) == [7]


@in_loop
async def test_what_was_not_sent_is_sent_by_the_next_client(tmp_path: Path) -> None:
    fake = FakeHeadwater()
    fake.fail(httpx2.ReadTimeout("x"), 10_000, taken=True)
    first = client(fake, QUICK | {"spool": tmp_path})
    for number in range(10):
        await first.track(visit(number))
    assert not await first.close(0.2)
    fake._failures.clear()
    async with client(fake, QUICK | {"spool": tmp_path}) as second:
        assert await second.flush(30) and second.figures().adopted == 10
    assert numbers(fake) == list(range(10)) and not os.listdir(tmp_path)


@in_loop
async def test_a_request_under_way_when_it_closes_is_in_the_spool(tmp_path: Path) -> None:
    class Hanging(FakeHeadwater):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            await asyncio.sleep(3600)
            raise AssertionError

    hangs, fake = Hanging(), FakeHeadwater()
    first = client(hangs, QUICK | {"spool": tmp_path})
    await first.track(visit(1))
    await asyncio.sleep(0.05)
    assert not await first.close(0.05)
    async with client(fake, QUICK | {"spool": tmp_path}) as second:
        assert await second.flush(30)
    assert numbers(fake) == [1]
