"""Reading a log of segments, whatever the segments are made of."""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Generator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

from headwater.durable import sync
from headwater.errors import CorruptionError
from headwater.events import Lane, received_ms
from headwater.log import record
from headwater.log.base import Chunk, Claimed, Damage, Head, Record, Sound, Survey
from headwater.log.published import Claimed as ClaimedWord
from headwater.log.published import Published, Stored, open_or_create_stored
from headwater.log.segments import Found, Segment, bases, path_of, segments
from headwater.log.survey import examine, survey

_CLOCK_SLACK_MS = 60_000
_NEVER_MS = 1 << 48


class SegmentedReader(ABC):
    """A `Reader`; an adapter adds how the records of one segment are found."""

    suffix: ClassVar[str]

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._published: Published | None = None
        self._stored: Stored | None = None
        self._claimed: ClaimedWord | None = None
        self._listing: tuple[int, tuple[Segment, ...]] = (0, ())
        self._newest_ms: dict[int, int] = {}

    @abstractmethod
    def _found(self, segment: Segment, start: int, stop: int) -> Generator[Found, None, None]:
        """The segment's records that begin in [start, stop), and nothing behind them.

        Raises FileNotFoundError when it was trimmed meanwhile, CorruptionError when one of them is not there.
        """

    def durable(self) -> int:
        published = self._published or self._look()
        return published.durable if published else 0

    def read(self, lane: Lane, start: int, most: int, bound: int | None = None) -> Chunk:
        records: list[Record] = []
        count, end = 0, start
        with closing(self._scan(start, self._limit(start, bound))) as founds:
            for found in founds:
                taken = _decode(found, lane)
                end = found.end
                if taken:
                    records.append(taken)
                    count += taken.count
                    if count >= most:
                        break
        return Chunk(tuple(records), end, count)

    def heads(self, start: int) -> Generator[Head, None, None]:
        for segment in self._segments():
            if segment.end > start:
                with suppress(FileNotFoundError):  # trimmed while we walk
                    yield from self._heads(segment, max(start, segment.base))

    def record(self, position: int, lane: Lane) -> Record | None:
        segment = self._segment_of(position)
        if segment is None:
            return None
        with suppress(FileNotFoundError), closing(self._found(segment, position, position + 1)) as founds:
            return _decode(next(founds), lane)
        return None

    def claims(self, start: int) -> Generator[Claimed, None, None]:
        for segment in self._segments():
            if segment.end > start:
                with suppress(FileNotFoundError):  # trimmed while we walk
                    yield from self._claims(segment, max(start, segment.base))

    def claimed(self) -> int | None:
        if self._claimed is None:
            with suppress(OSError, CorruptionError):
                self._claimed = ClaimedWord(self._directory, writable=False)
        return self._claimed.position if self._claimed else None

    def since(self, ms: int) -> int:
        """Takes it that a record is appended, and its clock corrected, within a minute of its receipt."""
        known = self._segments()
        if not known:
            return self.durable()
        older = [segment for segment in known if self._first_ms(segment) < ms - _CLOCK_SLACK_MS]
        start = older[-1].base if older else known[0].base
        with closing(self.heads(start)) as heads:
            return next((head.position for head in heads if received_ms(head.batch) >= ms), known[-1].end)

    def mark(self, stored: int) -> None:
        with suppress(OSError):
            if self._stored is None:
                self._stored = open_or_create_stored(self._directory)
            self._stored.position = min(stored, self.durable())

    def want(self, position: int) -> None:
        if self._stored is None:
            self._stored = open_or_create_stored(self._directory)
        self._stored.wanted = max(self._stored.wanted, min(position, self.durable()))

    def trim(self, before: int, keep_since_ms: int) -> int:
        durable, claimed = self.durable(), self.claimed()
        before = min(before, durable, durable if claimed is None else claimed)
        begins = bases(self._directory, self.suffix)
        for base, end in pairwise(begins):
            segment = Segment(base, end, path_of(self._directory, base, self.suffix))
            if end > before or self._newest_in(segment) >= keep_since_ms:
                return base
            self._remove(segment)
            # One after the other: a power cut must not bring an old one back behind a gap.
            sync(self._directory)
            self._listing = (0, ())
            self._newest_ms.pop(base, None)
        return begins[-1] if begins else durable

    def size(self) -> int:
        total = 0
        for path in self._directory.glob(f"*{self.suffix}*"):
            with suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    def survey(self) -> Survey:
        return survey(self._directory, self.suffix, self.durable())

    def examine(self, start: int, payloads: bool) -> Generator[Sound | Damage, None, None]:
        for segment in self._segments():
            if segment.end <= start:
                continue
            try:
                yield from examine(self._found, segment, max(start, segment.base), payloads)
            except FileNotFoundError:
                if min(bases(self._directory, self.suffix), default=0) <= segment.base:
                    yield Damage(segment.base, segment.end, f"{segment.path.name} is gone")

    def close(self) -> None:
        published, self._published = self._published, None
        stored, self._stored = self._stored, None
        claimed, self._claimed = self._claimed, None
        for each in (published, stored, claimed):
            if each:
                each.close()

    def _remove(self, segment: Segment) -> None:
        segment.path.unlink(missing_ok=True)

    def _look(self) -> Published | None:
        with suppress(FileNotFoundError):
            self._published = Published(self._directory, writable=False)
        return self._published

    def _segments(self) -> tuple[Segment, ...]:
        """Listed anew whenever the durable end has moved: a new segment may have cut an old one short."""
        durable = self.durable()
        known, listed = self._listing
        if known != durable:
            listed = segments(self._directory, self.suffix, durable)
            self._listing = (durable, listed)
        return listed

    def _segment_of(self, position: int) -> Segment | None:
        known = self._segments()
        index = bisect_right(known, position, key=lambda segment: segment.base) - 1
        return known[index] if index >= 0 and position < known[index].end else None

    def _limit(self, start: int, bound: int | None) -> int:
        """The position at or beyond which nothing is read."""
        durable = self.durable()
        if start > durable:
            raise CorruptionError(f"position {start} lies behind the end of the log, {durable}")
        return durable if bound is None else min(bound, durable)

    def _scan(self, start: int, limit: int) -> Generator[Found, None, None]:
        """The records that begin in [start, limit), across segments."""
        while start < limit:
            segment = self._segment_of(start)
            if segment is None:
                raise CorruptionError(f"position {start} was trimmed from the log")
            try:
                with closing(self._found(segment, start, limit)) as founds:
                    yield from founds
            except FileNotFoundError:
                raise CorruptionError(f"position {start} was trimmed from the log") from None
            start = segment.end

    def _heads(self, segment: Segment, start: int) -> Generator[Head, None, None]:
        with closing(self._found(segment, start, segment.end)) as founds:
            for found in founds:
                yield record.decode_head(found.data, found.at, found.position, found.end)

    def _claims(self, segment: Segment, start: int) -> Generator[Claimed, None, None]:
        with closing(self._found(segment, start, segment.end)) as founds:
            for found in founds:
                claimed = record.decode_claims(found.data, found.at, found.end)
                if claimed:
                    yield claimed

    def _first_ms(self, segment: Segment) -> int:
        """When a segment's first record was received, replays apart; 0 when it was trimmed meanwhile."""
        with suppress(FileNotFoundError), closing(self._heads(segment, segment.base)) as heads:
            return next((received_ms(head.batch) for head in heads if not head.replay), _NEVER_MS)
        return 0

    def _newest_in(self, segment: Segment) -> int:
        """The latest receipt among a closed segment's records. It never changes, so it is looked up once."""
        if segment.base not in self._newest_ms:
            with suppress(FileNotFoundError):
                heads = self._heads(segment, segment.base)
                self._newest_ms[segment.base] = max([received_ms(head.batch) for head in heads])
        return self._newest_ms.get(segment.base, 0)


def _decode(found: Found, lane: Lane) -> Record | None:
    return record.decode(found.data, found.at, found.position, found.end, lane)
