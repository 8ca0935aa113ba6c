"""An import from its first row to its last: reads, sends several chunks at once, writes down in the file's order."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from msgspec.structs import replace

from headwater.imports.base import Chunk, Source, StoppedError, chunks
from headwater.imports.journal import Begun, Counts, Journal, Mark, Refused
from headwater.imports.sending import Outcome, Sender

_MARK_SECONDS = 0.5
"""How often it is written down how far it is."""
_HOPELESS = 1000
"""Rows refused, without a single one taken, after which it is the mapping, the dialect or the signals."""


class Step(NamedTuple):
    """Told after each chunk."""

    at: int
    """In the source's units."""
    counts: Counts


def run(
    source: Source,
    sender: Sender,
    journal: Journal,
    refused: Refused,
    begun: Begun,
    concurrency: int,
    told: Callable[[Step], None] = lambda _: None,
) -> Mark:
    """Imports what the journal does not say is done. Raises StoppedError; then, and after a kill, another run goes
    on."""
    mark = journal.mark or journal.write(Mark(begun))
    rows = source.rows(mark.counts.rows)
    keeper = _Keeper(source, journal, refused, mark)
    pool = ThreadPoolExecutor(concurrency, "import")
    try:
        for chunk, outcome in _delivered(pool, sender, chunks(rows, mark.chunk, source.at), 2 * concurrency):
            told(Step(chunk.at, keeper.add(chunk, outcome)))
        return keeper.write(done=True)
    except BaseException:
        sender.stop()
        with suppress(StoppedError):  # what came first is what is told
            keeper.write(done=False)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _delivered(
    pool: ThreadPoolExecutor, sender: Sender, pieces: Iterator[Chunk], most: int
) -> Iterator[tuple[Chunk, Outcome]]:
    """Chunks with their outcomes, in order; at most so many are held."""
    under_way: deque[tuple[Chunk, Future[Outcome]]] = deque()
    for chunk in pieces:
        under_way.append((chunk, pool.submit(sender.deliver, chunk)))
        while under_way and (len(under_way) >= most or under_way[0][1].done()):
            yield _settled(under_way)
    while under_way:
        yield _settled(under_way)


def _settled(under_way: deque[tuple[Chunk, Future[Outcome]]]) -> tuple[Chunk, Outcome]:
    chunk, future = under_way.popleft()
    return chunk, future.result()


class _Keeper:
    """Writes down what became of chunks, in their order."""

    def __init__(self, source: Source, journal: Journal, refused: Refused, mark: Mark) -> None:
        self._source = source
        self._journal = journal
        self._refused = refused
        self._begun = time.monotonic() - mark.seconds
        self._written = time.monotonic()
        self._reached = mark
        """Changed in one step, for Ctrl+C may come between any two."""

    def add(self, chunk: Chunk, outcome: Outcome) -> Counts:
        lines = b"".join(self._source.refused(row, flaw) for row, flaw in outcome.refused)
        if lines:
            self._refused.add(self._source.head(), lines)
        counts = self._reached.counts + Counts(outcome.taken, outcome.duplicates, len(outcome.refused))
        self._reached = Mark(self._reached.begun, chunk.number + 1, counts, self._refused.size, self._refused.digest())
        if time.monotonic() - self._written >= _MARK_SECONDS:
            self.write(done=False)
        if not counts.taken and counts.refused >= _HOPELESS:
            _, flaw = outcome.refused[-1]
            why = f"{flaw.path}: {flaw.message}" if flaw.path else flaw.message
            rows = f"none of the first {counts.refused:,} rows was taken"
            raise StoppedError(f"{rows}, the last because of {why}; they are in {self._refused.path}")
        return counts

    def write(self, done: bool) -> Mark:
        """How far it is. The refused rows are durable before it says that they are there."""
        self._refused.sync()
        seconds = round(time.monotonic() - self._begun, 3)
        self._written = time.monotonic()
        return self._journal.write(replace(self._reached, seconds=seconds, done=done))
