"""A log of many partitions as those read it who ask and follow: by spread positions, or by blocks."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from headwater.cluster.positions import own, partition_of, spread
from headwater.events import Lane
from headwater.log.base import Chunk, Head, Reader, Record, chunks
from headwater.state.base import Place


class Partition:
    """One partition, with spread positions: what `tail.Tail` asks of a `log.base.Reader`."""

    def __init__(self, reader: Reader, number: int) -> None:
        self._reader = reader
        self._number = number

    def durable(self) -> int:
        return spread(self._number, self._reader.durable())

    def heads(self, start: int) -> Iterator[Head]:
        for head in self._reader.heads(own(start)):
            yield replace(head, position=spread(self._number, head.position), end=spread(self._number, head.end))

    def record(self, position: int, lane: Lane) -> Record | None:
        found = self._reader.record(own(position), lane)
        return found and _placed(found, self._number)


class Partitions:
    """All partitions at once."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        """By number."""
        self._readers = readers
        self.each = [Partition(reader, number) for number, reader in enumerate(readers)]

    def record(self, position: int, lane: Lane) -> Record | None:
        """As `Reader.record`, by a spread position."""
        return self.each[partition_of(position)].record(position, lane)

    def size(self) -> int:
        """As `Reader.size`."""
        return sum(reader.size() for reader in self._readers)

    def ends(self) -> list[int]:
        """Each one's durable end, its own position."""
        return [reader.durable() for reader in self._readers]

    def within(self, place: Place, lane: Lane, most: int) -> Iterator[Record]:
        """A lane's records of a place, in the partition's order; `most` events are held at once, about."""
        for chunk in chunks(self._readers[place.partition], lane, place.start, place.end, most):
            for record in chunk.records:
                yield _placed(record, place.partition)


class Blocks:
    """The log in the order of its blocks: to who follows what is stored, a lane's position is a block's number.

    Every block up to a number is committed before anything reads up to there, so the order is one and the same for
    everybody, whichever partitions the blocks came from.
    """

    def __init__(self, partitions: Partitions, place_of: Callable[[Lane, int, int], Mapping[int, Place]]) -> None:
        """`place_of` tells where the blocks of a lane lie, of those numbers after the one and up to the other."""
        self._partitions = partitions
        self._place_of = place_of

    def read(self, lane: Lane, start: int, most: int, bound: int | None = None) -> Chunk:
        """As `Reader.read`: whole blocks after the block `start`, up to the block `bound`."""
        records: list[Record] = []
        end, count = start, 0
        for number, place in sorted(self._place_of(lane, start, start + 1 if bound is None else bound).items()):
            if count >= most:
                break
            found = list(self._partitions.within(place, lane, most))
            records += found
            count += sum(record.count for record in found)
            end = number
        return Chunk(tuple(records), end, count)


def _placed(record: Record, partition: int) -> Record:
    return replace(record, position=spread(partition, record.position), end=spread(partition, record.end))


class Arrivals:
    """`log.base.Heads` of what comes into any partition from now on, in the order it is seen here; its positions are
    its own. For one thread."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = readers
        self._seen = [reader.durable() for reader in readers]

    def durable(self) -> int:
        return sum(reader.durable() for reader in self._readers)

    def heads(self, start: int) -> Iterator[Head]:
        """Those that were not given yet, whatever `start` is."""
        for number, reader in enumerate(self._readers):
            for head in reader.heads(self._seen[number]):
                before, self._seen[number] = sum(self._seen), head.end
                yield replace(head, position=before, end=sum(self._seen))
