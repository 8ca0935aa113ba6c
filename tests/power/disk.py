"""A disk that forgets at a power cut what was never synced: a model beside a real directory.

Everything runs on real files; the model knows of each what a sync has made durable, and what was only written since.
`cut` chooses what is left: of each later write all of it, none, or some sectors, in any order; of each name that was
made, changed or removed without a sync of its directory, the old state or the new one. That is more than a real disk
forgets: a file that was synced may still have lost its name, and a new size may come without its bytes.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from mmap import mmap
from pathlib import Path
from random import Random

HURRIES = 0.15
"""How often the power goes soon after the change of a name."""

Write = tuple[int, bytes]
"""Where, and what."""


@dataclass(eq=False)
class File:
    """What is durable of a file, and what was done to it since: writes, or a new size."""

    durable: bytes = b""
    pending: list[Write | int] = field(default_factory=list)
    pages: list[bytes] = field(default_factory=list)
    """Of a mapped one: what it held in turn since the last sync."""
    sync_name: bool = False
    """Its first sync makes its name durable, too: so SQLite's own layer does with its journals."""

    def now(self) -> bytes:
        """What reading it gives, as far as the model was told."""
        return _applied(self.durable, self.pending)


@dataclass(eq=False)
class Folder:
    """Names, and the changes of them since the last sync; what changes together comes or goes together."""

    names: dict[str, "File | Folder"] = field(default_factory=dict)
    pending: list[dict[str, "File | Folder | None"]] = field(default_factory=list)

    def now(self) -> dict[str, "File | Folder"]:
        return _renamed(self.names, self.pending)


class Disk:
    """The directory `root`; all that is there at first is durable. The power goes at the `last` call that is counted,
    or soon after one that changes a name: of these there are few.

    `honest`: whether a sync does what it says.
    """

    def __init__(self, root: Path, chance: Random, last: int, honest: bool = True) -> None:
        self.root, self.honest = root, honest
        self.lock = threading.RLock()
        self.image: dict[Path, bytes] | None = None
        """What is left after the cut: files by their path below the root."""
        self.calls = 0
        self._chance, self._last = chance, last
        self._nodes: dict[int, File | Folder] = {}
        self._device = root.stat().st_dev
        self._top = self._found(root)
        self._maps: dict[File, list[mmap]] = {}

    @property
    def over(self) -> bool:
        return self.image is not None

    @contextmanager
    def counted(self) -> Iterator[bool]:
        """Around a call: whether the model is to be told of it; the power may go instead."""
        with self.lock:
            if not self.over:
                self.look_at_maps()
                self.calls += 1
                if self.calls >= self._last:
                    self.cut()
            yield not self.over

    def cut(self) -> None:
        """The power goes now, if it has not gone."""
        with self.lock:
            if not self.over:
                self.look_at_maps()
                self._look_at_names(self._top, self.root)
                self.image = dict(_left(self._top, Path(), self._chance))

    # --- what is told ----------------------------------------------------------------------------------------------

    def node(self, status: os.stat_result) -> "File | Folder | None":
        """Which one of ours that is."""
        return self._nodes.get(status.st_ino) if status.st_dev == self._device else None

    def file(self, fd: int) -> File | None:
        """The file behind a descriptor; one that was not known is one that was just made."""
        found = self.node(os.fstat(fd))
        return found if isinstance(found, File) else self.file_at(Path(os.readlink(f"/proc/self/fd/{fd}")))

    def file_at(self, path: Path) -> File | None:
        """The file of that name."""
        found = self.node(path.stat()) if path.exists() else None
        if found is None and self._is_below(path):
            found = self._found(path, new=True)
        return found if isinstance(found, File) else None

    def wrote(self, file: File, offset: int, data: bytes, through: bool = False) -> None:
        """`through`: it is durable when the call returns, as with O_DSYNC."""
        if through and self.honest:
            file.durable = _applied(file.durable, [(offset, data)])
        file.pending.append((offset, data))

    def sized(self, file: File, size: int) -> None:
        file.pending.append(size)

    def synced(self, file: File, content: bytes) -> None:
        if not self.honest:
            return
        file.durable, file.pending, file.pages = content, [], []

    def map(self, file: File, made: mmap) -> None:
        self._maps.setdefault(file, []).append(made)

    def folder_synced(self, path: Path) -> None:
        folder = self.node(path.stat())
        if isinstance(folder, Folder):
            self._look_at_names(folder, path, deep=False)
            if self.honest:
                folder.names, folder.pending = folder.now(), []

    def moved(self, old: Path, new: Path) -> None:
        """Before it is done."""
        node, gone = self.node(old.stat()), new.stat() if new.exists() else None
        if node is None or old.parent != new.parent or not isinstance(folder := self.node(old.parent.stat()), Folder):
            return
        self._look_at_names(folder, old.parent, deep=False)
        folder.pending.append({new.name: node, old.name: None})
        self._hurry()
        if gone and gone.st_nlink == 1:
            self._nodes.pop(gone.st_ino, None)

    def removed(self, path: Path) -> None:
        """Before it is done."""
        status, folder = path.stat(), self.node(path.parent.stat())
        if isinstance(folder, Folder):
            self._look_at_names(folder, path.parent, deep=False)
            folder.pending.append({path.name: None})
            self._hurry()
            if status.st_nlink == 1:
                self._nodes.pop(status.st_ino, None)

    def _hurry(self) -> None:
        if self._chance.random() < HURRIES:
            self._last = min(self._last, self.calls + self._chance.randrange(1, 6))

    # --- what nobody tells -----------------------------------------------------------------------------------------

    def _is_below(self, path: Path) -> bool:
        return path.is_relative_to(self.root) and path.exists()

    def _found(self, path: Path, new: bool = False) -> "File | Folder":
        """Takes up a file or directory, and what is in it: as durable, unless it is new."""
        status = path.stat()
        if path.is_dir():
            found: File | Folder = Folder()
            self._nodes[status.st_ino] = found
            if not new:
                found.names = {each.name: self._found(each) for each in path.iterdir()}
        else:
            found = self._nodes[status.st_ino] = File(b"" if new else path.read_bytes())
        return found

    def look_at_maps(self) -> None:
        """What maps were given since the last look: stores into memory tell nobody."""
        for file, maps in self._maps.items():
            for each in maps:
                with suppress(ValueError):  # it is closed
                    page = each[:]
                    if page != (file.pages[-1] if file.pages else file.now()):
                        file.pages.append(page)

    def _look_at_names(self, folder: Folder, path: Path, deep: bool = True) -> None:
        """Names and bytes that came by ways which nobody watches."""
        known = folder.now()
        for each in path.iterdir():
            node = self.node(each.stat()) or self._found(each, new=True)
            if known.get(each.name) is not node:
                folder.pending.append({each.name: node})
            if isinstance(node, Folder):
                if deep:
                    self._look_at_names(node, each)
            elif not node.pages and (now := each.read_bytes()) != node.now():
                node.pending += [(0, now), len(now)]
        for name in known.keys() - {each.name for each in path.iterdir()}:
            folder.pending.append({name: None})


# --- what is left --------------------------------------------------------------------------------------------------


def _left(folder: Folder, path: Path, chance: Random) -> Iterator[tuple[Path, bytes]]:
    names = _renamed(folder.names, _some(folder.pending, chance))
    for name, node in sorted(names.items(), key=lambda each: each[0]):
        if isinstance(node, Folder):
            yield from _left(node, path / name, chance)
        elif not name.endswith("-shm"):  # SQLite makes it anew
            yield path / name, _content(node, chance)


def _some(pending: list[dict[str, File | Folder | None]], chance: Random) -> list[dict[str, File | Folder | None]]:
    match chance.randrange(4):
        case 0:
            return []
        case 1:
            return pending
        case 2:
            return pending[: chance.randrange(len(pending) + 1)]
    return [each for each in pending if chance.random() < 0.5]


def _content(file: File, chance: Random) -> bytes:
    if file.pages:
        return chance.choice([_applied(file.durable, file.pending), *file.pages])
    sector = chance.choice([512, 4096])
    match chance.randrange(5):
        case 0:
            return file.durable
        case 1:
            return file.now()
        case 2:  # up to one, and that one torn
            upto = chance.randrange(len(file.pending) + 1)
            return _applied(file.durable, [*file.pending[:upto], *_torn(file.pending[upto : upto + 1], sector, chance)])
        case 3:  # each one, or not
            return _applied(file.durable, [each for each in file.pending if chance.random() < 0.5])
    return _applied(file.durable, _torn(file.pending, sector, chance))


def _torn(pending: list[Write | int], sector: int, chance: Random) -> list[Write | int]:
    """Some sectors of each; what is dropped may leave a size behind."""
    left: list[Write | int] = []
    size, keeps = 0, chance.random()
    for each in pending:
        if isinstance(each, int):
            left += [each] if chance.random() < keeps else []
            continue
        offset, data = each
        size = max(size, offset + len(data))
        cuts = [offset, *range(offset // sector * sector + sector, offset + len(data), sector), offset + len(data)]
        for begin, end in pairwise(cuts):
            if chance.random() < keeps:
                left.append((begin, data[begin - offset : end - offset]))
    if size and chance.random() < 0.3:
        left.append((size, b""))
    return left


def _applied(content: bytes, changes: list[Write | int]) -> bytes:
    if not changes:
        return content
    made = bytearray(content)
    for each in changes:
        if isinstance(each, int):
            made[each:] = bytes(max(0, each - len(made)))
            continue
        offset, data = each
        made += bytes(max(0, offset - len(made)))
        made[offset : offset + len(data)] = data
    return bytes(made)


def _renamed(
    names: dict[str, File | Folder], changes: list[dict[str, File | Folder | None]]
) -> dict[str, File | Folder]:
    made: dict[str, File | Folder | None] = dict(names)
    for each in changes:
        made.update(each)
    return {name: node for name, node in made.items() if node is not None}
