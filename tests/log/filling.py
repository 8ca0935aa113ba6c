"""Fills a disk: python filling.py DIRECTORY ERRNO RELIEF.

With ERRNO `EFBIG` no file may outgrow 50 kB. With RELIEF `trim` the log is trimmed now and then. Checks that every
refusal names ERRNO, and that the log holds what was acknowledged, in order, without what was trimmed.
"""

import asyncio
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from batches import make_batch
from headwater.errors import LogUnavailableError
from headwater.log.files import FilesAppender, FilesReader

FOREVER = 1 << 47


async def fill(directory: Path, errno: str, trims: bool) -> tuple[list[bytes], int, int]:
    """The batches acknowledged, how many were refused, and where the log begins in the end."""
    appender, reader = FilesAppender(directory, segment_bytes=1 << 30), FilesReader(directory)
    kept, refused, oldest = [], 0, 0
    for _ in range(400):
        batch = make_batch(60)
        try:
            await appender.append(batch)
            kept.append(batch.id)
        except LogUnavailableError as error:
            refused += errno in str(error)
            if trims and refused % 5 == 0:
                oldest = reader.trim(reader.durable(), FOREVER)
            await asyncio.sleep(0.01)
    appender.close()
    return kept, refused, oldest


def main(directory: Path, errno: str, relief: str) -> None:
    if errno == "EFBIG":
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    kept, refused, oldest = asyncio.run(fill(directory, errno, relief == "trim"))
    FilesAppender(directory).close()
    heads = list(FilesReader(directory).heads(0))
    seen = [head.batch for head in heads]
    assert len(kept) > 100 and refused == 400 - len(kept) >= 5, (len(kept), refused)
    assert seen == kept[len(kept) - len(seen) :]
    assert (heads[0].position if heads else oldest) == oldest
    assert oldest or len(seen) == len(kept)


main(Path(sys.argv[1]), *sys.argv[2:])
