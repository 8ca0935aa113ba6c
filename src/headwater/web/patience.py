"""How long a connection may take over what, and what progress is."""

import socket
import struct
from asyncio import Transport
from contextlib import suppress

HEAD_SECONDS = 10
"""From a connection's or request's first moment until its head is there."""
BODY_SECONDS = 120
"""From the head until the whole body is there: 5 MiB at the speed of a slow mobile line."""
IDLE_SECONDS = 75
"""Between requests: longer than the usual 60 s of proxies, which must be the first to close."""
CROWDED_IDLE_SECONDS = 15
"""The same while there are more than CROWD connections: those are no proxies' any more."""
CROWD = 200
LINGER_SECONDS = 2
"""From the last answer until the connection is cut, for the client to read it: data that nobody reads makes the
kernel throw the answer away."""
REST_SECONDS = 2
"""An answered connection is busy with others' answers, not slow, until it has been silent for so long."""

PACE_SECONDS = 10
"""A body must bring PACE_BYTES in each such span."""
PACE_BYTES = 5_000
"""500 bytes a second: a tenth of the slowest mobile line, many times a client that drips to hold a place."""
TAKE_SECONDS = 15
"""An answer's client must take PACE_BYTES of it in each such span; longer, for it may work on what it has."""

STALL_SECONDS = 30
"""What is told bit by bit, for hours perhaps, is taken bit by bit: whoever has something to take and takes none of it
for so long reads nothing, or is gone."""


class Pace:
    """Whether a count that only grows has grown enough."""

    __slots__ = ("_mark", "_seconds", "_since")

    def __init__(self, seconds: float, count: int, now: float) -> None:
        self._seconds, self._mark, self._since = seconds, count, now

    def too_slow(self, count: int, now: float) -> bool:
        """At the end of each span: whether it brought less than PACE_BYTES."""
        if now - self._since < self._seconds:
            return False
        slow = count - self._mark < PACE_BYTES
        self._mark, self._since = count, now
        return slow


_UNACKED, _ACKED, _NOT_SENT = 24, 120, 144
"""Offsets in Linux's struct tcp_info: segments on their way, bytes that arrived, bytes still in the kernel's buffer."""
_CUT = struct.pack("ii", 1, 0)
_GONE = (OSError, AttributeError, ValueError)
"""What asking a transport's socket raises when it was closed meanwhile (uvloop: a negative descriptor)."""


def untaken(transport: Transport) -> tuple[bool, int]:
    """Whether the client still has to take something, and how many bytes it has taken so far.

    What the kernel holds counts, too: it takes megabytes off our hands that the client never reads. Where the kernel
    does not tell, only our own buffer counts, and what was taken is unknown: 0.
    """
    mine = transport.get_write_buffer_size() > 0
    with suppress(*_GONE, struct.error):
        info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _NOT_SENT + 4)
        (unacked,), (acked,), (left,) = (
            struct.unpack_from(form, info, at) for form, at in (("I", _UNACKED), ("Q", _ACKED), ("I", _NOT_SENT))
        )
        return mine or unacked > 0 or left > 0, acked
    return mine, 0


def cut(transport: Transport) -> None:
    """Ends a connection now, and with it what the kernel holds for it, which would wait for the client otherwise."""
    with suppress(*_GONE):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CUT)
    transport.abort()
