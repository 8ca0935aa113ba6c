"""In which order requests are begun, by the loop that the gateway has."""

import asyncio
from itertools import pairwise

import uvloop

from headwater.web.turns import Turns

CROWD = 50


async def _begun() -> list[int]:
    """How many of a crowd had begun at each look of the loop."""
    loop, turns, begun = asyncio.get_running_loop(), Turns(), list[int]()
    for number in range(CROWD):
        turns.take(loop, lambda number=number: begun.append(number))  # type: ignore[misc]
    counts = [0, len(begun)]
    async with asyncio.timeout(20):
        while len(begun) < CROWD:
            await asyncio.sleep(0)
            counts.append(len(begun))
    assert begun == [*range(CROWD)], "not in the order in which they came"
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    turns.take(loop, lambda: begun.append(CROWD))
    assert begun[-1] == CROWD, "who comes alone waits for nothing"
    return counts


def test_a_crowd_is_begun_a_few_at_a_look() -> None:
    counts = uvloop.run(_begun())
    steps = {later - before for before, later in pairwise(counts)}
    assert max(steps) <= Turns.AT_ONCE < CROWD
