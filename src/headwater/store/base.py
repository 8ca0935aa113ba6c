"""The store: where events end up and questions are answered. ClickHouse, embedded or a server: the same SQL files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from headwater.events import Lane

if TYPE_CHECKING:
    from numpy.typing import NDArray  # takes a while to import, and only the engine uses it


class Block(msgspec.Struct, frozen=True, gc=False):
    """Rows that are inserted together."""

    lane: Lane
    number: int
    chunks: Sequence[bytes]
    """JSONCompactEachRow lines in the order of `store.rows.COLUMNS`."""
    count: int


class Examined(Protocol):
    """The store as a doctor sees it."""

    def rows(self, query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """As `Store.rows`."""

    def stream(self, query: str, parameters: Mapping[str, Any]) -> Iterator[bytes]:
        """As `Store.stream`."""

    def check(self, part: str) -> str:
        """Reads a part back (`examine_parts` names them). Empty when all of it is as it was written, or when it was
        merged meanwhile; else what is wrong."""

    def close(self) -> None: ...


class Store(Examined, Protocol):
    """Safe to call from several threads."""

    def insert(self, block: Block) -> None:
        """Durable when it returns. A crash in between may leave the rows of some months there and of others not."""

    def counts(self, lane: Lane, block: int) -> dict[int, int]:
        """The block's rows in the store, by month (202611)."""

    def rows(self, query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Answers the named query (a file `store/sql/NAME.sql`); values travel as parameters, never as SQL."""

    def columns(self, sql: str, parameters: Mapping[str, Any]) -> "dict[str, NDArray[Any]]":
        """Answers what `store.compile` made: its columns by name, all of one length.

        Whole numbers as int64 and the like; strings as objects, None for null; arrays as objects, each a list.
        """

    def stream(self, query: str, parameters: Mapping[str, Any]) -> Iterator[bytes]:
        """The same as `rows`, as NDJSON in pieces of bounded size. Close it (or exhaust it) to free its connection."""

    def doom(self, key: str, query: str, parameters: Mapping[str, Any]) -> None:
        """Marks events to be deleted: the named query adds them to the table `doomed`, under a key: a job's id, or
        that, a colon, and a number."""

    def delete(self, key: str, upto: Mapping[Lane, int]) -> bool:
        """Deletes the events that are marked under a key, in blocks up to these. Whether none of them is left; it takes
        a while, so it is called again until then. What a crash cuts short goes on after the next start. Raises
        UnavailableError when the disk does not let it."""

    def purge(self) -> bool:
        """Takes what was replaced, by merges and deletions, off the disk, once what replaced it was read back. Whether
        nothing of it is left: a question under way may hold it for a while. False, too, when the disk did not take
        what a deletion wrote: then it has to be done again. Inserts wait meanwhile, some seconds at most."""

    def spare(self, job: str) -> None:
        """Forgets what a job has marked, under all of its keys."""

    def snapshot(self, folder: Path) -> None:
        """What is stored now, as a store's directory inside of `folder`: later changes of this one leave it alone.

        Takes no room but where hard links lead nowhere. All parts in it were read back, those too that a merge made a
        moment ago. Raises StartError when it cannot be made, CorruptionError when the store is damaged.
        """

    def close(self) -> None: ...
