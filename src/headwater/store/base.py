"""The store: where events end up and questions are answered. ClickHouse, embedded or a server: the same SQL files."""

from collections.abc import Iterator, Mapping, Sequence
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

    def close(self) -> None: ...
