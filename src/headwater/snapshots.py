"""A SQLite file as it is at one moment, written out later, while others go on writing to it."""

from collections.abc import Callable
from pathlib import Path

import apsw

from headwater.durable import sync
from headwater.errors import BackupError, CorruptionError
from headwater.readonly import faults_of, look_at, told

_PAGES = 2_000
"""Pages copied at once, 8 MB."""
_VERSION_AT = 60
"""Where a SQLite file has the number that `PRAGMA user_version` tells: 4 bytes, the greatest first."""


class Snapshot:
    """What `path` holds from here on is that of now, whatever becomes of it. `scratch` as `readonly.look_at` has it.

    As long as it is open, the file's write-ahead log can only grow. Raises CorruptionError, StartError.
    """

    def __init__(self, path: Path, scratch: Path | None) -> None:
        self.path = path
        self._connection = look_at(path, scratch)
        with told(path):
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()

    @property
    def size(self) -> int:
        """Bytes that it takes when it is written out."""
        pages, page = self._connection.pragma("page_count"), self._connection.pragma("page_size")
        return int(pages) * int(page)

    def write(self, target: Path, tell: Callable[[int], None] = lambda _: None) -> None:
        """Into a new file, durable; `tell` hears of bytes as they are done. Raises OSError when the disk is full."""
        target.touch(mode=0o600, exist_ok=False)
        copy = apsw.Connection(str(target))
        try:
            copy.execute("PRAGMA journal_mode = OFF").fetchall()
            copy.execute("PRAGMA synchronous = OFF").fetchall()
            self._copy(copy, tell)
        except apsw.FullError as error:
            raise BackupError(f"the disk of {target} is full") from error
        except apsw.CorruptError as error:
            raise CorruptionError(f"{self.path} is damaged: {error}") from error
        except apsw.Error as error:
            raise BackupError(f"{self.path} could not be written to {target}: {error}") from error
        finally:
            copy.close()
        sync(target)

    def _copy(self, copy: apsw.Connection, tell: Callable[[int], None]) -> None:
        page = int(self._connection.pragma("page_size"))
        with copy.backup("main", self._connection, "main") as backup:
            left = None
            while not backup.done:
                backup.step(_PAGES)
                before = backup.page_count if left is None else left
                left = backup.remaining
                tell((before - left) * page)

    def close(self) -> None:
        self._connection.close()


def check(path: Path) -> None:
    """Looks through a file that nobody has open. Raises CorruptionError when SQLite finds a page of it damaged."""
    connection = look_at(path, path.parent)
    try:
        faults = faults_of(connection, quick=True)
    finally:
        connection.close()
    if faults:
        raise CorruptionError(f"{path.name} is damaged: {faults[0]}")


def version_of(path: Path) -> int:
    """Which version of its schema a file has that nobody has open; 0 for an empty one."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(_VERSION_AT + 4)[_VERSION_AT:], "big")
