"""What a backup is: a folder with a manifest, which names every file in it with its size and hash.

    BACKUP/manifest.json   {"manifest": {…}, "sha256": of the manifest's bytes as they stand there}
    BACKUP/data/…          the data directory's files, each a whole one

Links between folders and empty folders are in the manifest alone, so that any file system can hold a backup.
"""

import hashlib
from pathlib import Path, PurePosixPath

import msgspec

from headwater.errors import BackupError

FORMAT = 1
NAME = "manifest.json"
DATA = "data"


class File(msgspec.Struct, frozen=True):
    path: str
    """Below the data directory, parts joined by `/`."""
    size: int
    sha256: str
    """Hexadecimal."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a backup, and when it was."""

    format: int
    headwater: str
    """The version that made it."""
    began_at: str
    """All that was acknowledged before is in it. ISO 8601."""
    ended_at: str
    running: bool
    """Whether the engine ran meanwhile."""
    log_end: int
    """The log's position up to which it has all."""
    versions: dict[str, int]
    """Of the schema of each part."""
    files: tuple[File, ...]
    links: dict[str, str]
    """Symbolic links: where they are, and where they lead."""
    folders: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class _Kept(msgspec.Struct):
    manifest: msgspec.Raw
    sha256: str


class _Format(msgspec.Struct):
    format: int = 0
    headwater: str = "?"


def encode(manifest: Manifest) -> bytes:
    text = msgspec.json.encode(manifest)
    return msgspec.json.encode(_Kept(msgspec.Raw(text), hashlib.sha256(text).hexdigest())) + b"\n"


def read(backup: Path) -> Manifest:
    """Raises BackupError when there is none, when it is damaged, or when a newer headwater wrote it."""
    path = backup / NAME
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
    except FileNotFoundError:
        raise BackupError(f"{backup} is no backup: there is no {NAME} in it{_perhaps(backup)}") from None
    except OSError as error:
        raise BackupError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise BackupError(f"{path} is damaged: {error}") from None
    if hashlib.sha256(kept.manifest).hexdigest() != kept.sha256:
        raise BackupError(f"{path} is damaged: it does not have the hash that stands in it")
    return _decoded(kept.manifest, path)


def _decoded(text: msgspec.Raw, path: Path) -> Manifest:
    try:
        about = msgspec.json.decode(text, type=_Format)
        if about.format > FORMAT:
            raise BackupError(f"{path.parent} was made by a newer headwater ({about.headwater}): restore it with that")
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BackupError(f"{path} is not what headwater writes: {error}") from None
    for each in (*(file.path for file in manifest.files), *manifest.links, *manifest.folders):
        if not is_inside(each):
            raise BackupError(f"{path} is not what headwater writes: '{each}' leads out of the data directory")
    return manifest


def is_inside(path: str) -> bool:
    """Whether it stays below the folder it is taken from."""
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and not path.startswith("/")


def _perhaps(folder: Path) -> str:
    """Somebody may have named the folder that the backups lie in."""
    found = sorted(path.parent.name for path in folder.glob(f"*/{NAME}")) if folder.is_dir() else []
    return f"; it has the backups {', '.join(found[-3:])} in it" if found else ""
