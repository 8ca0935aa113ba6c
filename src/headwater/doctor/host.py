"""The machine under it: room, limits, clock, file system, and the SQLite that is used."""

import os
import platform
import resource
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

import apsw

from headwater.clock import to_iso
from headwater.config import Settings
from headwater.doctor.report import Check, fault, ok, some, unchecked, warning
from headwater.events import Lane

_NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.glusterfs")
)
_MEMORY = frozenset(("tmpfs", "ramfs"))
_SLACK_MS = 2_000
"""How far two clocks, or one before and after it was set, may differ."""
_SPARE_FDS = 200
"""Descriptors beside those of connections: files, the line to the engine."""

_UNLIMITED = 1 << 30

_SECRET = ("key-secret", "credentials.json", "webhooks.db")
_OURS = ("catalog.db", "state.db", "cohorts.db", "destinations.db", "engine.sock", "log", "store")


def modes(data_dir: Path) -> Check:
    """Who else may read or write in the data directory. Behind a closed one only the secrets' own modes count."""
    name = "files.modes"
    facts = {each: (data_dir / each).stat() for each in (".", *_SECRET, *_OURS) if (data_dir / each).exists()}
    shown = {each: oct(stat.S_IMODE(fact.st_mode)) for each, fact in facts.items()}
    open_secrets = [f"{each} ({shown[each]})" for each in _SECRET if each in facts and _others(facts[each], 0o077)]
    if open_secrets:
        advice = "chmod 600 these; others on this machine may have read them: rotate the key (headwater keys rotate)"
        return fault(name, f"others may use {some(open_secrets)}", advice, modes=shown)
    writable = [f"{each} ({shown[each]})" for each, fact in facts.items() if _others(fact, 0o022)]
    if writable and _others(facts["."], 0o077):
        return fault(name, f"others may write to {some(writable)}", "chmod go-w these", modes=shown)
    owners = {fact.st_uid for fact in facts.values()}
    if len(owners) > 1:
        said = f"the files belong to the users {some(sorted(owners))}: not all of them can be written by one process"
        return fault(name, said, f"chown -R them to the user that headwater runs as: {data_dir}", modes=shown)
    if _others(facts["."], 0o077):
        said = f"others may look into the data directory ({shown['.']}); the secrets are closed"
        return warning(name, said, f"chmod 700 {data_dir}", modes=shown)
    return ok(name, f"the data directory is its owner's alone ({shown['.']})", modes=shown)


def _others(fact: os.stat_result, bits: int) -> bool:
    return bool(stat.S_IMODE(fact.st_mode) & bits)


def disk(settings: Settings, reserve: int) -> Check:
    """Free space against what is kept in reserve. `reserve` in bytes: with less, events are refused."""
    about = os.statvfs(settings.data_dir)
    free, nodes = about.f_bavail * about.f_frsize, about.f_favail
    figures = {"free": free, "reserve": reserve, "inodes": nodes}
    said = f"{free} bytes are free, events are refused below {reserve}"
    if free < reserve or (about.f_files and nodes < 1000):
        return fault("host.disk", f"{said}; {nodes} inodes are left", "make room: events are refused", **figures)
    if free < 3 * reserve:
        return warning("host.disk", said, "make room soon", **figures)
    return ok("host.disk", said, **figures)


def backlog(waiting: Mapping[Lane, int], size: int, bound: int) -> Check:
    """What was acknowledged and is not stored yet: events by lane, and bytes of the log, of which `bound` are taken
    before events are refused (0: as many as there is room for)."""
    figures = {lane.value: events for lane, events in waiting.items()} | {"bytes": size, "bound": bound}
    said = ", ".join(f"{events} {lane} events" for lane, events in waiting.items())
    said = f"{said} wait, {size} bytes of the log" + (f"; events are refused from {bound} on" if bound else "")
    advice = "see that the engine runs and what it logs; a migration of this size may take its time"
    if bound and size >= bound:
        return fault("host.backlog", said, advice, **figures)
    if bound and size >= bound // 2:
        return warning("host.backlog", said, advice, **figures)
    return ok("host.backlog", said, **figures)


def descriptors(settings: Settings, gateway: int | None) -> Check:
    """The limit of open files, of the running gateway (its process id) or of one started from here."""
    limit, whose = _limit(gateway)
    wanted = settings.max_connections + _SPARE_FDS
    said = f"{limit} open files are allowed {whose}; {settings.max_connections} connections need some {wanted}"
    if limit < wanted:
        advice = "raise it before headwater starts: `ulimit -Hn 65536`, or LimitNOFILE=65536 in its systemd unit"
        return warning("host.descriptors", said, advice, limit=limit)
    return ok("host.descriptors", said, limit=limit)


def _limit(gateway: int | None) -> tuple[int, str]:
    """The gateway raises its own to the hard limit."""
    if gateway is not None:
        try:
            for line in Path(f"/proc/{gateway}/limits").read_text().splitlines():
                if line.startswith("Max open files"):
                    return _number(line.split()[3]), "to the gateway"
        except OSError:
            pass
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _UNLIMITED if hard == resource.RLIM_INFINITY else hard, "here"


def _number(text: str) -> int:
    return int(text) if text.isdigit() else _UNLIMITED


def clock(now_ms: int, newest_ms: int) -> Check:
    """The wall clock against the newest record's receipt (0: there is none)."""
    ahead = newest_ms - now_ms
    figures = {"now_ms": now_ms, "newest_ms": newest_ms}
    if ahead > _SLACK_MS:
        said = (
            f"it is {to_iso(now_ms)}, the newest record was received at {to_iso(newest_ms)}, {ahead / 1000:.1f} s ahead"
        )
        advice = (
            "set the clock, and let NTP keep it: until then new events get times before those, windows and quotas are "
            "off, and the log keeps records longer; no event is lost by it"
        )
        return warning("host.clock", said, advice, **figures)
    said = f"it is {to_iso(now_ms)}; no record was received later"
    return ok("host.clock", said, **figures)


def sqlite(version: str) -> Check:
    """The SQLite that writes catalog and state: not one with the WAL-reset bug."""
    if has_wal_bug(version):
        said = f"SQLite {version} may damage a database in WAL mode when two connections write to it"
        return fault("host.sqlite", said, "install an apsw with SQLite 3.51.3 or later", version=version)
    return ok("host.sqlite", f"SQLite {version}, which has no known bug that damages a database", version=version)


def has_wal_bug(version: str) -> bool:
    """From 3.7.0 to 3.51.2, but for 3.44.6 and 3.50.7 and what followed them (source: SQLite, Write-Ahead Logging)."""
    number = tuple(int(part) for part in version.split(".")[:3])
    if number < (3, 7, 0) or number >= (3, 51, 3):
        return False
    return not any(number[:2] == mended[:2] and number >= mended for mended in ((3, 44, 6), (3, 50, 7)))


def filesystem(data_dir: Path, mounts: Iterable[str] | None = None) -> Check:
    """What kind of file system holds the data directory. `mounts`: lines of /proc/self/mountinfo."""
    name = "host.filesystem"
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines() if mounts is None else mounts
    except OSError as error:
        return unchecked(name, str(error), "look at `df -T` yourself: a local disk is needed")
    kind = kind_of(data_dir.resolve(), lines)
    figures = {"type": kind, "kernel": platform.release()}
    said = f"{kind}, Linux {platform.release()}"
    if kind in _NETWORK:
        advice = "move the data directory to a local disk: locks, mapped files and fsync are not to be relied on here"
        return warning(name, f"{said}: a network file system", advice, **figures)
    if kind in _MEMORY:
        return warning(name, f"{said}: in memory", "move it to a disk: a power cut takes every event", **figures)
    if kind == "overlay":
        advice = "mount a volume for the data directory: it goes with the container"
        return warning(name, f"{said}: a container's own layer", advice, **figures)
    return ok(name, said, **figures)


def kind_of(path: Path, mounts: Iterable[str]) -> str:
    """The type of the file system that is mounted nearest above `path`; of several at one place, the last."""
    best, kind = "", "unknown"
    for line in mounts:
        about, _, rest = line.partition(" - ")
        place = about.split(" ")[4].encode().decode("unicode_escape")
        if path.is_relative_to(place) and len(place) >= len(best):
            best, kind = place, rest.split(" ")[0]
    return kind


SQLITE = apsw.sqlite_lib_version()
