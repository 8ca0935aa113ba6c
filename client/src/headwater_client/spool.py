"""Accepted events on disk until they were taken: one folder for a client, one file at a time for a process.

A file is lines, each with its CRC-32 in front: what stands in it is valid or passed over.

    E NUMBER DIALECT JSON      the event was accepted
    B KEY SECONDS NUMBERS      these events are a batch, first sent at that time (since 1970)
    D KEY NUMBERS              the batch is settled, but these events are free again, for another batch

Each line is one write(2) before `track` returns, or before the request is sent. So the kernel has it, and kill -9 loses
nothing. A power cut can: `sync` has each E and B line written through (fsync). A D line never is: without it a batch is
sent again under its key, which the server knows. Only a B line must never be there without the D lines before it: one
that the disk did not take is written first.
A line that fails is cut off again; one that was only not written through may be back after a power cut.

A process holds a lock (flock) on its files. What a dead process left is adopted under that lock, by whoever looks
first. Files are for their owner's eyes (0600): events are in them. The key of the API is not.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4
from weakref import WeakSet
from zlib import crc32

from headwater_client.errors import SettingsError
from headwater_client.events import Event, restored
from headwater_client.outbox import Batch, Item

_HEAD = b"headwater-spool 1"


class File:
    """One file, locked for this process."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd
        self.size = os.fstat(fd).st_size
        self.numbered = 0
        """Events ever written to it."""
        self.pending = 0
        """Events in it that are not settled."""
        self._mend = b"\n" if self.size and os.pread(fd, 1, self.size - 1) != b"\n" else b""
        """What ends a line that was cut off, before the next one."""
        self._owed: list[bytes] = []
        """D lines that could not be written."""

    @classmethod
    def make(cls, folder: Path, sync: bool) -> "File":
        """It gets its name only when it is locked: nobody adopts it in between. Raises OSError."""
        hidden = folder / f"{os.getpid()}-{uuid4().hex[:12]}.new"
        fd = os.open(hidden, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        file = cls(hidden, fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.append(_HEAD, sync)
            file.path = hidden.rename(hidden.with_suffix(".spool"))
            if sync:
                _sync_folder(folder)
        except BaseException:
            file.remove()
            raise
        return file

    @classmethod
    def of_the_dead(cls, path: Path) -> "File | None":
        """None while somebody has it, or when it is gone."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_nlink:
                return cls(path, fd)
        except BlockingIOError:
            pass
        os.close(fd)
        return None

    def append(self, text: bytes, sync: bool = False) -> None:
        """One line. Raises OSError; then it is not there."""
        line = b"%s%08x %s\n" % (self._mend, crc32(text), text)
        start = os.fstat(self.fd).st_size
        try:
            self._write(line)
            if sync:
                os.fsync(self.fd)
        except BaseException:
            self._take_back(start)
            raise
        self.size = start + len(line)
        self._mend = b""

    def owe(self, text: bytes) -> None:
        """One line that has to be there before certain others; written now if that can be."""
        self._owed.append(text)
        with contextlib.suppress(OSError):
            self.pay()

    def pay(self) -> None:
        """Writes what could not be written before. Raises OSError."""
        while self._owed:
            self.append(self._owed[0])
            del self._owed[0]

    def _write(self, line: bytes) -> None:
        written = os.write(self.fd, line)
        if written < len(line):
            written += os.write(self.fd, line[written:])  # says why: the disk is full
        if written < len(line):
            raise OSError("a line could not be written whole")

    def _take_back(self, start: int) -> None:
        """Nobody may find a line that failed, be it whole and only not written through."""
        try:
            os.ftruncate(self.fd, start)
        except OSError:
            self._mend = b"~\n"  # not even its last byte may make it valid

    def lines(self) -> Iterable[bytes]:
        """Those that are whole, from the first, if only their end is missing, too."""
        with open(os.dup(self.fd), "rb") as file:
            file.seek(0)
            for line in file:
                sum_, _, text = line.removesuffix(b"\n").partition(b" ")
                if sum_ == b"%08x" % crc32(text):
                    yield text

    def release(self) -> None:
        """Lets others have it. Idempotent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def remove(self) -> None:
        """All of it is settled, which its lines say as well, should it stay for want of permission."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        self.release()


@dataclass(frozen=True, slots=True)
class Found:
    """What a dead process left in one file."""

    file: File
    batches: Sequence[Batch]
    """With their keys; each may have been taken."""
    items: Sequence[Item]
    """In no batch."""


class Spool:
    """The folder, as one client of one process uses it. But for `adopt`, callers take turns."""

    def __init__(self, folder: Path, sync: bool, segment_bytes: int) -> None:
        self._folder = folder
        self._sync = sync
        self._segment_bytes = segment_bytes
        self._current: File | None = None
        self._files: set[File] = set()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"the spool {folder} cannot be made: {error.strerror}") from None
        _spools.add(self)

    def is_empty(self) -> bool:
        """No process has a file in it, dead or alive."""
        return not any(self._folder.glob("*.spool"))

    def write(self, event: Event) -> Item:
        """The event is kept from now on. Raises OSError: it is not."""
        file = self._current
        if file is None or file.size >= self._segment_bytes:
            self._retire(file)
            file = self._current = File.make(self._folder, self._sync)
            self._files.add(file)
        number = file.numbered
        file.numbered += 1
        file.append(b"E %d %s %s" % (number, event.dialect.encode(), event.body), self._sync)
        file.pending += 1
        return Item(event, file, number)

    def begin(self, batch: Batch) -> None:
        """Before a batch is sent first. Raises OSError: it must not be sent."""
        file = _home(batch.items)
        file.pay()  # or what an earlier batch set free would be in that one still
        file.append(b"B %s %d %s" % (batch.key.encode(), batch.formed, _numbers(batch.items)), self._sync)

    def end(self, batch: Batch, back: Sequence[Item]) -> None:
        """The batch is settled but for those items. Where that cannot be written now it is before the next batch, and
        after a kill until then the batch is sent again under its key."""
        file = _home(batch.items)
        if file.fd < 0:
            return  # closed meanwhile
        file.owe(b"D %s %s" % (batch.key.encode(), _numbers(back)))
        file.pending -= len(batch.items) - len(back)
        if not file.pending and file is not self._current:
            self._drop(file)

    def adopt(self, room: float) -> Found | None:
        """One dead process' file with events in it, locked; files without any are removed. None when there is none, or
        it holds more events than there is room for. Raises OSError."""
        for path in sorted(self._folder.glob("*.spool")):
            file = File.of_the_dead(path)
            if file is None:
                continue
            found = _read(file)
            if not file.pending:
                file.remove()
            elif file.pending <= room:
                return found
            else:
                file.release()
        return None

    def own(self, file: File) -> None:
        """An adopted file is this client's from now on."""
        self._files.add(file)

    def close(self) -> None:
        """What is not settled stays for whoever comes next. Idempotent."""
        for file in list(self._files):
            if file.pending:
                with contextlib.suppress(OSError):
                    file.pay()
                file.release()
            else:
                file.remove()
        self._files.clear()
        self._current = None

    def abandon(self) -> None:
        """In a forked child: the files are the parent's, whose lock would outlive it while the child has them open."""
        for file in self._files:
            file.release()
        self._files.clear()
        self._current = None

    def _retire(self, file: File | None) -> None:
        self._current = None
        if file is not None and not file.pending:
            self._drop(file)

    def _drop(self, file: File) -> None:
        self._files.discard(file)
        file.remove()


_spools: "WeakSet[Spool]" = WeakSet()


def _after_fork() -> None:
    for spool in list(_spools):
        spool.abandon()


os.register_at_fork(after_in_child=_after_fork)


def _home(items: Sequence[Item]) -> File:
    home = items[0].home
    assert isinstance(home, File)
    return home


def _numbers(items: Iterable[Item]) -> bytes:
    return ",".join(str(item.number) for item in items).encode()


def _read(file: File) -> Found:
    """Follows the lines; sets what the file knows of itself."""
    free: dict[int, Item] = {}
    batches: dict[str, Batch] = {}
    for text in file.lines():
        kind, _, rest = text.partition(b" ")
        with contextlib.suppress(ValueError, KeyError, TypeError):  # a line of another version
            if kind == b"E":
                number, dialect, body = rest.split(b" ", 2)
                free[int(number)] = Item(restored(dialect.decode(), body), file, int(number))
                file.numbered = int(number) + 1
            elif kind == b"B":
                key, formed, numbers = rest.decode().split(" ")
                items = tuple([free[int(number)] for number in numbers.split(",")])  # KeyError: they stay free
                batches[key] = Batch(items, key, float(formed), unknown=True, begun=True)
                for item in items:
                    del free[item.number]
            elif kind == b"D":
                key, _, numbers = rest.decode().partition(" ")
                back = {int(number) for number in numbers.split(",") if number}
                free |= {item.number: item for item in batches.pop(key).items if item.number in back}
    found = tuple(batches.values())
    file.pending = len(free) + sum(len(batch.items) for batch in found)
    return Found(file, found, tuple(free.values()))


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
