"""Parquet files by the hour, each event in one of them once.

    DIR/workspace=ws_2Yx0aBcD/date=2026-11-23/hour=04/realtime-20261123T040000Z-000000000017-000000000042.parquet

A file's name is its delivery's, so whatever is written again replaces itself. It is written under another name first
(`.…tmp`), synced, renamed, and the folder synced: whoever lists the folder sees whole files only.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.destinations.base import Context, Delivery, DeliveryError, Event, Identity
from headwater.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa  # takes a while to import: only who writes does
    import pyarrow.parquet as pq

_ROWS = 50_000
"""Read at once when people are taken out."""


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str
    """The folder; relative to the file that says so."""
    window_seconds: int = 3600
    """How much time a file holds; a divisor of 3600."""


class Parquet:
    """`base.Destination` and `base.Erasing`."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        try:
            found = msgspec.convert(settings, _Settings)
        except msgspec.ValidationError as error:
            raise SettingsError(f"settings of kind 'parquet': {error}") from None
        self.window_seconds: int | None = found.window_seconds
        self._dir = context.base_dir / found.path

    def deliver(self, delivery: Delivery) -> None:
        assert delivery.window is not None
        writing: dict[str, _Writing] = {}
        with ExitStack() as stack:
            for piece in delivery.events():
                for workspace, events in _by_workspace(piece).items():
                    if workspace not in writing:
                        path = self._folder(workspace, delivery.window) / f"{delivery.key}.parquet"
                        writing[workspace] = stack.enter_context(_Writing(path))
                    writing[workspace].add(table_of(events))
            for each in writing.values():
                each.done()

    def erase(self, workspace: str, identities: Collection[Identity], until: datetime) -> None:
        """Looks through all files of the workspace from before `until`: only their identities, unless it finds one."""
        gone = {(each.type, each.id) for each in identities}
        root = self._dir / f"workspace={workspace}"
        for path in root.glob("date=*/hour=*/.*.tmp"):  # of a crash: nothing is being written now
            path.unlink()
        for path in sorted(root.glob("date=*/hour=*/*.parquet")):
            if begin_of(path) <= until and _names(path, gone):
                _rewrite(path, gone, until)

    def close(self) -> None:
        pass

    def _folder(self, workspace: str, begin: datetime) -> Path:
        return self._dir / f"workspace={workspace}" / f"date={begin:%Y-%m-%d}" / f"hour={begin:%H}"


class _Writing:
    """A file on its way. Left without `done` nothing of it stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fresh = path.with_name(f".{path.name}.tmp")
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "_Writing":
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
            self._fresh.unlink(missing_ok=True)
            self._writer = pq.ParquetWriter(self._fresh, table.schema, compression="zstd")
        self._writer.write_table(table)

    def done(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        _sync(self._fresh)
        self._fresh.replace(self._path)
        _sync(self._path.parent)


def table_of(events: Sequence[Event]) -> "pa.Table":
    """The columns of a file; the workspace is in its path."""
    import pyarrow as pa  # late, as above

    moment, text = pa.timestamp("ms", "UTC"), pa.string()
    identity = pa.struct([pa.field("type", text, nullable=False), pa.field("id", text, nullable=False)])
    columns: dict[str, Any] = {
        "id": text,
        "signal": text,
        "signal_id": text,
        "schema_version": pa.int64(),
        "dialect": text,
        "identities": pa.list_(identity),
        "name": text,
        "occurred_at": moment,
        "received_at": moment,
        "lane": text,
        "status": text,
        "reason": text,
        "detail": text,
        "data": text,
        "reference": text,
        "backfill_id": text,
        "replayed_at": moment,
    }
    values = {name: [getattr(event, name) for event in events] for name in columns if name != "identities"}
    for name in ("reason", "detail", "backfill_id"):
        values[name] = [value or None for value in values[name]]
    made = {name: pa.array(values[name], columns[name]) for name in values}
    made["identities"] = _listed([event.identities for event in events], columns["identities"])
    return pa.table([made[name] for name in columns], names=[*columns])


def _listed(identities: Sequence[Sequence[Identity]], type_: Any) -> "pa.Array":
    """Made of flat columns: a dict for each would take longer than all the rest."""
    import pyarrow as pa  # late, as above

    flat = [each for several in identities for each in several]
    parts = [pa.array([each.type for each in flat], pa.string()), pa.array([each.id for each in flat], pa.string())]
    offsets = [0, *accumulate(len(several) for several in identities)]
    structs = pa.StructArray.from_arrays(parts, fields=[*type_.value_type])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs, type=type_)


def begin_of(path: Path) -> datetime:
    """Of the hour in whose folder a file lies."""
    date, hour = (part.partition("=")[2] for part in path.parts[-3:-1])
    return datetime.fromisoformat(f"{date}T{hour}:00:00+00:00")


def _by_workspace(events: Sequence[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.workspace, []).append(event)
    return found


def _names(path: Path, gone: Collection[tuple[str, str]]) -> bool:
    """Whether a file has an event of one of these."""
    return any(any(_named(batch, gone)) for batch in _batches(path, ["identities"]))


def _rewrite(path: Path, gone: Collection[tuple[str, str]], until: datetime) -> None:
    import pyarrow as pa  # late, as above

    with _Writing(path) as writing:
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
    _sync(path.parent)


def _named(batch: "pa.RecordBatch", gone: Collection[tuple[str, str]]) -> list[bool]:
    """For each row: whether it names one of these."""
    rows = batch.column("identities").to_pylist()
    return [any((each["type"], each["id"]) in gone for each in identities) for identities in rows]


def _batches(path: Path, columns: list[str] | None) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa  # late, as above
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(_ROWS, columns=columns)
    except pa.ArrowInvalid as error:
        raise DeliveryError(f"{path} is no whole Parquet file") from error


def _make(folder: Path) -> None:
    """Its parents' entries are synced, too, so that a power cut leaves no file without a way to it."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        _sync(each.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
