"""What every adapter of the quotas must do. Another adapter is another parameter of `make`."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.clock import MINUTE_MS
from headwater.errors import StartError, UnavailableError
from headwater.quotas.base import Quotas
from headwater.quotas.memory import MemoryQuotas
from headwater.quotas.redis import RedisQuotas
from headwater.rules.quota import Grant, Want
from services import Redis

Make = Callable[[], Quotas]
"""A further gateway's view of the same quotas, which are new in each `asyncio.run` of a test."""

NOW = 29_734_560
"""A window."""


def memory(request: pytest.FixtureRequest) -> Make:
    return MemoryQuotas


def redis(request: pytest.FixtureRequest) -> Make:
    server: Redis = request.getfixturevalue("redis")
    return lambda: RedisQuotas(server.url, prefix=f"{uuid4()}:")


@pytest.fixture(params=[memory, pytest.param(redis, marks=pytest.mark.cluster)])
def make(request: pytest.FixtureRequest) -> Make:
    found: Make = request.param(request)
    return found


def run(make: Make, test: Callable[[Quotas], Awaitable[None]]) -> None:
    async def inside() -> None:
        quotas = make()
        await test(quotas)
        await end(quotas)

    asyncio.run(inside())


async def end(quotas: Quotas) -> None:
    if isinstance(quotas, RedisQuotas):
        await quotas.close()


async def take(quotas: Quotas, count: int, limit: int = 10, id: str = "a", window: int = NOW) -> int:
    return (await quotas.grant({id: Want(limit, count)}, window, False))[id].count


def test_what_fits_is_granted_and_the_rest_is_not(make: Make) -> None:
    async def test(quotas: Quotas) -> None:
        for want, got in ((Want(10, 4), Grant(4, 6)), (Want(10, 9), Grant(6, 0)), (Want(10, 1), Grant(0, 0))):
            assert (await quotas.grant({"a": want}, NOW, False))["a"] == got
        assert await quotas.used(["a", "b"], NOW) == {"a": 10, "b": 0}
        assert (await quotas.grant({"a": Want(12, 5)}, NOW, False))["a"] == Grant(2, 0), "the limit was raised"
        assert (await quotas.grant({"a": Want(3, 1)}, NOW, False))["a"] == Grant(0, 0), "the limit was lowered"
        assert await quotas.grant({}, NOW, True) == {} and await quotas.used([], NOW) == {}

    run(make, test)


def test_wholly_or_not_at_all(make: Make) -> None:
    async def test(quotas: Quotas) -> None:
        wants = {"a": Want(10, 4), "b": Want(3, 4), "c": Want(10**9, 10**9)}
        expected = {"a": Grant(4, 6), "b": Grant(3, 0), "c": Grant(10**9, 0)}
        for _ in range(2):
            assert await quotas.grant(wants, NOW, True) == expected
        assert await quotas.used("abc", NOW) == {"a": 0, "b": 0, "c": 0}
        assert await quotas.grant(wants, NOW, False) == expected
        assert await quotas.used("abc", NOW) == {"a": 4, "b": 3, "c": 10**9}

    run(make, test)


def test_every_window_begins_anew(make: Make) -> None:
    async def test(quotas: Quotas) -> None:
        for window in (NOW, NOW + 1, NOW + 7):
            assert await quotas.used("a", window) == {"a": 0}
            assert [await take(quotas, 7, window=window) for _ in range(3)] == [7, 3, 0]

    run(make, test)


def test_what_is_given_back_can_be_had_again(make: Make) -> None:
    async def test(quotas: Quotas) -> None:
        grants = await quotas.grant({"a": Want(10, 7), "b": Want(2, 5)}, NOW, False)
        await quotas.give_back(grants, NOW)
        assert await quotas.used("ab", NOW) == {"a": 0, "b": 0}
        assert [await take(quotas, 6) for _ in range(3)] == [6, 4, 0]
        await quotas.give_back({}, NOW)
        await quotas.give_back({"a": Grant(0, 0)}, NOW)
        assert await take(quotas, 1, window=NOW + 1) == 1
        await quotas.give_back({"a": Grant(6, 0)}, NOW)  # late: its minute is over
        assert await quotas.used("a", NOW + 1) == {"a": 1}

    run(make, test)


def test_a_clock_that_is_set_back(make: Make) -> None:
    async def test(quotas: Quotas) -> None:
        for minute, window in ((100, 100), (98, 100), (100.99, 100), (101, 101), (40, 40)):
            assert quotas.window(int(minute * MINUTE_MS)) == window, "by an hour: it begins anew; by less: it goes on"
            await take(quotas, 1, window=window)

    run(make, test)


@given(
    requests=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.dictionaries(st.sampled_from("abc"), st.integers(1, 7), min_size=1),
            st.booleans(),
            st.booleans(),
        ),
        max_size=25,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_it_counts_as_a_plain_dictionary_does(
    make: Make, requests: list[tuple[int, dict[str, int], bool, bool]]
) -> None:
    """Windows go on as `window` tells them; signals, counts, whole or in part, kept or given back."""

    async def test(quotas: Quotas) -> None:
        used, window = dict[str, int](), NOW
        for forward, counts, whole, returned in requests:
            if forward == 2:
                window, used = window + 1, {}
            free = {id: 10 - used.get(id, 0) for id in counts}
            given = {id: min(count, free[id]) for id, count in counts.items()}
            grants = await quotas.grant({id: Want(10, count) for id, count in counts.items()}, window, whole)
            assert grants == {id: Grant(count, free[id] - count) for id, count in given.items()}
            if whole and given != counts:
                given = {}
            elif returned:
                await quotas.give_back(grants, window)
                given = {}
            used |= {id: used.get(id, 0) + count for id, count in given.items()}
            assert await quotas.used("abc", window) == {id: used.get(id, 0) for id in "abc"}

    run(make, test)


def test_many_at_once_never_get_more_than_the_limit(make: Make) -> None:
    async def test(quotas: Quotas) -> None:
        async def ask(n: int) -> int:
            grants = await quotas.grant({"a": Want(500, 7), "b": Want(100, 3)}, NOW, False)
            if n % 3 == 0:
                await quotas.give_back(grants, NOW)
                return 0
            return grants["a"].count

        kept = sum(await asyncio.gather(*[ask(n) for n in range(200)]))
        used = (await quotas.used("a", NOW))["a"]
        assert used == kept <= 500 and await take(quotas, 1000, 500) == 500 - kept

    run(make, test)


# --- several gateways, and a server that fails: Redis alone --------------------------------------------------------

cluster = pytest.mark.cluster


@asynccontextmanager
async def gateways(server: Redis, number: int, **options: str) -> AsyncIterator[list[RedisQuotas]]:
    prefix = f"{uuid4()}:"
    made = [RedisQuotas(server.url, prefix=prefix, **options) for _ in range(number)]  # type: ignore[arg-type]
    yield made
    for each in made:
        await each.close()


@cluster
def test_gateways_share_one_limit(redis: Redis) -> None:
    async def test() -> None:
        async with gateways(redis, 3) as made:
            got = await asyncio.gather(*[take(made[n % 3], 7, 500) for n in range(120)])
            assert sum(got) == 500 and sorted(set(got)) in ([0, 3, 7], [0, 7], [0, 3, 7])
            assert [await each.used("a", NOW) for each in made] == [{"a": 500}] * 3
            await made[0].give_back({"a": Grant(5, 0)}, NOW)
            assert await take(made[1], 9, 500) == 5

    asyncio.run(test())


@cluster
def test_scripts_that_the_server_forgot_are_sent_again(redis: Redis) -> None:
    import redis.asyncio as client

    async def test() -> None:
        async with gateways(redis, 1) as (quotas,), client.from_url(redis.url) as admin:
            for got in (4, 4, 2):
                assert await take(quotas, 4) == got
                await admin.script_flush()
            await quotas.give_back({"a": Grant(2, 0)}, NOW)
            assert await quotas.used("a", NOW) == {"a": 8}
            assert quotas.status().restored == 0 and not quotas.status().away

    asyncio.run(test())


@cluster
def test_a_restart_in_the_middle_of_a_minute_forgets_nothing(redis: Redis) -> None:
    async def test() -> None:
        async with gateways(redis, 2) as (one, other):
            assert (await take(one, 4), await take(other, 3)) == (4, 3)
            await asyncio.to_thread(redis.restart)
            assert (await take(one, 2), await take(other, 9)) == (2, 1), "connections had ended: nobody notices"
            assert one.status().restored == other.status().restored == 0

    asyncio.run(test())


@cluster
def test_what_a_server_forgot_is_told_it_again(redis: Redis) -> None:
    async def test() -> None:
        async with gateways(redis, 3) as (one, two, late):
            assert (await take(one, 4, id="a"), await take(two, 3, id="a"), await take(two, 2, id="b")) == (4, 3, 2)
            await asyncio.to_thread(redis.forget)
            assert sum(await asyncio.gather(*[take(one, 1, 7) for _ in range(9)])) == 3, "one's own four still count"
            assert await take(two, 9) == 0
            assert await one.used("ab", NOW) == {"a": 10, "b": 2}
            assert await take(late, 9) == 0 and await take(late, 9, id="b") == 8
            assert (one.status().restored, two.status().restored, late.status().restored) == (1, 1, 0)

    asyncio.run(test())


@cluster
def test_what_was_forgotten_cannot_be_given_back_twice(redis: Redis) -> None:
    async def test() -> None:
        async with gateways(redis, 1) as (quotas,):
            grants = await quotas.grant({"a": Want(10, 6)}, NOW, False)
            redis.flush()
            await quotas.give_back(grants, NOW)
            assert await quotas.used("a", NOW) == {"a": 0}
            assert await take(quotas, 20) == 10

    asyncio.run(test())


@cluster
@pytest.mark.parametrize("fault", ["stopped", "paused"])
def test_without_a_server_it_refuses_and_says_so(redis: Redis, fault: str) -> None:
    async def test() -> None:
        async with gateways(redis, 1) as (quotas,):
            grants = await quotas.grant({"a": Want(10, 6)}, NOW, False)
            await asyncio.to_thread(redis.pause if fault == "paused" else redis.stop)
            begun = time.monotonic()
            with pytest.raises(UnavailableError):
                await take(quotas, 1)
            assert time.monotonic() - begun < 2.5
            for _ in range(50):  # whoever comes next does not wait
                with pytest.raises(UnavailableError):
                    await take(quotas, 1)
            assert time.monotonic() - begun < 2.5
            with pytest.raises(UnavailableError):
                await quotas.used("a", NOW)
            await quotas.give_back(grants, NOW)
            assert quotas.status().away and quotas.status().refused == 51
            await asyncio.to_thread(redis.resume if fault == "paused" else redis.start)
            await asyncio.sleep(0.3)
            assert (await quotas.used("a", NOW))["a"] >= 6, "never too little"
            assert 0 < await take(quotas, 20) <= 4 and not quotas.status().away

    asyncio.run(test())


@cluster
def test_without_a_server_it_takes_what_comes_if_it_shall(redis: Redis) -> None:
    async def test() -> None:
        async with gateways(redis, 1, when_away="allow") as (quotas,):
            assert await take(quotas, 4) == 4
            await asyncio.to_thread(redis.stop)
            for _ in range(3):
                grants = await quotas.grant({"a": Want(10, 6), "b": Want(3, 9)}, NOW, False)
                assert {id: each.count for id, each in grants.items()} == {"a": 6, "b": 3}
            assert quotas.status().unchecked == 27
            assert await quotas.used("a", NOW) == {"a": 4}
            await asyncio.to_thread(redis.start)
            await asyncio.sleep(0.3)
            await quotas.give_back(grants, NOW)  # they were never counted
            assert await quotas.used("ab", NOW) == {"a": 4, "b": 0}
            assert await take(quotas, 9) == 6

    asyncio.run(test())


@cluster
def test_a_window_is_not_kept_for_ever(redis: Redis) -> None:
    import redis.asyncio as client

    async def test() -> None:
        async with gateways(redis, 1) as (quotas,), client.from_url(redis.url) as admin:
            await take(quotas, 1)
            keys = [key async for key in admin.scan_iter(f"*{{{NOW}}}")]
            assert keys and all([0 < await admin.pttl(key) <= 300_000 for key in keys])

    asyncio.run(test())


@pytest.mark.parametrize("url", ["", "http://x", "redis://x:nonsense/0", "127.0.0.1:6379"])
def test_a_url_that_cannot_be_is_told(url: str) -> None:
    with pytest.raises(StartError, match="Redis"):
        RedisQuotas(url)
