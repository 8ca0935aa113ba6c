"""What of a log lies on disk, and whether every byte of it is as it was written."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Protocol

from lz4.block import LZ4BlockError

from headwater.errors import CorruptionError
from headwater.log import record
from headwater.log.base import Damage, Sound, Stretch, Survey
from headwater.log.segments import Found, Segment, bases, path_of, segments

_LEFT_ASIDE = ".new"
"""How the files end that a kill may have left before they got their name."""


class _Reads(Protocol):
    """`SegmentedReader._found`."""

    def __call__(self, segment: Segment, start: int, stop: int, /) -> Generator[Found, None, None]: ...


def survey(directory: Path, suffix: str, durable: int) -> Survey:
    """Looks at names and sizes alone. `durable` must have been loaded before the call."""
    known, begins = segments(directory, suffix, durable), bases(directory, suffix)
    spare = [path_of(directory, base, suffix).name for base in begins if base > durable]
    aside = [path.name for path in directory.glob(f"*{_LEFT_ASIDE}")] if directory.is_dir() else []
    stretches = [Stretch(each.base, each.end, each.path.name, _size(each.path)) for each in known]
    return Survey(durable, tuple(stretches), tuple(sorted(spare + aside)), durable in begins)


def examine(found: _Reads, segment: Segment, start: int, payloads: bool) -> Generator[Sound | Damage, None, None]:
    """The segment's records from `start` on, one after the other.

    Behind a header that does not hold nothing can be found, behind a payload the next record can. Raises
    FileNotFoundError when there is no such file.
    """
    at = start
    try:
        with closing(found(segment, start, segment.end)) as founds:
            for each in founds:
                at = each.position
                yield _held(each, payloads)
                at = each.end
    except FileNotFoundError:
        raise
    except (CorruptionError, OSError, UnicodeDecodeError) as error:
        yield Damage(at, segment.end, f"{segment.path.name}: {error}")


def _held(found: Found, payloads: bool) -> Sound | Damage:
    """Raises CorruptionError when not even the header holds."""
    head = record.decode_head(found.data, found.at, found.position, found.end)
    try:
        lanes = [*head.lanes] if payloads else []
        shares = [record.decode(found.data, found.at, found.position, found.end, lane) for lane in lanes]
    except (CorruptionError, LZ4BlockError) as error:
        return Damage(found.position, found.end, str(error))
    return Sound(head, tuple([share for share in shares if share]))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
