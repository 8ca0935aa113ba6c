"""Signing in where there are several gateways; and that a change which waits for one keeps nobody else waiting."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from clustered import Cluster

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    return make_cluster("sign-in", engines=1)


def signed_in(cluster: Cluster, number: int, **body: str) -> httpx.Response:
    return httpx.post(f"{cluster.url(number)}/v1/session", json=body, timeout=30, trust_env=False)


def cookie_of(answer: httpx.Response) -> dict[str, str]:
    return {"cookie": answer.headers["set-cookie"].split(";")[0]}


def new_link(cluster: Cluster, number: int) -> str:
    with cluster.client(number) as client:
        answer = client.post("/v1/session/links")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["url"].partition("#")[2])


def status(cluster: Cluster, number: int, headers: dict[str, str]) -> int:
    return httpx.get(f"{cluster.url(number)}/v1/session", headers=headers, timeout=30, trust_env=False).status_code


def test_a_session_holds_and_ends_at_both(cluster: Cluster) -> None:
    cookie = cookie_of(signed_in(cluster, 0, key=cluster.key))
    assert [status(cluster, number, cookie) for number in (0, 1)] == [200, 200]
    from_page = cookie | {"origin": cluster.url(1)}
    ended = httpx.delete(f"{cluster.url(1)}/v1/session", headers=from_page, timeout=30, trust_env=False)
    assert ended.status_code == 204
    time.sleep(0.5)  # the other knows some milliseconds later
    assert [status(cluster, number, cookie) for number in (0, 1)] == [401, 401]


def test_a_link_is_spent_once_wherever_it_is_brought(cluster: Cluster) -> None:
    link = new_link(cluster, 0)
    assert signed_in(cluster, 1, link=link).status_code == 200
    assert [signed_in(cluster, number, link=link).status_code for number in (0, 1)] == [401, 401]


def test_one_of_many_at_once_gets_in(cluster: Cluster) -> None:
    for _ in range(3):
        link, start = new_link(cluster, 1), threading.Barrier(4)

        def bring(number: int, link: str = link, start: threading.Barrier = start) -> int:
            start.wait(30)
            return signed_in(cluster, number % 2, link=link).status_code

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(bring, range(4)))[0:2] == [200, 401]


@pytest.mark.parametrize("spoilt", ["", ".", "a.b", "link_x.key_y.1.0.AAAA", "é.\ud800", "x" * 200])
def test_what_was_not_made_here_is_no_link(cluster: Cluster, spoilt: str) -> None:
    from headwater.web.onetime import SharedLinks

    links = SharedLinks(None, b"s" * 32)  # type: ignore[arg-type]  # which is not asked
    assert links.find(spoilt, 0) is None
    token, link = links.make("key_a", 0, 7)
    assert links.find(token[:-1], 0) is None and links.find("x" + token, 0) is None
    assert links.find(token, link.expires_ms) is None
    assert len(token) <= 200


def test_a_change_that_waits_keeps_nobody_waiting(cluster: Cluster) -> None:
    """A gateway that hangs is waited for until its lease is over; the other one answers everybody else meanwhile."""
    hung = cluster.gateways[1]
    os.kill(hung.process.pid, signal.SIGSTOP)
    try:
        made: list[float] = []

        def change() -> None:
            began = time.monotonic()
            with cluster.client(0) as client:
                answer = client.post("/v1/signals", json={"name": "meanwhile", "type": "event"})
            assert answer.status_code == 201, answer.text
            made.append(time.monotonic() - began)

        changing = threading.Thread(target=change)
        changing.start()
        slowest = 0.0
        with httpx.Client(trust_env=False, timeout=30) as client:
            while changing.is_alive():
                began = time.monotonic()
                assert client.get(f"{cluster.url(0)}/livez").status_code == 200
                slowest = max(slowest, time.monotonic() - began)
                time.sleep(0.02)
        changing.join()
        print(f"the change took {made[0]:.2f} s; what was asked meanwhile at most {slowest * 1000:.0f} ms")
        assert made[0] > 1 > slowest
    finally:
        os.kill(hung.process.pid, signal.SIGCONT)
