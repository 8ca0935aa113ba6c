"""Which request something is done for: its id, told in the answer and in each log line about it.

A client may send an id of its own (`X-Request-Id`); one that is no plain word is replaced by one of ours. The engine
gets the gateway's, so a question has one id in both roles' logs.
"""

import os
import re
from contextvars import ContextVar
from itertools import count

import msgspec

HEADER = "x-request-id"
SCOPE = "headwater.request"
"""Scope key under which the gateway's application finds its `About`."""

_WORD = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_prefix = os.urandom(5).hex().encode()
_numbers = count(1)


class About(msgspec.Struct, gc=False):
    """What is known of the request under way."""

    id: str
    workspace: str = ""
    """Once it is known whose key it is."""


REQUEST: ContextVar[About | None] = ContextVar("request", default=None)
"""The request that this task, or this thread, works for."""


def request_id(sent: bytes | None) -> bytes:
    """The client's, if it is a word that can stand in a log line; else a new one, unlike all others."""
    if sent is not None and _WORD.fullmatch(sent):
        return sent
    return b"%b-%x" % (_prefix, next(_numbers))


def current_id() -> str:
    """Empty outside of a request."""
    about = REQUEST.get()
    return about.id if about else ""
