"""What an import is made of: rows, chunks of them, what was wrong with one, and where rows come from."""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, Protocol

from headwater.events import MAX_BATCH

Dialect = Literal["bik", "bigmind"]

ROUTES: dict[Dialect, str] = {
    "bik": "/integrations/bikPlatformFunctions-events/sendEvents",
    "bigmind": "/v1/events/batch",
}
MAX_LINE = 16 * 1024 * 1024
"""Bytes (or characters) of a line, or of a CSV field, that are kept in memory; the rest of a longer one is passed
over."""
MAX_BODY = 4 * 1024 * 1024
"""Bytes of events in one request; below the 5 MiB that a server takes unless it was told otherwise."""
MAX_KEPT = 16 * 1024 * 1024
"""Bytes of rows of one chunk, those that cannot be sent included."""


class StoppedError(Exception):
    """The import cannot go on; the text says why and what to do, for people. Nothing that was done is lost."""


class Flaw(NamedTuple):
    """What is wrong with a row."""

    code: str
    """The server's codes (`dialects.base.Fault`), and those of reading: json, csv, columns, encoding, column."""
    path: str
    """Within the event or the row, as `identity.id`; empty for the whole."""
    message: str
    hint: str = ""


class Row(NamedTuple):
    """One event of the file, or what should have been one."""

    line: int
    """Where it begins, from 1; in Parquet the row."""
    event: bytes
    """As JSON; empty when it could not be read."""
    kept: Any
    """What the source needs to write it into the file of refused rows."""
    flaw: Flaw | None = None
    """Why it cannot be sent."""


class Chunk(NamedTuple):
    """Rows that are sent together. The same file gives the same chunks each time, from whichever one on."""

    number: int
    rows: list[Row]
    at: int
    """How far into the file it reaches, in the source's units."""


class Source(Protocol):
    """A file of events in one format."""

    total: int
    """What `at` comes to in the end."""
    suffix: str
    """Of the file of refused rows: `.ndjson`, `.csv`."""

    def rows(self, skip: int) -> Iterator[Row]:
        """All rows but the first `skip`, once. Raises StoppedError where the file cannot be read further."""

    def at(self) -> int:
        """How far it was read."""

    def head(self) -> bytes:
        """What a file of refused rows begins with."""

    def refused(self, row: Row, flaw: Flaw) -> bytes:
        """The row as one record of that file, which can be imported as it is."""


def chunks(rows: Iterator[Row], first: int, at: Callable[[], int]) -> Iterator[Chunk]:
    """Up to a hundred events that can be sent, and those between them that cannot; bounded in bytes."""
    number, held, sendable, size, kept = first, list[Row](), 0, 0, 0
    for row in rows:
        length = len(row.event)
        if held and (size + length > MAX_BODY or kept > MAX_KEPT or len(held) >= _MOST_ROWS or sendable >= MAX_BATCH):
            yield Chunk(number, held, at())
            number, held, sendable, size, kept = number + 1, [], 0, 0, 0
        held.append(row)
        kept += length or len(row.kept)
        if row.flaw is None:
            sendable += 1
            size += length + 1
    if held:
        yield Chunk(number, held, at())


_MOST_ROWS = 10 * MAX_BATCH
