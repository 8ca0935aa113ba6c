"""Thousands that want nothing, and bodies that swell: nobody else notices, and memory stays."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from edge.crowd import Crowd, Kind
from edge.felt import tell_of
from edge.memory import MEBIBYTE, growth_below
from edge.steady import PATH, steady
from edge.swollen import swollen
from harness import Server
from wire.client import Client
from wire.languages import BIK

MOST_SECONDS = 60
"""It is 30 on a machine that has the time; what it took is printed."""
MOST_GROWTH = 200 * MEBIBYTE


def half_open(server: Server, count: int, rate: int, full: bool = False) -> None:
    """Half of them say nothing, the others half a head."""
    with (
        growth_below(server.pids()["gateway"], MOST_GROWTH) as growth,
        steady(server.url, server.key, rate) as good,
        Crowd(server.url, every=5) as crowd,
    ):
        for _ in range(10):
            crowd.join(Kind("silent"), count // 20)
            crowd.join(Kind("half a head", b"POST /v1/events/batch HTTP/1.1\r\nHost: headwater\r\nX-A"), count // 20)
        crowd.stay(MOST_SECONDS + 10)
        assert not crowd.left and max(crowd.lived) < MOST_SECONDS
    figures = {"sent away": len(crowd.lived), "the last after s": max(crowd.lived), "MiB more": growth.mib}
    tell_of("half-open connections", good.outcome, full, **figures)


def test_a_thousand_half_open(attacked: Server) -> None:
    half_open(attacked, 1_000, rate=50)


@pytest.mark.torture
def test_ten_thousand_half_open(attacked: Server) -> None:
    half_open(attacked, 10_000, rate=200, full=True)


def bombs(server: Server, seconds: float, at_once: int, rate: int, full: bool = False) -> None:
    """256 MiB of zeros as gzip, again and again, from several at once; each is told that it is too large."""
    body = swollen(256)
    over = threading.Event()

    def throw() -> int:
        headers = [("Authorization", f"Bearer {server.key}"), ("Content-Encoding", "gzip")]
        count = 0
        with closing(Client(server.url)) as client:
            while not over.is_set():
                answer = client.send("POST", PATH, headers, body)
                assert answer.status == 413, answer
                BIK.refusal(answer)
                count += 1
        return count

    with (
        growth_below(server.pids()["gateway"], MOST_GROWTH) as growth,
        steady(server.url, server.key, rate) as good,
        ThreadPoolExecutor(at_once) as pool,
    ):
        thrown = [pool.submit(throw) for _ in range(at_once)]
        time.sleep(seconds)
        over.set()
        count = sum(each.result() for each in thrown)
    figures = {"refused": count, "for s": seconds, "at once": at_once, "MiB more": growth.mib}
    tell_of("gzip of 256 MiB of zeros", good.outcome, full, **figures)


def test_gzip_of_many_zeros(attacked: Server) -> None:
    bombs(attacked, seconds=3, at_once=8, rate=50)


@pytest.mark.torture
def test_gzip_of_many_zeros_for_long(attacked: Server) -> None:
    bombs(attacked, seconds=30, at_once=32, rate=200, full=True)
