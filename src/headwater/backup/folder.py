"""The folder that backups lie in: what they are called, which are kept, what a kill left behind."""

import shutil
from contextlib import suppress
from pathlib import Path

from headwater.backup.manifest import NAME
from headwater.backup.target import PARTIAL, Target, Tell, told
from headwater.clock import to_iso
from headwater.errors import BackupError, LockedError
from headwater.locks import DirectoryLock

PREFIX = "headwater-"
_LOCK = ".headwater-backup.lock"


class Folder:
    """Locked for one backup at a time. Raises BackupError when it cannot be used."""

    def __init__(self, path: Path, data_dir: Path) -> None:
        self.path = path.absolute()
        if self.path.resolve().is_relative_to(data_dir.resolve()):
            raise BackupError(f"{path} lies in the data directory {data_dir}: what loses that would lose the backup")
        with told(f"make {path}"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._lock = DirectoryLock(self.path / _LOCK, 0)
        except LockedError as error:
            raise BackupError(f"another backup is being written to {path} (process {error.holder})") from None
        for left in self.path.glob(f"{PREFIX}*{PARTIAL}"):
            shutil.rmtree(left, ignore_errors=True)

    def target(self, began_ms: int, tell: Tell) -> Target:
        """A new backup, called by when it was begun: `headwater-20261122T150405Z`."""
        stamp = to_iso(began_ms).partition(".")[0].replace("-", "").replace(":", "")
        if (self.path / f"{PREFIX}{stamp}Z").exists():
            raise BackupError(f"{self.path / f'{PREFIX}{stamp}Z'} is there already")
        return Target(self.path, f"{PREFIX}{stamp}Z", tell)

    def keep(self, most: int) -> list[Path]:
        """Removes all but the newest `most` backups; gives those that it removed."""
        found = sorted(path.parent for path in self.path.glob(f"{PREFIX}*/{NAME}"))
        gone = found[:-most]
        for path in gone:
            # First to something that is no backup: what a kill leaves of it is removed by the next one.
            aside = path.with_name(f"{path.name}{PARTIAL}")
            with told(f"remove {path}"):
                path.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        return gone

    def close(self) -> None:
        with suppress(OSError):
            self._lock.release()
