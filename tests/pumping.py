"""An engine's back half alone: python pumping.py DIRECTORY [MOMENT NTH], which kills it at the nth such moment.

Prints `ready` when recovered. Blocks are small, and their months two, so that kills find it in every state.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from headwater.config import Settings
from headwater.log.files import FilesReader
from headwater.pipeline import Pipeline
from headwater.state.sqlite import SqliteState
from headwater.store.clickhouse import ChdbStore

SETTINGS = {"block_events": 300, "segment_bytes": 40_000}


def killer(moment: str, nth: int) -> Callable[[str], None]:
    """A probe that kills this process."""
    left = nth

    def probe(name: str) -> None:
        nonlocal left
        left -= name == moment
        if name == moment and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return probe


def main(directory: Path, moment: str = "", nth: str = "1") -> None:
    settings = Settings(data_dir=directory, **SETTINGS)
    reader, state = FilesReader(settings.log_dir), SqliteState(settings.state_path)
    pipeline = Pipeline(
        reader, ChdbStore(settings.store_dir), state, settings, probe=killer(moment, int(nth)), linger=0.01
    )
    thread = threading.Thread(target=pipeline.run, args=(threading.Event(),))
    thread.start()
    while not pipeline.status().ready and thread.is_alive():
        thread.join(0.005)
    print("ready" if pipeline.status().ready else pipeline.status().why, flush=True)
    thread.join()
    print(pipeline.status().why, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
