"""A network of its own for a process, tied to this machine by cables that can be cut (Linux, as root).

A cut is silent, as that of a cable further away is: both ends stay up and send, and nothing arrives. That is done by
giving each end a wrong hardware address of the other; no part of the kernel is needed that could be missing.
"""

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools import need

_NOBODY = "02:00:00:00:00:01"
_PREFIX = "headwater-test-"


class Cable:
    """Between this machine and the other network: an address at each end."""

    def __init__(self, space: str, here: str, there: str, name: str) -> None:
        self.here, self.there = here, there
        self._space, self._name = space, name

    def cut(self) -> None:
        self._each("replace", "lladdr", _NOBODY, "nud", "permanent")

    def mend(self) -> None:
        self._each("del")

    def _each(self, verb: str, *options: str) -> None:
        _ip("neigh", verb, self.there, "dev", self._name, *options)
        _ip("-n", self._space, "neigh", verb, self.here, "dev", self._name, *options)


class Space:
    """A network namespace."""

    def __init__(self, name: str, cables: list[Cable]) -> None:
        self.cables = cables
        self.command = (need("ip"), "netns", "exec", name)
        """To be put before the command of what shall run in it."""


@contextmanager
def space(cables: int) -> Iterator[Space | None]:
    """A network with so many cables; None where this machine does not let us make one."""
    _sweep()
    name, block = f"{_PREFIX}{os.getpid()}", f"198.18.{random.randrange(256)}"  # addresses for tests of networks
    try:
        _ip("netns", "add", name)
        made = [_laid(name, f"{block}.{4 * n + 1}", f"{block}.{4 * n + 2}", n) for n in range(cables)]
        _ip("-n", name, "link", "set", "lo", "up")
    except (OSError, subprocess.CalledProcessError):
        _remove(name)
        yield None
        return
    try:
        yield Space(name, made)
    finally:
        _remove(name)


def _laid(space: str, here: str, there: str, number: int) -> Cable:
    near = f"hw{os.getpid()}n{number}"  # at both ends; 15 characters at most
    _ip("link", "add", near, "type", "veth", "peer", "name", near + "p")
    _ip("link", "set", near + "p", "netns", space, "name", near)
    for inside, address in (((), here), (("-n", space), there)):
        _ip(*inside, "addr", "add", f"{address}/30", "dev", near)
        _ip(*inside, "link", "set", near, "up")
    return Cable(space, here, there, near)


def _ip(*words: str) -> None:
    subprocess.run([need("ip"), *words], check=True, capture_output=True, timeout=20)


def _remove(name: str) -> None:
    """With the last process in it the cables go, too."""
    subprocess.run([need("ip"), "netns", "del", name], check=False, capture_output=True, timeout=20)


def _sweep() -> None:
    """Those of tests that were killed."""
    for path in Path("/run/netns").glob(f"{_PREFIX}*"):
        if not Path(f"/proc/{path.name.removeprefix(_PREFIX)}").exists():
            _remove(path.name)
