"""How connections are taken in, on real sockets."""

import asyncio
import errno
import socket
from contextlib import ExitStack
from itertools import pairwise

import pytest
import uvloop

from headwater.web.listener import AT_ONCE, Listener

CROWD = 100


class Came(asyncio.Protocol):
    """One that came; `all_of_them` has them in order."""

    all_of_them: list["Came"]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.all_of_them.append(self)


class Scarce(socket.socket):
    """Has no descriptor left for the first that ask."""

    refusals = 3

    def accept(self) -> tuple[socket.socket, object]:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def _take_in(listening: socket.socket) -> list[int]:
    """How many had come at each look of the loop, until all of the crowd are in."""
    Came.all_of_them, counts = [], [0]
    taking = Listener(listening, Came, None)
    async with asyncio.timeout(20):
        while counts[-1] < CROWD:
            await asyncio.sleep(0)
            counts.append(len(Came.all_of_them))
    taking.close()
    await taking.wait_closed()
    return counts


def taken_in(listening: socket.socket) -> list[int]:
    with ExitStack() as stack:
        stack.enter_context(listening)
        listening.bind(("127.0.0.1", 0))
        listening.listen(CROWD)
        for _ in range(CROWD):
            stack.enter_context(socket.create_connection(listening.getsockname()))
        return uvloop.run(_take_in(listening))


def test_those_that_wait_are_taken_in_a_few_at_a_time() -> None:
    counts = taken_in(socket.socket())
    # One look makes connections of what the one before took in, and tells of those before: two looks' at most.
    assert max(later - before for before, later in pairwise(counts)) <= 2 * AT_ONCE


def test_nobody_is_lost_while_there_are_no_descriptors(caplog: pytest.LogCaptureFixture) -> None:
    assert taken_in(Scarce())[-1] == CROWD
    assert [record.message for record in caplog.records if "Too many open files" in record.message]
    assert len(caplog.records) == 1, "once is enough"
