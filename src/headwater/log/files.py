"""The log as framed, checksummed append files."""

import logging
import os
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from errno import EIO, ENOSPC
from pathlib import Path

from msgspec import structs

from headwater.advice import is_full, readable
from headwater.durable import make_directory, sync
from headwater.errors import CorruptionError, StartError
from headwater.locks import WAIT_SECONDS, DirectoryLock
from headwater.log import record
from headwater.log.base import Survey
from headwater.log.commit import LOST, GroupCommit, describe
from headwater.log.published import Published, Stored, open_or_create
from headwater.log.reader import SegmentedReader
from headwater.log.segments import Found, Segment, bases, path_of, scan

_SUFFIX = ".log"
_PROBE = 4 << 20
_ASK_SECONDS = 0.1

_logger = logging.getLogger(__name__)


class Disk:
    """The system calls an appender's promise hangs on, in one place."""

    def create(self, path: Path) -> int:
        """An empty file, durable under its name; it replaces one that was there."""
        aside = path.with_suffix(".new")
        fd = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.fsync(fd)
            aside.rename(path)
            sync(path.parent)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def write(self, fd: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        return os.pwritev(fd, buffers, offset)

    def sync(self, fd: int) -> None:
        os.fdatasync(fd)

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def free(self, fd: int) -> int:
        """Bytes left for such as us."""
        about = os.fstatvfs(fd)
        return about.f_bavail * about.f_frsize

    def read(self, fd: int, count: int) -> bytes:
        return os.pread(fd, count, 0)

    def forget(self, fd: int) -> None:
        """Empties the page cache of the file, so that the next read comes from the disk."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


class _Room:
    """Keeps `reserve` bytes free. After a refusal `resume` bytes must be free, so that it does not come and go."""

    def __init__(self, disk: Disk, reserve: int, resume: int) -> None:
        self._disk = disk
        self._reserve = reserve
        self._resume = max(reserve, resume)
        self._left = 0
        self._asked = 0.0
        self._short = False

    def take(self, fd: int, count: int) -> None:
        """Before a write of `count` bytes. Raises OSError (ENOSPC) when that would leave less than the reserve.

        The disk is asked ten times a second and when the answer is near, not at each commit: a system call gives the
        interpreter away, and a batch waits for its return.
        """
        if not self._reserve:
            return
        now = time.monotonic()
        if self._left < self._reserve + count or now - self._asked > _ASK_SECONDS:
            self._ask(fd, self._reserve + count, now)
        self._left -= count

    def probe(self, fd: int) -> None:
        """Before batches are let in again after a failure."""
        wanted = self._resume if self._short else self._reserve
        if wanted:
            self._ask(fd, wanted, time.monotonic())

    def failed(self, error: Exception) -> None:
        """Notes why a write failed."""
        self._short = self._short or is_full(error)

    def succeeded(self) -> None:
        self._short = False

    def _ask(self, fd: int, wanted: int, now: float) -> None:
        self._left, self._asked = self._disk.free(fd), now
        if self._left < wanted:
            left, kept = readable(self._left), readable(wanted)
            raise OSError(ENOSPC, f"{left} are left and {kept} must be free, so the disk is nearly full")


class FilesAppender(GroupCommit):
    """An `Appender`. Opening it waits for the lock, then repairs what a crash tore.

    `segment_bytes`: a segment is closed before it would outgrow them. `reserve_bytes`: with less space left on the
    disk, batches are refused, so that the engine has room to store what was taken; `resume_bytes` must be free before
    they are taken again after the disk was full. Raises StartError when another process keeps the lock for
    `wait_seconds`, CorruptionError when records that were durable are not there.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = 64 << 20,
        reserve_bytes: int = 0,
        resume_bytes: int = 0,
        wait_seconds: float = WAIT_SECONDS,
        disk: Disk | None = None,
    ) -> None:
        make_directory(directory)
        lock = DirectoryLock(directory / "lock", wait_seconds)
        disk = disk or Disk()
        try:
            medium = _SegmentFiles(directory, segment_bytes, _Room(disk, reserve_bytes, resume_bytes), disk, lock)
        except OSError as error:
            lock.release()
            raise StartError(describe(error)) from error
        except BaseException:
            lock.release()
            raise
        super().__init__(medium, directory)


class _SegmentFiles:
    """The `Medium`: one open segment, written at its end."""

    def __init__(self, directory: Path, segment_bytes: int, room: _Room, disk: Disk, lock: DirectoryLock) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._room = room
        self._disk = disk
        self._lock = lock
        self._published = open_or_create(directory)
        self._stored: Stored | None = None
        self._failed_bytes = 0
        self._must_begin = False
        self._begun = time.monotonic()
        """When the first record came into the segment, as far as is known."""
        self._doubted: tuple[int, int] | None = None
        """Positions that were durable before a write to their segment failed, to be read back from the disk."""
        try:
            self._base, self._fd = self._open()
        except BaseException:
            self._published.close()
            raise

    @property
    def durable(self) -> int:
        return self._durable

    def backlog(self) -> int:
        with suppress(OSError, ValueError, CorruptionError):
            self._stored = self._stored or Stored(self._directory, writable=False)
        stored = self._stored.position if self._stored else 0
        with suppress(OSError):
            stored = max(stored, *bases(self._directory, _SUFFIX)[:1])
        return max(0, self._durable - stored)

    def write(self, records: Sequence[bytes]) -> None:
        self._failed_bytes = count = sum(map(len, records))
        try:
            self._append(records, count)
        except OSError as error:
            self._room.failed(error)
            raise

    def _append(self, records: Sequence[bytes], count: int) -> None:
        offset = self._durable - self._base
        if self._must_begin or (offset and offset + count > self._segment_bytes):
            self._begin()
            offset = 0
        if not offset:
            self._begun = time.monotonic()
        self._room.take(self._fd, count)
        self._write(records, count, offset)
        self._disk.sync(self._fd)
        self._durable += count
        self._published.durable = self._durable

    def disown(self) -> None:
        self._doubted = self._doubted or (self._base, self._durable)
        self._published.cut = self._durable
        for step in (self._published.flush, self._truncate):
            try:
                step()
            except OSError as error:
                _logger.warning("could not yet remove what a failed write left in the log: %s", error)

    def roll(self, older_seconds: float) -> None:
        if self._durable > self._base and (self._is_unwanted() or time.monotonic() - self._begun >= older_seconds):
            # What fails may have left the new segment's file: nothing may be written behind its beginning in the old.
            self._must_begin = True
            self._begin()

    def _is_unwanted(self) -> bool:
        with suppress(OSError, CorruptionError):
            self._stored = self._stored or Stored(self._directory, writable=False)
        return self._stored is not None and self._base < self._stored.wanted

    def renew(self) -> None:
        try:
            self._begin()
            self._probe()
            self._verify()
        except OSError as error:
            self._room.failed(error)
            with suppress(OSError):  # what the probe took of a full disk
                self._disk.truncate(self._fd, self._durable - self._base)
            raise
        self._published.cut = None
        try:
            self._published.flush()
        except OSError:
            self._published.cut = self._durable
            raise
        self._room.succeeded()

    def close(self) -> None:
        with suppress(OSError):
            self._published.flush()
        self._published.close()
        os.close(self._fd)
        self._lock.release()

    def _open(self) -> tuple[int, int]:
        """Base and descriptor of the segment to go on with, repaired; publishes the durable end."""
        begins = bases(self._directory, _SUFFIX)
        if not begins and not self._published.durable:
            self._durable = 0
            return 0, self._disk.create(path_of(self._directory, 0, _SUFFIX))
        base = begins[-1] if begins else 0
        self._durable = _recovered_end(self._directory, base, self._published) if begins else 0
        if self._durable < self._published.durable:
            raise CorruptionError(LOST.format(self._durable, self._published.durable, self._directory))
        fd = os.open(path_of(self._directory, base, _SUFFIX), os.O_RDWR)
        self._disk.truncate(fd, self._durable - base)
        os.fsync(fd)
        sync(self._directory)
        self._published.durable = self._durable
        self._published.cut = None
        self._published.flush()
        return base, fd

    def _begin(self) -> None:
        """A new segment from the durable end on. One of that name, if there is any, holds nothing durable."""
        fd = self._disk.create(path_of(self._directory, self._durable, _SUFFIX))
        old, self._base, self._fd = self._fd, self._durable, fd
        self._must_begin = False
        with suppress(OSError):  # what a close could tell, the syncs have told
            os.close(old)

    def _write(self, records: Sequence[bytes], size: int, offset: int) -> None:
        written = self._disk.write(self._fd, records, offset)
        if written == size:
            return
        rest = memoryview(b"".join(records))
        while written < size:
            more = self._disk.write(self._fd, [rest[written:]], offset + written)
            if not more:
                raise OSError(EIO, "the disk takes no byte of a write and does not say why")
            written += more

    def _truncate(self) -> None:
        self._disk.truncate(self._fd, self._durable - self._base)
        self._disk.sync(self._fd)

    def _probe(self) -> None:
        """As much as failed last must go through before batches are let in again."""
        self._room.probe(self._fd)
        size = min(self._failed_bytes, _PROBE)
        self._write([bytes(size)], size, 0)
        self._disk.sync(self._fd)
        self._truncate()

    def _verify(self) -> None:
        """Reads from the disk what was durable in the segment whose write failed.

        The last page of it was written together with what failed, and after a failed sync the page cache may show
        what the disk does not have. If it is damaged there, what the cache still has is written once more. Raises
        CorruptionError when that does not help: then nothing is taken, and it is tried again.
        """
        if self._doubted is None:
            return
        base, end = self._doubted
        try:
            fd = os.open(path_of(self._directory, base, _SUFFIX), os.O_RDWR)
        except FileNotFoundError:  # trimmed: all of it is stored
            self._doubted = None
            return
        try:
            self._read_back(fd, base, end)
        finally:
            os.close(fd)
        self._doubted = None

    def _read_back(self, fd: int, base: int, end: int) -> None:
        cached = self._disk.read(fd, end - base)
        self._disk.forget(fd)
        if _is_whole(self._disk.read(fd, end - base), base, end):
            return
        if _is_whole(cached, base, end):
            self._write_again(fd, cached)
            self._disk.forget(fd)
            if _is_whole(self._disk.read(fd, end - base), base, end):
                _logger.error("the disk had damaged durable records at %d to %d; they were written again", base, end)
                return
        raise CorruptionError(f"acknowledged records at positions {base} to {end} cannot be read back from the disk")

    def _write_again(self, fd: int, data: bytes) -> None:
        written = 0
        while written < len(data):
            written += self._disk.write(fd, [memoryview(data)[written:]], written)
        self._disk.sync(fd)


def _is_whole(data: bytes, base: int, end: int) -> bool:
    """Whether `data` is nothing but whole records, from `base` to `end`."""
    at = 0
    try:
        while at < len(data):
            at += record.verify(data, at)
    except CorruptionError:
        return False
    return base + at == end


def _recovered_end(directory: Path, base: int, published: Published) -> int:
    """Where the newest segment's last whole record ends.

    Those behind the last known durable end count, for they may have been acknowledged just before a kill; but not
    those behind a cut, which were refused.
    """
    fd = os.open(path_of(directory, base, _SUFFIX), os.O_RDONLY)
    end = base
    try:
        size = base + os.fstat(fd).st_size
        for found in scan(fd, base, size, base, size):
            record.verify(found.data, found.at)
            end = found.end
    except CorruptionError:
        _logger.warning("the log ends at position %d; a crash tore what was being written there", end)
    finally:
        os.close(fd)
    return end if published.cut is None else max(base, min(end, published.cut))


class FilesReader(SegmentedReader):
    """A `Reader`, safe to use from several threads; it keeps no file open between calls."""

    suffix = _SUFFIX

    def survey(self) -> Survey:
        found = super().survey()
        if not found.segments:
            return found
        last = found.segments[-1]
        return structs.replace(found, behind=max(0, last.base + last.size - found.durable))

    def _found(self, segment: Segment, start: int, stop: int) -> Generator[Found, None, None]:
        fd = os.open(segment.path, os.O_RDONLY)
        try:
            yield from scan(fd, segment.base, segment.end, start, stop)
        finally:
            os.close(fd)
