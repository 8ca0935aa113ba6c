"""How a Parquet file is written: under another name first (`.….tmp`), synced, renamed, and the folder synced. Whoever
lists the folder sees whole files only.

The other name is a fresh one each time, and who begins removes what others had begun. So where two write the same file,
since one of them hung and was replaced, the one that began later wins, and the other fails.
"""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from headwater.durable import sync

if TYPE_CHECKING:
    import pyarrow as pa  # takes a while to import: only who writes does
    import pyarrow.parquet as pq


class Writing:
    """A file on its way. Left without `done` nothing of it stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fresh = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "Writing":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            with suppress(Exception):
                self._writer.close()
            self._fresh.unlink(missing_ok=True)

    def add(self, table: "pa.Table") -> None:
        import pyarrow.parquet as pq  # late, as above

        if self._writer is None:
            _make(self._path.parent)
            for left in self._path.parent.glob(f".{self._path.name}.*tmp"):  # without a middle: an older headwater's
                left.unlink(missing_ok=True)
            self._writer = pq.ParquetWriter(self._fresh, table.schema, compression="zstd")
        self._writer.write_table(table)

    def done(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        sync(self._fresh)
        self._fresh.replace(self._path)
        sync(self._path.parent)


def _make(folder: Path) -> None:
    """Its parents' entries are synced, too, so that a power cut leaves no file without a way to it."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync(each.parent)
