"""A process that appends until it is killed: python appending.py DIRECTORY SEED.

Prints `A <batch id>` when a batch was acknowledged and `E <batch id>` when it was refused. Now and then the disk fails.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from batches import BOTH, make_batch
from headwater.errors import LogUnavailableError
from headwater.log.files import Disk, FilesAppender


class FailingDisk(Disk):
    """Fails a few calls in a hundred, after having done them, half of them, or nothing."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def write(self, fd: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        if self.random.random() < 0.02:
            whole = b"".join(buffers)
            super().write(fd, [whole[: self.random.randrange(len(whole) + 1)]], offset)
            raise OSError(5, "write failed on purpose")
        return super().write(fd, buffers, offset)

    def sync(self, fd: int) -> None:
        super().sync(fd)
        if self.random.random() < 0.02:
            raise OSError(5, "fsync failed on purpose")

    def truncate(self, fd: int, size: int) -> None:
        if self.random.random() < 0.3:
            raise OSError(5, "truncate failed on purpose")
        super().truncate(fd, size)

    def create(self, path: Path) -> int:
        fd = super().create(path)
        if self.random.random() < 0.05:
            os.close(fd)
            raise OSError(28, "create failed on purpose")
        return fd


async def caller(appender: FilesAppender, random: Random) -> None:
    while True:
        lanes = random.choice([BOTH, BOTH[:1], BOTH[1:]])
        batch = make_batch(random.randrange(1, 8), lanes, random=random)
        try:
            await appender.append(batch)
        except LogUnavailableError:
            os.write(1, b"E %s\n" % batch.id.hex().encode())
            await asyncio.sleep(0.005)
        else:
            os.write(1, b"A %s\n" % batch.id.hex().encode())


async def main(directory: Path, seed: int) -> None:
    sound = FilesAppender(directory, segment_bytes=30_000)  # a start on a failing disk is a start that fails
    sound.close()
    disk = FailingDisk(Random(seed))
    disk.random.seed(seed)
    while True:
        try:
            appender = FilesAppender(directory, segment_bytes=30_000, disk=disk)
            break
        except Exception as error:
            print("S", error, flush=True)
    print("R", flush=True)
    await asyncio.gather(*[caller(appender, Random(seed * 100 + n)) for n in range(16)])


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
