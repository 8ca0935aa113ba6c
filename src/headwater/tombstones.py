"""Who was erased: so that a backup that is older than that can be restored without bringing anybody back.

One JSON a line, in a file of the owner's alone. An identity stands there as a hash that is keyed with the secret of the
data directory, so the file says nothing about anybody; whoever has the secret can tell whether one they know is in it.
"""

import hmac
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from headwater.durable import sync
from headwater.errors import CorruptionError


class Tombstone(msgspec.Struct, frozen=True, gc=False):
    """An identity of a workspace whose events received until `at_ms` were erased."""

    at_ms: int
    workspace: str
    hash: str
    """`hash_of` its identity."""


_decode = msgspec.json.Decoder(Tombstone).decode


def hash_of(secret: bytes, workspace: str, identity: str) -> str:
    """64 hexadecimal digits: HMAC-SHA256."""
    return hmac.digest(secret, f"{workspace}\0{identity}".encode(), "sha256").hex()


def read(path: Path) -> list[Tombstone]:
    """All of them, oldest first; none where there is no file. A line that a crash cut short does not count, for the
    erasure had not begun. Raises CorruptionError for any other that cannot be read."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    try:
        return [_decode(line) for line in lines[:-1]]
    except msgspec.MsgspecError as error:
        raise CorruptionError(f"{path} is damaged: {error}") from error


class Tombstones:
    """The list of a data directory. `secret` is the file that its keys are hashed with; the gateway makes it."""

    def __init__(self, path: Path, secret: Path) -> None:
        self._path = path
        self._secret = secret

    def add(self, workspace: str, identities: Iterable[str], at_ms: int) -> None:
        """Durable when it returns. What is there already is not written again. Raises OSError, CorruptionError."""
        known, secret = set(read(self._path)), self._secret.read_bytes()
        made = [Tombstone(at_ms, workspace, hash_of(secret, workspace, each)) for each in sorted({*identities})]
        fresh = b"".join(msgspec.json.encode(each) + b"\n" for each in made if each not in known)
        if fresh:
            self._append(fresh)

    def _append(self, lines: bytes) -> None:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            size = os.fstat(fd).st_size
            end = os.pread(fd, size, 0).rfind(b"\n") + 1  # behind it lies what a crash cut short
            os.ftruncate(fd, end)
            os.pwrite(fd, lines, end)
            os.fsync(fd)
        finally:
            os.close(fd)
        sync(self._path.parent)
