"""Parquet: a row an event, read a few thousand rows at a time. What is refused of it is written as NDJSON."""

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from headwater.imports.base import Dialect, Flaw, Row, StoppedError
from headwater.imports.mapping import Mapping, compiled
from headwater.imports.ndjson import refused_line, too_large

_ROWS = 2000
"""Read at a time."""


class Parquet:
    """Implements `imports.base.Source`; its unit is the row."""

    suffix = ".ndjson"

    def __init__(self, file: BinaryIO, dialect: Dialect, mapping: Mapping) -> None:
        """Raises StoppedError when columns and mapping do not fit."""
        try:
            self._file = pq.ParquetFile(file, pre_buffer=False)
        except pa.ArrowException as error:
            raise StoppedError(f"not a whole Parquet file: {error}") from None
        self.total = self._file.metadata.num_rows
        self.header = list(self._file.schema_arrow.names)
        self._build = compiled(mapping, dialect, self.header, typed=True)
        self._at = 0

    def rows(self, skip: int) -> Iterator[Row]:
        try:
            for number, values in self._values(skip):
                event, flaw = self._build(values)
                yield Row(number, event, b"", flaw or too_large(event))
        except pa.ArrowException as error:
            raise StoppedError(f"row {self._at + 1} cannot be read: {error}") from None

    def at(self) -> int:
        return self._at

    def head(self) -> bytes:
        return b""

    def refused(self, row: Row, flaw: Flaw) -> bytes:
        return refused_line(row, flaw)

    def _values(self, skip: int) -> Iterator[tuple[int, Sequence[Any]]]:
        """Rows with their numbers. Groups of rows that are passed over whole are not read."""
        begin = 0
        for group in range(self._file.num_row_groups):
            count = self._file.metadata.row_group(group).num_rows
            if begin + count <= skip:
                begin += count
                continue
            for batch in self._file.iter_batches(_ROWS, row_groups=[group]):
                if begin + batch.num_rows > skip:
                    rest = batch.slice(max(skip - begin, 0))
                    self._at = begin + batch.num_rows - rest.num_rows
                    columns = [_listed(column) for column in rest.columns]
                    for values in zip(*columns, strict=True):
                        self._at += 1
                        yield self._at, values
                begin += batch.num_rows


def _listed(column: Any) -> list[Any]:
    """As Python's values. What is finer than a microsecond is cut."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return list(column.to_pylist(maps_as_pydicts="lossy"))
