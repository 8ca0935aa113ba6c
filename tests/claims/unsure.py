"""A disk that waits or fails when it is told to, and keys to claim."""

import threading
from random import Random

from headwater.log.files import Disk

KEYS = [bytes([n]) * 16 for n in range(12)]
A, B, C = KEYS[:3]


class Unsure(Disk):
    """Fails now and then, when told to."""

    def __init__(self) -> None:
        self.random: Random | None = None
        self.gate = threading.Event()
        self.gate.set()

    def sync(self, fd: int) -> None:
        self.gate.wait(30)
        super().sync(fd)
        if self.random and self.random.random() < 0.2:
            raise OSError(5, "fsync failed on purpose")
