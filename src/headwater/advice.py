"""What ails a disk, and what to do about it, in words: `/readyz` is read at three in the morning."""

import errno

_MIND = "It goes on by itself then; no restart is needed."

_ADVICE = {
    errno.ENOSPC: f"Make room on the disk of the data directory. {_MIND}",
    errno.EDQUOT: f"Make room in the disk quota of the user it runs as, or raise that. {_MIND}",
    errno.EFBIG: f"Raise the limit on the size of a file: prlimit --fsize (ulimit -f, LimitFSIZE=). {_MIND}",
    errno.EMFILE: f"Raise the limit on open files: prlimit --nofile (ulimit -n, LimitNOFILE=). {_MIND}",
    errno.ENFILE: f"The machine has no open files left: see fs.file-max, and which process holds so many. {_MIND}",
    errno.EROFS: "The disk became read-only, as a failing one does: see dmesg, check it, mount it writable again.",
    errno.EIO: f"The disk fails: see dmesg. What was acknowledged is kept; it is tried again every second. {_MIND}",
}

_SAID = {
    "No space left on device": errno.ENOSPC,
    "NOT_ENOUGH_SPACE": errno.ENOSPC,
    "database or disk is full": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "File too large": errno.EFBIG,
    "Too many open files": errno.EMFILE,
    "Read-only file system": errno.EROFS,
    "disk I/O error": errno.EIO,
    "Input/output error": errno.EIO,
}
"""How SQLite and ClickHouse say it, who have no errno for us."""


def number_of(error: BaseException) -> int | None:
    """The errno behind an error, be it only named in its text; None when there is none."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    return _SAID.get(said(str(error)))


def said(text: str) -> str:
    """The words in it that name an errno; empty when there are none."""
    return next((words for words in _SAID if words in text), "")


def is_full(error: BaseException) -> bool:
    """Whether room on the disk would help."""
    return number_of(error) in (errno.ENOSPC, errno.EDQUOT)


def advice(number: int | None) -> str:
    """What to do about an errno; empty when there is nothing to say."""
    return _ADVICE.get(number, "") if number is not None else ""


def readable(count: int) -> str:
    """Bytes for people: `64 MiB`."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if abs(value) < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
