"""The engine's part in a backup: it keeps one moment of what it owns for as long as somebody copies it.

In `DATA_DIR/.backup`, which costs next to nothing for the store (hard links) and a copy for state and cohorts. While a
moment is kept, nothing is trimmed from the log, and the engine's long work (reverts, erasures) rests.
"""

import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from headwater.errors import BackupError, ConflictError, HeadwaterError
from headwater.snapshots import Snapshot
from headwater.store.base import Store

T = TypeVar("T")

LOOK_SECONDS = 1.0
"""Between two looks at the disk."""
PATIENCE = 5.0
"""Seconds that it takes at most to remove what was kept."""
LEAVE_SECONDS = 3.0
"""How long whoever copies is waited for to hear that the moment is given up."""

_logger = logging.getLogger(__name__)


class Pipeline(Protocol):
    """What of `pipeline.Pipeline` is needed here."""

    def between(self, work: Callable[[], T]) -> T: ...

    def keeping(self) -> AbstractContextManager[None]: ...


class Keeper:
    """Keeps one moment at a time. `folder` is its own: what it finds there at the start is of a time before a crash.

    `databases`: the SQLite files that belong to the store's moment. `resting`: a lock that the engine's long work
    holds while it does a step. `spare`: whether there is room left for so many bytes and for a log that nobody trims;
    without, the moment is given up, for taking events goes first.
    """

    def __init__(
        self,
        folder: Path,
        pipeline: Pipeline,
        store: Store,
        databases: Sequence[Path],
        resting: AbstractContextManager[Any],
        spare: Callable[[int], bool],
    ) -> None:
        self.folder = folder
        self._pipeline = pipeline
        self._store = store
        self._databases = databases
        self._resting = resting
        self._spare = spare
        self._turn = threading.Lock()
        self._remove()

    def keep(self) -> "Kept":
        """Begins. Raises ConflictError while another moment is kept; waits a little for one that is being given up."""
        if not self._turn.acquire(timeout=PATIENCE):
            raise ConflictError("another backup is being taken")
        kept = Kept()
        threading.Thread(target=self._run, args=(kept,), name="backup", daemon=True).start()
        return kept

    def _run(self, kept: "Kept") -> None:
        try:
            with self._resting, self._pipeline.keeping():
                if not kept.ended.is_set():  # nobody went away while we waited
                    self._take(kept)
                    kept.ready.set()
                    self._hold(kept)
        except Exception as error:
            _logger.exception("no backup could be taken")
            kept.failure = str(error) if isinstance(error, HeadwaterError) else f"{type(error).__name__}: {error}"
            kept.ended.wait(LEAVE_SECONDS)
        finally:
            self._remove()
            self._turn.release()

    def _hold(self, kept: "Kept") -> None:
        while not kept.ended.wait(LOOK_SECONDS):
            self._require(0)

    def _take(self, kept: "Kept") -> None:
        def tell(_: int) -> None:
            if kept.ended.is_set():
                raise BackupError("nobody waits for it any more")
            self._require(0)

        self._remove()
        self.folder.mkdir(mode=0o700)
        self._require(sum(path.stat().st_size for path in self._databases if path.exists()))
        with ExitStack() as stack:
            snapshots = self._pipeline.between(self._freeze)
            for snapshot in snapshots:
                stack.callback(snapshot.close)
            self._require(sum(snapshot.size for snapshot in snapshots))
            for snapshot in snapshots:
                snapshot.write(self.folder / snapshot.path.name, tell)

    def _require(self, size: int) -> None:
        """Room for so many bytes more."""
        if not self._spare(size):
            raise BackupError("the disk of the data directory is nearly full, and the log must be trimmed")

    def _remove(self) -> None:
        """As a whole and at once: whoever still copies must not take what is half gone for all there is."""
        aside = self.folder.with_name(f"{self.folder.name}.gone")
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(OSError):
            self.folder.rename(aside)
        for each in (aside, self.folder):
            shutil.rmtree(each, ignore_errors=True)

    def _freeze(self) -> list[Snapshot]:
        """No block is half stored now."""
        with ExitStack() as stack:
            snapshots = [self._pinned(path, stack) for path in self._databases]
            self._store.snapshot(self.folder)
            stack.pop_all()  # they are the caller's now
        return snapshots

    def _pinned(self, path: Path, stack: ExitStack) -> Snapshot:
        snapshot = Snapshot(path, None)
        stack.callback(snapshot.close)
        return snapshot


class Kept:
    """A moment on its way, or kept."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.ended = threading.Event()
        """Set by whoever asked for it: it is given up, soon."""
        self.failure = ""
        """Why there is none."""

    def end(self) -> None:
        """Idempotent; returns at once."""
        self.ended.set()
