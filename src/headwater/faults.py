"""Faults on purpose, for crash tests. Off unless the environment asks for one."""

import os
import signal
from collections.abc import Callable


def fault_on_purpose(text: str) -> Callable[[str], None]:
    """A fault on purpose, for crash tests: `inserted:kill:3` kills the process group at the third such moment."""
    if not text:
        return lambda moment: None
    wanted, _, times = text.partition(":kill:")
    left = [int(times)]

    def strike(moment: str) -> None:
        if moment == wanted:
            left[0] -= 1
            if left[0] == 0:
                os.killpg(os.getpgrp(), signal.SIGKILL)

    return strike
