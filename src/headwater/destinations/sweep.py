"""People taken out of Parquet files that are written, file by file in the order of their paths, some seconds at a time.

All files of a workspace are looked through, also those of hours after the people were erased: what was received before
may have been replayed then. What cannot be looked through is passed, tried again at the end, and told.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from headwater.destinations.base import DeliveryError
from headwater.destinations.writing import Writing
from headwater.durable import sync

if TYPE_CHECKING:
    import pyarrow as pa  # takes a while to import: only who writes does

PIECE_SECONDS = 2.0
"""After so long a piece ends, with the file that it is at."""
_MOST_FAILED = 1_000
"""Files that are passed before the rest waits for them."""
_ROWS, _BYTES = 50_000, 32 * 1024 * 1024
"""Read at once, at most; and no more than a row group, which is as large as a piece of a delivery."""

Gone = Collection[tuple[str, str]]
"""Types and ids."""


def swept(root: Path, gone: Gone, until: datetime, reached: Mapping[str, Any]) -> dict[str, Any] | None:
    """One piece. `reached`: what the piece before gave, `after` which path below `root` it goes on, and what `failed`.
    None once nothing is left. Raises DeliveryError when only files are left that fail again."""
    begun, failed, ends = reached.get("after", ""), [*reached.get("failed", ())], monotonic() + PIECE_SECONDS
    after = begun
    if not begun:
        _tidy(root)
    for path in _files(root, begun) if len(failed) < _MOST_FAILED else ():
        after = path
        if _failure(root / path, gone, until):
            failed.append(path)
        if monotonic() >= ends or len(failed) >= _MOST_FAILED:
            break
    if after == begun:
        failed = _left(root, failed, gone, until, ends)
        if not failed and len(reached.get("failed", ())) < _MOST_FAILED:
            return None
    return {"after": after, "failed": failed}


def _left(root: Path, failed: list[str], gone: Gone, until: datetime, ends: float) -> list[str]:
    """Those of them that still fail, or were not tried again. Raises DeliveryError when all still do."""
    left, why = [*failed], None
    for path in failed:
        error = _failure(root / path, gone, until)
        why = why or error
        if error is None:
            left.remove(path)
            if monotonic() >= ends:
                break
    if why is not None and left == failed:
        words = str(why) if isinstance(why, DeliveryError) else type(why).__name__
        about = f"{len(left)} files of {root.name} cannot be looked through for whom is erased, {left[0]} among them"
        raise DeliveryError(f"{about}: {words}") from why
    return left


def _failure(path: Path, gone: Gone, until: datetime) -> Exception | None:
    """Takes people out of one file. Why that could not be done."""
    try:
        if any(any(_named(batch, gone)) for batch in _batches(path, ["identities"])):
            _rewrite(path, gone, until)
    except FileNotFoundError:  # whose files they are took it away
        return None
    except Exception as error:  # also what a foreign file brings about: the others have their turn first
        return error
    return None


def _tidy(root: Path) -> None:
    for path in root.glob("date=*/hour=*/.*.tmp"):  # of a crash: nothing is being written now
        path.unlink()


def _files(root: Path, after: str) -> Iterator[str]:
    """Paths below `root`, in order."""
    begin = after.split("/")
    for date in sorted(root.glob("date=*")):
        if date.name >= begin[0]:
            found = [str(path.relative_to(root)).split("/") for path in date.glob("hour=*/*.parquet")]
            yield from ("/".join(parts) for parts in sorted(found) if parts > begin)


def _rewrite(path: Path, gone: Gone, until: datetime) -> None:
    import pyarrow as pa  # late, as above

    with Writing(path) as writing:
        left = 0
        for batch in _batches(path, None):
            times = batch.column("received_at").to_pylist()
            keep = [not named or at > until for named, at in zip(_named(batch, gone), times, strict=True)]
            rest = pa.Table.from_batches([batch]).filter(pa.array(keep))
            left += rest.num_rows
            if rest.num_rows:
                writing.add(rest)
        if left:
            writing.done()
            return
    path.unlink()
    sync(path.parent)


def _named(batch: "pa.RecordBatch", gone: Gone) -> list[bool]:
    """For each row: whether it names one of these."""
    rows = batch.column("identities").to_pylist()
    return [any((each["type"], each["id"]) in gone for each in identities) for identities in rows]


def _batches(path: Path, columns: list[str] | None) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa  # late, as above
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            if "identities" not in file.schema_arrow.names:
                raise DeliveryError("it has no column identities, so it is none that headwater wrote")
            for number in range(file.num_row_groups):
                group = file.metadata.row_group(number)
                rows = max(1, min(_ROWS, _BYTES * group.num_rows // max(1, group.total_byte_size)))
                yield from file.iter_batches(rows, row_groups=[number], columns=columns)
    except pa.ArrowInvalid as error:
        raise DeliveryError("it is no whole Parquet file") from error
