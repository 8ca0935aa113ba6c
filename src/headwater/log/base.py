"""The log: where an acknowledged batch lies, durable, until the engine has stored it.

The gateway alone writes (`Appender`), the engine alone reads and trims (`Reader`); they share files, no memory. A
position is a whole number that only grows, from 0; a record's position is where it begins, and the position after it
is where the next one begins. Both lanes share one sequence, so that a batch that goes to both is one record, durable
as a whole; each lane has a cursor of its own.
"""

from collections.abc import Awaitable, Iterator
from typing import Protocol

import msgspec

from headwater.events import Batch, Claim, Lane


class Status(msgspec.Struct, frozen=True, gc=False):
    """How the log is, for `/readyz` and `/metrics`."""

    ready: bool
    why: str
    """Empty when ready; else what is wrong, since when, and what to do, for people."""
    durable: int
    """The position up to which everything is durable."""
    commits: int
    """Commits (one fsync each) since the start."""
    batches: int
    """Batches made durable since the start."""
    backlog: int = 0
    """Bytes that hold what is not known to be stored; what the engine told last, so a second or two old."""


class LaneHead(msgspec.Struct, frozen=True, gc=False):
    """One lane's share of a record, as its header tells it."""

    count: int
    first_ms: int
    last_ms: int


class Head(msgspec.Struct, frozen=True, gc=False):
    """A record without its events: what can be known without decompressing it."""

    position: int
    end: int
    """The position after it."""
    batch: bytes
    workspace: str
    dialect: str
    lanes: dict[Lane, LaneHead]
    """None for a record of claims alone."""
    replay: bool = False
    """Events of an earlier batch once more: `batch` tells when that was received, not when this was written."""
    claims: bool = False
    """Whether claims lie in it."""


class Claimed(msgspec.Struct, frozen=True, gc=False):
    """The claims of one record."""

    end: int
    """The position after it."""
    batch: bytes
    workspace: str
    claims: tuple[Claim, ...]


class Record(msgspec.Struct, frozen=True, gc=False):
    """One lane's events of one batch, read back."""

    position: int
    end: int
    batch: bytes
    workspace: str
    dialect: str
    lane: Lane
    count: int
    first_ms: int
    last_ms: int
    lines: bytes
    """As `events.Part.lines`."""
    replay: bool = False
    """As `Head.replay`."""


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """A run of one lane's records."""

    records: tuple[Record, ...]
    end: int
    """Where the next read begins; beyond the last record, for records of the other lane are passed over."""
    count: int
    """Events in it."""


class Stretch(msgspec.Struct, frozen=True, gc=False):
    """A segment: the positions [base, end) and the file that should have them."""

    base: int
    end: int
    name: str
    size: int
    """The file's, in bytes."""


class Survey(msgspec.Struct, frozen=True, gc=False):
    """What of a log lies on disk."""

    durable: int
    segments: tuple[Stretch, ...]
    """Those that have durable records, ascending; the first is the oldest there is."""
    leftovers: tuple[str, ...]
    """Files of no account that a crash or a full disk left."""
    begun: bool = False
    """Whether a segment is there that begins at the durable end: then there need be no other."""
    behind: int = 0
    """Bytes behind the durable end: being written now, or what a crash left. The next start takes what of it is a
    whole record and cuts the rest off."""


class Sound(msgspec.Struct, frozen=True, gc=False):
    """A record whose checksums hold: the header's, and the payload's where that was asked for."""

    head: Head
    shares: tuple[Record, ...]
    """Each lane's events; none when payloads were not asked for."""


class Damage(msgspec.Struct, frozen=True, gc=False):
    """Positions of the log that cannot be read."""

    position: int
    end: int
    why: str


class Appender(Protocol):
    """The gateway's side. One in the world for a log; opening it repairs what a crash tore and waits for the lock."""

    def append(self, batch: Batch) -> Awaitable[None]:
        """Hands the batch in; to await what is returned is to wait until the whole of it is durable.

        In two steps so that whoever waits need not keep the batch in memory. Many callers share a commit. The await
        raises LogUnavailableError when it did not become durable: then no reader ever sees it, now or after a crash.
        """

    def hold(self, why: str) -> None:
        """From here on every batch is refused, and `why` is told; an empty one ends that.

        What was handed in before is made durable all the same.
        """

    def roll(self, older_seconds: float) -> None:
        """Has the next segment begun if records older than this lie in the one there is, or if the reader wants it: a
        segment is trimmed as a whole. Soon, and not while the disk fails, so it is to be called again and again."""

    def claimed(self, position: int) -> None:
        """Tells the reader that the claims before `position` are kept elsewhere: behind it nothing is trimmed.

        Nothing is held back before it was told for the first time. Raises OSError then, on a disk that is full.
        """

    def durable(self) -> int:
        """The position up to which everything is durable: what is handed in now will lie there, or behind it."""

    def status(self) -> Status: ...

    def close(self) -> None:
        """Makes durable what was handed in, then lets go of the lock. Idempotent."""


class Heads(Protocol):
    """What came into the log, without the events."""

    def durable(self) -> int:
        """The position up to which records can be read. 0 while there is no log yet. Cheap: it is polled."""

    def heads(self, start: int) -> Iterator[Head]:
        """Headers from `start` (or the oldest there is, when that was trimmed) to the durable end."""


class Records(Protocol):
    """Single records, by their place."""

    def record(self, position: int, lane: Lane) -> Record | None:
        """The record that begins there; None when it was trimmed or has nothing for the lane."""

    def size(self) -> int:
        """Bytes the log takes on disk."""


class Chunks(Protocol):
    """A lane's records, one after the other."""

    def read(self, lane: Lane, start: int, most: int, bound: int | None = None) -> Chunk:
        """Records of `lane` from `start` on, whole ones, until `most` events are reached or the end.

        The record that reaches `most` is in. With `bound`, no record at or beyond that position is taken: the same
        `start`, `most` and `bound` always give the same records, byte for byte. Raises CorruptionError when a
        durable record's checksum does not hold or `start` was trimmed.
        """


class Reader(Heads, Records, Chunks, Protocol):
    """The engine's side, and the gateway's for what it rebuilds at a start. Sees durable records only."""

    def claims(self, start: int) -> Iterator[Claimed]:
        """The claims from `start` (or the oldest there is, when that was trimmed) to the durable end.

        Raises CorruptionError when the checksum of a record that has some does not hold.
        """

    def claimed(self) -> int | None:
        """The position before which all claims are kept elsewhere; None when nobody keeps any."""

    def since(self, ms: int) -> int:
        """A position at or before every record received at `ms` or later; as late as is cheap to know."""

    def mark(self, stored: int) -> None:
        """Tells the appender that everything before `stored` is in the store: the backlog is what lies behind it.

        Never raises: a disk that is full may keep it from being told for the first time.
        """

    def want(self, position: int) -> None:
        """Tells the appender that what lies before a position has to be trimmed: see `Appender.roll`. Raises OSError
        when it cannot be told for the first time."""

    def trim(self, before: int, keep_since_ms: int) -> int:
        """Removes whole segments that lie before `before` and hold nothing received at `keep_since_ms` or later, nor
        claims that are not kept elsewhere yet.

        Returns the oldest position left. Never needs free space.
        """

    def survey(self) -> Survey:
        """What lies on disk, without a look into it."""

    def examine(self, start: int, payloads: bool) -> Iterator[Sound | Damage]:
        """Every durable record from `start` on held against its checksums; what was trimmed meanwhile is left out."""

    def close(self) -> None: ...


def chunks(reader: Chunks, lane: Lane, start: int, end: int, most: int) -> Iterator[Chunk]:
    """A lane's records from `start` up to `end`, about `most` events at a time; fewer where the log ends before."""
    while start < end:
        chunk = reader.read(lane, start, most, end)
        yield chunk
        if chunk.end <= start:
            return
        start = chunk.end
