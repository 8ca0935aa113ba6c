"""The log as framed, checksummed append files."""

import logging
import os
from collections.abc import Generator, Sequence
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path

from headwater.errors import CorruptionError, StartError
from headwater.locks import WAIT_SECONDS, DirectoryLock
from headwater.log import record
from headwater.log.commit import LOST, GroupCommit, describe
from headwater.log.published import Published, open_or_create, sync_directory
from headwater.log.reader import SegmentedReader
from headwater.log.segments import Found, Segment, bases, path_of, scan

_SUFFIX = ".log"
_PROBE = 4 << 20

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
            sync_directory(path.parent)
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


class FilesAppender(GroupCommit):
    """An `Appender`. Opening it waits for the lock, then repairs what a crash tore.

    `segment_bytes`: a segment is closed before it would outgrow them. `reserve_bytes`: with less space left on the
    disk, batches are refused, so that the engine has room to store what was taken. Raises StartError when another
    process keeps the lock for `wait_seconds`, CorruptionError when records that were durable are not there.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = 64 << 20,
        reserve_bytes: int = 0,
        wait_seconds: float = WAIT_SECONDS,
        disk: Disk | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = DirectoryLock(directory / "lock", wait_seconds)
        try:
            medium = _SegmentFiles(directory, segment_bytes, reserve_bytes, disk or Disk(), lock)
        except OSError as error:
            lock.release()
            raise StartError(describe(error)) from error
        except BaseException:
            lock.release()
            raise
        super().__init__(medium)


class _SegmentFiles:
    """The `Medium`: one open segment, written at its end."""

    def __init__(
        self, directory: Path, segment_bytes: int, reserve_bytes: int, disk: Disk, lock: DirectoryLock
    ) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._reserve_bytes = reserve_bytes
        self._disk = disk
        self._lock = lock
        self._published = open_or_create(directory)
        self._failed_bytes = 0
        try:
            self._base, self._fd = self._open()
        except BaseException:
            self._published.close()
            raise

    @property
    def durable(self) -> int:
        return self._durable

    def write(self, records: Sequence[bytes]) -> None:
        self._failed_bytes = size = sum(map(len, records))
        offset = self._durable - self._base
        if offset and offset + size > self._segment_bytes:
            self._begin()
            offset = 0
        self._check_space()
        self._write(records, size, offset)
        self._disk.sync(self._fd)
        self._durable += size
        self._published.durable = self._durable

    def disown(self) -> None:
        self._published.cut = self._durable
        for step in (self._published.flush, self._truncate):
            try:
                step()
            except OSError as error:
                _logger.warning("could not yet remove what a failed write left in the log: %s", error)

    def renew(self) -> None:
        self._begin()
        self._probe()
        self._published.cut = None
        try:
            self._published.flush()
        except OSError:
            self._published.cut = self._durable
            raise

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
        sync_directory(self._directory)
        self._published.durable = self._durable
        self._published.cut = None
        self._published.flush()
        return base, fd

    def _begin(self) -> None:
        """A new segment from the durable end on. One of that name, if there is any, holds nothing durable."""
        fd = self._disk.create(path_of(self._directory, self._durable, _SUFFIX))
        os.close(self._fd)
        self._base, self._fd = self._durable, fd

    def _write(self, records: Sequence[bytes], size: int, offset: int) -> None:
        written = self._disk.write(self._fd, records, offset)
        if written == size:
            return
        rest = memoryview(b"".join(records))
        while written < size:
            written += self._disk.write(self._fd, [rest[written:]], offset + written)

    def _check_space(self) -> None:
        if self._reserve_bytes and self._disk.free(self._fd) < self._reserve_bytes:
            raise OSError(ENOSPC, "the disk is nearly full")

    def _truncate(self) -> None:
        self._disk.truncate(self._fd, self._durable - self._base)
        self._disk.sync(self._fd)

    def _probe(self) -> None:
        """As much as failed last must go through before batches are let in again."""
        self._check_space()
        size = min(self._failed_bytes, _PROBE)
        self._write([bytes(size)], size, 0)
        self._disk.sync(self._fd)
        self._truncate()


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

    def _found(self, segment: Segment, start: int, stop: int) -> Generator[Found, None, None]:
        fd = os.open(segment.path, os.O_RDONLY)
        try:
            yield from scan(fd, segment.base, segment.end, start, stop)
        finally:
            os.close(fd)
