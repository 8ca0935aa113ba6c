"""Every shape of request smuggling, over and over, from several at once: answered as ever, and nobody else notices."""

import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random

import pytest

from edge.felt import tell_of
from edge.memory import MEBIBYTE, growth_below
from edge.steady import steady
from harness import Server
from tools import often
from wire.client import raw
from wire.shapes import CANARY, KEY, SHAPES, Shape

SEED, AT_ONCE = 20_261_123, 8


def wrong(server: Server, shape: Shape) -> str:
    """What a shape and the canary behind it were answered, where that is not what it should be."""
    received = raw(server.url, (shape.data + CANARY).replace(KEY, server.key.encode()))
    statuses = tuple(int(each) for each in re.findall(rb"HTTP/1\.1 (\d+) ", received) if each != b"100")
    return "" if statuses == shape.statuses else f"{shape}: {statuses} {received[:500]!r}"


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_shapes_beside_a_good_client(attacked: Server) -> None:
    shapes = SHAPES * often(100)
    Random(SEED).shuffle(shapes)
    with (
        growth_below(attacked.pids()["gateway"], 200 * MEBIBYTE) as growth,
        steady(attacked.url, attacked.key, rate=200) as good,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        faults = [fault for fault in pool.map(partial(wrong, attacked), shapes) if fault]
    figures = {
        "shapes": len(SHAPES),
        "requests": len(shapes),
        "answered otherwise": len(faults),
        "MiB more": growth.mib,
    }
    assert not faults, faults[:5]
    tell_of("request smuggling", good.outcome, True, SEED, **figures)
