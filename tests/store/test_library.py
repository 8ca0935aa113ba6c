"""What is given back of the memory that ClickHouse's library takes."""

import subprocess
import sys
from pathlib import Path

import pytest

from headwater.store import library

MAPS = """\
7f8a53e00000-7f8a5ce57000 r--p 00000000 fe:00 1 /x/chdb/_chdb.abi3.so
Size:             147804 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me sd
7f8a5ce57000-7f8a74429000 r-xp 09056000 fe:00 1 /x/chdb/_chdb.abi3.so
Anonymous:             0 kB
Swap:                  0 kB
7f8a74429000-7f8a74f57000 r--p 20627000 fe:00 1 /x/chdb/_chdb.abi3.so
Anonymous:         11428 kB
Swap:                  0 kB
7f8a74f51000-7f8a74f57000 r--p 2114e000 fe:00 1 /x/chdb/_chdb.abi3.so
Anonymous:             0 kB
Swap:                 24 kB
7f8a74f57000-7f8a74fa0000 rw-p 21154000 fe:00 1 /x/chdb/_chdb.abi3.so
Anonymous:             0 kB
Swap:                  0 kB
7f8a760c6000-7f8a760d5000 rw-p 00000000 00:00 0
Anonymous:             0 kB
Swap:                  0 kB
7f8a760d5000-7f8a760d6000 r-xp 00000000 fe:00 2 /x/libc.so.6
Anonymous:             0 kB
Swap:                  0 kB
"""
AGAIN = """
import sys
from pathlib import Path
from headwater.events import Lane
from headwater.store import library
from headwater.store.clickhouse import ChdbStore
store = ChdbStore(Path(sys.argv[1]))
for _ in range(3):
    assert library.give_back() > 1 << 20
    assert store.counts(Lane.REALTIME, 1) == {}
store.close()
"""


def test_only_what_is_as_it_is_in_the_file_is_given_back() -> None:
    """Where something was relocated, or may be written to, the file has something else."""
    assert [*library._clean(MAPS)] == [(0x7F8A53E00000, 0x7F8A5CE57000), (0x7F8A5CE57000, 0x7F8A74429000)]


def test_nothing_is_given_back_where_the_kernel_tells_nothing(tmp_path: Path) -> None:
    assert library.give_back(tmp_path / "smaps") == 0
    assert library.give_back(tmp_path) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it does nothing")
def test_what_was_given_back_is_fetched_again(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", AGAIN, str(tmp_path / "store")], check=True, timeout=60)
