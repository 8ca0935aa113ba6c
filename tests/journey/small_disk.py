"""A headwater on a small disk of its own: a tmpfs in a mount namespace that outlives the server's processes."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from harness import Server
from tools import lack

MIB = 1 << 20

_WAYS = {("unshare", "-m"): ("-m",), ("unshare", "-rm"): ("-U", "--preserve-credentials", "-m")}
"""How to come to a mount namespace, and how others enter it."""
_MOUNT = 'mount -t tmpfs -o size="$2" tmpfs "$1" && echo mounted && exec cat'


@cache
def _way() -> tuple[str, ...] | None:
    """The first that works here."""
    if not shutil.which("unshare") or not shutil.which("nsenter"):
        return None
    for way in _WAYS:
        command = [*way, "mount", "-t", "tmpfs", "t", "/mnt"]
        if not subprocess.run(command, capture_output=True, check=False).returncode:
            return way
    return None


class SmallDisk:
    """`size` bytes at `mount`, seen by those who are run in `wrap`; we see it at `root`."""

    def __init__(self, mount: Path, size: int) -> None:
        way = _way()
        assert way is not None
        mount.mkdir(parents=True, exist_ok=True)
        command = [*way, "sh", "-c", _MOUNT, "sh", str(mount), str(size)]
        self._holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout and self._holder.stdout.readline() == "mounted\n"
        self.mount = mount
        self.wrap = ("nsenter", "-t", str(self._holder.pid), *_WAYS[way], "--")
        self.root = Path(f"/proc/{self._holder.pid}/root") / mount.relative_to("/")

    @property
    def free(self) -> int:
        about = os.statvfs(self.root)
        return about.f_bavail * about.f_frsize

    def fill(self, leave: int) -> None:
        """Somebody else takes all but `leave` bytes."""
        with (self.root / "filler").open("ab") as file:
            end = file.tell()
            while (more := self.free - leave) > 0:
                with suppress(OSError):  # the server took some of it in between
                    os.posix_fallocate(file.fileno(), end, more)
                    end += more

    def relieve(self) -> None:
        """They give it back."""
        (self.root / "filler").unlink(missing_ok=True)

    def grow(self, size: int) -> None:
        """As an operator enlarges a volume."""
        command = [*self.wrap, "mount", "-o", f"remount,size={size}", str(self.mount)]
        subprocess.run(command, check=True, capture_output=True)

    def close(self) -> None:
        self._holder.communicate()


@contextmanager
def server_on(mount: Path, size: int, *options: str) -> Iterator[tuple[Server, SmallDisk]]:
    """A running headwater with its data on a disk of `size` bytes, and the disk."""
    if _way() is None:
        lack("no mount namespace can be made here (unshare -m, unshare -rm)")
    disk = SmallDisk(mount, size)
    server = Server(disk.root / "data", *options, wrap=disk.wrap, inside=mount / "data")
    server.log_path = mount.with_name("server.log")
    try:
        server.start()
        server.wait_engine()
        yield server, disk
    except BaseException:
        print(server.log())
        raise
    finally:
        server.kill_group()
        disk.close()
