"""What a doctor thinks of a machine, on machines made up."""

import os
from pathlib import Path

import pytest

from headwater.config import Settings
from headwater.doctor import host
from headwater.doctor.report import Check, Verdict, exit_code
from headwater.events import Lane

OK, WARNING, FAULT = Verdict.OK, Verdict.WARNING, Verdict.FAULT


@pytest.mark.parametrize(
    ("version", "has_it"),
    [
        ("3.6.23", False),
        ("3.7.0", True),
        ("3.40.1", True),
        ("3.44.5", True),
        ("3.44.6", False),
        ("3.45.0", True),
        ("3.50.6", True),
        ("3.50.7", False),
        ("3.51.2", True),
        ("3.51.3", False),
        ("3.53.4", False),
        ("4.0.0", False),
    ],
)
def test_the_versions_of_sqlite_with_the_wal_reset_bug(version: str, has_it: bool) -> None:
    assert host.sqlite(version).verdict is (FAULT if has_it else OK)


MOUNTS = [
    "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw",
    "22 21 0:20 / /mnt/with\\040space rw - nfs4 server:/x rw",
    "23 21 0:21 / /data rw - tmpfs tmpfs rw",
    "24 21 0:22 / /data rw shared:7 master:2 - xfs /dev/vdb rw",
    "25 21 0:23 / /dat rw - cifs //server/x rw",
    "26 21 0:24 / /ram rw - tmpfs tmpfs rw",
]


@pytest.mark.parametrize(
    ("path", "kind", "verdict"),
    [
        ("/var/lib", "ext4", OK),
        ("/mnt/with space/headwater", "nfs4", WARNING),
        ("/data/headwater", "xfs", OK),
        ("/database", "ext4", OK),
        ("/ram/x", "tmpfs", WARNING),
    ],
)
def test_the_file_system_that_is_mounted_nearest(path: str, kind: str, verdict: Verdict) -> None:
    assert host.kind_of(Path(path), MOUNTS) == kind
    assert host.filesystem(Path(path), MOUNTS).verdict is verdict


def test_a_clock_that_was_set_back(tmp_path: Path) -> None:
    now = 1_800_000_000_000
    assert host.clock(now, 0).verdict is host.clock(now, now + 1000).verdict is OK
    found = host.clock(now, now + 90_000)
    assert found.verdict is WARNING and "90.0 s ahead" in found.said and found.advice


def test_room_and_backlog_against_their_bounds(tmp_path: Path) -> None:
    settings, free = Settings(data_dir=tmp_path), os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    assert host.disk(settings, 1).verdict is OK
    assert host.disk(settings, free // 2).verdict is WARNING
    assert host.disk(settings, free * 2).verdict is FAULT
    waiting = {Lane.REALTIME: 5, Lane.MIGRATION: 0}
    assert [host.backlog(waiting, size, 100).verdict for size in (49, 50, 100)] == [OK, WARNING, FAULT]
    assert host.backlog(waiting, 1 << 40, 0).verdict is OK


def test_limits_of_the_process_that_needs_them() -> None:
    few = Settings(data_dir=Path("."), max_connections=10)
    many = Settings(data_dir=Path("."), max_connections=1 << 31)
    for pid in (None, os.getpid(), 1 << 30):
        assert (host.descriptors(few, pid).verdict, host.descriptors(many, pid).verdict) == (OK, WARNING)


@pytest.mark.parametrize(
    ("name", "mode", "verdict"),
    [
        (".", 0o700, OK),
        (".", 0o755, WARNING),
        (".", 0o770, FAULT),
        ("key-secret", 0o400, OK),
        ("key-secret", 0o604, FAULT),
        ("credentials.json", 0o640, FAULT),
        ("catalog.db", 0o644, OK),
        ("state.db", 0o646, OK),
        ("log", 0o775, OK),
    ],
)
def test_who_else_may_read_or_write(tmp_path: Path, name: str, mode: int, verdict: Verdict) -> None:
    tmp_path.chmod(0o700)
    for each in ("key-secret", "credentials.json"):
        (tmp_path / each).touch(0o600)
    for each in ("catalog.db", "state.db"):
        (tmp_path / each).touch(0o600)
    (tmp_path / "log").mkdir(0o700)
    (tmp_path / name).chmod(mode)
    found = host.modes(tmp_path)
    assert found.verdict is verdict and (verdict is OK or oct(mode) in found.said), found


@pytest.mark.parametrize(("name", "mode"), [("state.db", 0o646), ("log", 0o775)])
def test_what_others_may_write_counts_once_they_get_there(tmp_path: Path, name: str, mode: int) -> None:
    (tmp_path / "state.db").touch(0o600)
    (tmp_path / "log").mkdir(0o700)
    tmp_path.chmod(0o711)
    assert host.modes(tmp_path).verdict is WARNING
    (tmp_path / name).chmod(mode)
    found = host.modes(tmp_path)
    assert found.verdict is FAULT and f"{name} ({oct(mode)})" in found.said


def test_the_exit_code_is_of_the_worst() -> None:
    def code(*verdicts: Verdict) -> int:
        return exit_code(Check("x", verdict, "") for verdict in verdicts)

    assert (code(OK, WARNING), code(OK, Verdict.UNCHECKED), code(FAULT, Verdict.UNCHECKED)) == (0, 2, 1)
    assert code() == 2
