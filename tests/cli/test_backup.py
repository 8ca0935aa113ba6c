"""`headwater backup` and `headwater restore`, beside a server and without one, whole and damaged."""

import hashlib
import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from typer.testing import CliRunner

from cli.test_doctor import HOOK, SMALL, flip, live, look
from harness import Server, until
from headwater.backup.manifest import File, encode, read
from headwater.backup.taking import take
from headwater.backup.target import Target
from headwater.cli.main import app
from headwater.config import Settings
from headwater.errors import BackupError
from headwater.locks import DirectoryLock
from headwater.store.clickhouse import ChdbStore
from headwater.store.copies import is_part
from headwater.wiring import backups
from journey.load import Ledger, check, export, load, prepare
from journey.small_disk import SmallDisk, _way
from tools import lack
from wire.client import Client, raw


def run(*arguments: object) -> tuple[int, str]:
    """A command in this process: its exit code, and what it said on either output."""
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def backup(data_dir: Path, into: Path, *options: object) -> Path:
    code, said = run("backup", into, "--data-dir", data_dir, "--json", *options)
    assert code == 0, said
    return Path(json.loads(said)["path"])


def restored(taken: Path, data_dir: Path) -> Path:
    code, said = run("restore", taken, "--data-dir", data_dir)
    assert code == 0, said
    return data_dir


def listing(data_dir: Path) -> dict[str, str]:
    """Every file of a directory and its hash."""
    files = (path for path in data_dir.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(data_dir)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def own(data_dir: Path, tmp_path: Path) -> Path:
    """One's own copy of a stopped server's directory."""
    sockets = shutil.ignore_patterns("*.sock")
    return Path(shutil.copytree(data_dir, tmp_path / "data", symlinks=True, ignore=sockets))


def clean(data_dir: Path) -> None:
    """The doctor finds nothing wrong, and all was looked at."""
    said = look(data_dir)
    assert (said.code, said.of("fault") | said.of("unchecked")) == (0, set()), said.text


@contextmanager
def serving(data_dir: Path, *options: str) -> Iterator[Server]:
    server = Server(data_dir, *SMALL, *options)
    try:
        server.start()
        server.wait_engine()
        yield server
    finally:
        server.kill_group()
        for role in ("gateway", "engine"):  # a killed process may hold its lock a moment longer than it is seen
            DirectoryLock(data_dir / f"{role}.lock", 10).release()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a server that took a little of everything, and was stopped."""
    data_dir = tmp_path_factory.mktemp("backed") / "data"
    with serving(data_dir) as server:
        live(server)
        assert server.stop() == 0
    return data_dir


@pytest.fixture(scope="module")
def taken(stopped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    return backup(stopped, tmp_path_factory.mktemp("backups"))


@pytest.fixture
def copied(taken: Path, tmp_path: Path) -> Path:
    """One's own copy of that backup."""
    return Path(shutil.copytree(taken, tmp_path / taken.name))


# --- without a server --------------------------------------------------------------------------------------------


def test_a_backup_without_a_server_changes_nothing_and_restores_the_same(
    stopped: Path, taken: Path, tmp_path: Path
) -> None:
    before = listing(stopped)
    again = backup(stopped, tmp_path / "again")
    assert listing(stopped) == before
    assert [(each.path, each.sha256) for each in read(again).files] == [
        (each.path, each.sha256) for each in read(taken).files
    ]
    back = restored(taken, tmp_path / "back")
    clean(back)
    kept = {name for name in listing(back) if not name.endswith((".lock", "lock"))}
    assert {"catalog.db", "state.db", "webhooks.db", "destinations.db", "key-secret", "log/durable"} <= kept
    assert not {name for name in kept if name.startswith((".doctor", ".restoring", "serve", "engine", "ballast"))}
    for name in ("key-secret", "credentials.json", "log/durable"):
        assert (back / name).read_bytes()[:16] == (stopped / name).read_bytes()[:16], name
    assert (back / "key-secret").stat().st_mode & 0o777 == 0o600 and back.stat().st_mode & 0o777 == 0o700


def test_a_restored_server_serves_what_was_there_and_goes_on(stopped: Path, taken: Path, tmp_path: Path) -> None:
    with serving(restored(taken, tmp_path / "back")) as server:
        server.wait_drained()
        events = [*export(server)]
        assert len(events) == 60 * 16
        with server.client() as client:
            assert client.get("/v1/profiles/email%3A7%40example.com").status_code == 200
            assert len(client.get("/v1/audit").json()["data"]) > 3
            assert [each["url"] for each in client.get("/v1/webhooks").json()["data"]] == [HOOK["url"]]
        live_again = Client(server.url, server.key)
        answer = live_again.post("/v1/events", json.dumps({"signal": "seen", "identity": {"type": "a", "id": "b"},
                                                           "data": {"token": "new"}}).encode())  # fmt: skip
        assert answer.status == 200, answer
        (event,) = server.wait_processed([answer.json["data"]["id"]])
        assert event["status"] == "processed"
        live_again.close()
        assert server.stop() == 0
    clean(tmp_path / "back")


def test_a_crashed_directory_is_taken_with_its_write_ahead_logs(tmp_path: Path) -> None:
    ledger = Ledger()
    with serving(tmp_path / "data") as server:
        prepare(server)
        with load(server, ledger):
            until(lambda: ledger.requests > 30)
            server.kill_group()
    assert (tmp_path / "data" / "state.db-wal").stat().st_size
    before = listing(tmp_path / "data")
    path = backup(tmp_path / "data", tmp_path / "backups")
    after = listing(tmp_path / "data")
    assert {name for name in after if after[name] != before.get(name)} <= {"gateway.lock", "engine.lock", "serve.lock"}
    with serving(restored(path, tmp_path / "back")) as again:
        assert check(again, ledger) == len(ledger.acknowledged) > 0
    clean(tmp_path / "back")


def test_small_files_are_taken_byte_for_byte_but_for_a_line_that_is_being_written(
    stopped: Path, tmp_path: Path
) -> None:
    data_dir = own(stopped, tmp_path)
    secret = b"\n\0\r\xff" * 8  # it is random, and may well look like lines
    (data_dir / "key-secret").write_bytes(secret)
    (data_dir / "tombstones").write_bytes(b'{"whole": 1}\n{"half')
    data = backup(data_dir, tmp_path / "backups") / "data"
    assert (data / "key-secret").read_bytes() == secret
    assert (data / "tombstones").read_bytes() == b'{"whole": 1}\n'
    assert (data / "credentials.json").read_bytes() == (data_dir / "credentials.json").read_bytes()


def test_no_role_starts_while_a_directory_without_one_is_taken(stopped: Path, tmp_path: Path) -> None:
    lock = DirectoryLock(stopped / "engine.lock", 0)
    code, said = run("backup", tmp_path / "backups", "--data-dir", stopped)
    lock.release()
    assert code == 1 and "engine" in said, "somebody has the engine's lock, and answers nothing"
    assert [*(tmp_path / "backups").glob("headwater-*")] == []


# --- beside a server ---------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_a_backup_under_load_has_all_that_was_acknowledged_before_once(tmp_path: Path) -> None:
    ledger = Ledger()
    with serving(tmp_path / "data") as server:
        prepare(server)
        with load(server, ledger):
            until(lambda: ledger.requests > 60)
            paths = []
            for number in range(3):
                before = dict(ledger.acknowledged)
                requests = ledger.requests
                paths.append((backup(server.data_dir, tmp_path / f"backups{number}"), before))
                assert ledger.requests > requests, "nothing was sent meanwhile"
        assert not ledger.refused and not ledger.in_doubt
        assert not (server.data_dir / ".backup").exists() or until(lambda: not (server.data_dir / ".backup").exists())
        check(server, ledger)
    clean(server.data_dir)
    for path, before in paths:
        back = restored(path, tmp_path / f"{path.parent.name}-back")
        clean(back)
        with serving(back) as again:
            early = Ledger()
            early.acknowledged = before
            assert check(again, early) == len(before) > 1000
            clean(back)


def test_backups_leave_nothing_behind_in_the_data_directory(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        live(server)
        names = {path.name for path in server.data_dir.iterdir()}
        first = backup(server.data_dir, tmp_path / "backups", "--keep", 2)
        until(lambda: {path.name for path in server.data_dir.iterdir()} == names)
        time.sleep(1)
        second = backup(server.data_dir, tmp_path / "backups", "--keep", 2)
        time.sleep(1)
        third = backup(server.data_dir, tmp_path / "backups", "--keep", 2)
        assert not first.exists() and second.exists() and third.exists()
        assert {path.name for path in second.parent.iterdir() if path.is_dir()} == {second.name, third.name}
        assert read(third).running and read(third).versions.keys() >= {"catalog", "state", "store"}


SLOWLY = """
import sys, time
from headwater.backup import target
from headwater.cli.main import app
real = target.transfer
def slow(*arguments):
    time.sleep(0.3)
    return real(*arguments)
target.transfer = slow
app(sys.argv[1:])
"""


def copying(server: Server, into: Path) -> subprocess.Popen[bytes]:
    """A backup in a process of its own that takes half a minute, once it has begun to copy what the engine keeps."""
    command = [sys.executable, "-c", SLOWLY, "backup", str(into), "--data-dir", str(server.data_dir)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until(lambda: [*into.glob("*.partial/data/store")] or process.poll() is not None, 60)
        assert process.poll() is None, process.communicate()
        assert (server.data_dir / ".backup" / "state.db").exists()
    except BaseException:
        process.kill()
        raise
    return process


def test_a_killed_backup_leaves_nothing_that_the_next_does_not_remove(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        live(server)
        doomed = copying(server, tmp_path / "backups")
        doomed.send_signal(signal.SIGKILL)
        doomed.wait()
        until(lambda: not (server.data_dir / ".backup").exists(), 10, "the engine gave the moment up")
        assert [*(tmp_path / "backups").glob("*.partial")] and not [*(tmp_path / "backups").glob("*/manifest.json")]
        path = backup(server.data_dir, tmp_path / "backups")
        assert [each for each in (tmp_path / "backups").iterdir() if each.is_dir()] == [path]
        assert server.stop(20) == 0


def test_an_engine_that_dies_ends_the_backup_and_its_next_start_clears_up(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        live(server)
        doomed = copying(server, tmp_path / "backups")
        server.kill_engine()
        said, _ = doomed.communicate(timeout=60)
        assert doomed.returncode == 1 and b"given up" in said, said
        assert [path.name for path in (tmp_path / "backups").iterdir() if path.is_dir()] == []
        server.wait_engine()
        until(lambda: not (server.data_dir / ".backup").exists(), 10)
        backup(server.data_dir, tmp_path / "backups")


def test_a_server_stops_at_once_while_a_backup_is_taken(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        live(server)
        doomed = copying(server, tmp_path / "backups")
        os.kill(doomed.pid, signal.SIGSTOP)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 10
        os.kill(doomed.pid, signal.SIGCONT)
        said, _ = doomed.communicate(timeout=60)
        assert doomed.returncode == 1 and b"given up" in said, said


def test_one_backup_at_a_time(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        live(server)
        first = copying(server, tmp_path / "backups")
        code, said = run("backup", tmp_path / "backups", "--data-dir", server.data_dir)
        assert code == 1 and "another backup" in said
        code, said = run("backup", tmp_path / "others", "--data-dir", server.data_dir)
        assert code == 1 and "another backup" in said
        first.kill()
        first.wait()


def test_no_key_is_a_way_to_the_engines_moment(server: Server) -> None:
    for path in ("/backup", "/v1/events/../../backup", "/v1/pipelines/%2e%2e/%2e%2e/backup"):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n"
        answer = raw(server.url, f"{head}Authorization: Bearer {server.key}\r\n\r\n".encode())
        assert answer.split(b" ")[1] in {b"400", b"404", b"405"}, (path, answer)
        assert b"kept" not in answer


# --- what cannot be ----------------------------------------------------------------------------------------------


def test_what_is_no_headwater_or_lies_in_it_is_refused(stopped: Path, tmp_path: Path) -> None:
    code, said = run("backup", tmp_path / "backups", "--data-dir", tmp_path / "none")
    assert code == 1 and "no headwater" in said and not (tmp_path / "none").exists()
    code, said = run("backup", stopped / "backups", "--data-dir", stopped)
    assert code == 1 and "lies in the data directory" in said


@pytest.mark.parametrize("last", [True, False])
def test_what_goes_while_it_is_copied_is_no_backup(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: bool
) -> None:
    """The engine gives its moment up right behind the last file of a folder, and nobody heard of it yet."""
    data_dir = own(stopped, tmp_path)
    frozen = tmp_path / "frozen"
    real = Target.copy

    def copy(self: Target, source: Path, name: str, size: int | None = None) -> None:
        real(self, source, name, size)
        names = sorted(each.name for each in source.parent.iterdir() if each.is_file())
        if name.startswith("store/") and source.name == names[-1] and (last or not is_part(source.parent)):
            shutil.rmtree(frozen)

    monkeypatch.setattr(Target, "copy", copy)
    with backups.source(Settings(data_dir=data_dir)) as source:
        shutil.copytree(data_dir, frozen, symlinks=True)
        target = Target(tmp_path, "headwater-x")
        with pytest.raises(BackupError):
            take(msgspec.structs.replace(source, frozen=frozen), target, 0, lambda _: None)
    assert not target.path.exists()


def test_a_directory_that_is_being_restored_is_left_alone(stopped: Path, tmp_path: Path) -> None:
    data_dir = own(stopped, tmp_path)
    (data_dir / ".restoring").touch()
    for command in (["backup", tmp_path / "backups"], ["keys", "create", "--offline"]):
        code, said = run(*command, "--data-dir", data_dir)
        assert code == 1 and "was cut short" in said, said


def test_pages_of_another_size_are_no_matter(copied: Path, tmp_path: Path) -> None:
    """The words of the log are a page long where they were written."""
    manifest, size = read(copied), 4 * mmap.PAGESIZE
    for name in ("log/durable", "log/claimed"):
        with (copied / "data" / name).open("r+b") as file:
            file.truncate(size)
    files = tuple(
        File(each.path, size, hashlib.sha256((copied / "data" / each.path).read_bytes()).hexdigest())
        if each.path in ("log/durable", "log/claimed")
        else each
        for each in manifest.files
    )
    (copied / "manifest.json").write_bytes(encode(msgspec.structs.replace(manifest, files=files)))
    clean(restored(copied, tmp_path / "back"))


def test_no_key_is_made_under_an_older_gateway(stopped: Path, tmp_path: Path) -> None:
    """It would upgrade the catalog, and the gateway go on writing rows without a hash."""
    data_dir = own(stopped, tmp_path)
    catalog = apsw.Connection(str(data_dir / "catalog.db"))
    version = catalog.pragma("user_version")
    catalog.pragma("user_version", version - 1)
    with DirectoryLock(data_dir / "gateway.lock", 0):
        code, said = run("keys", "create", "--offline", "--data-dir", data_dir)
        assert code == 1 and "restart the server first" in said, said
        assert catalog.pragma("user_version") == version - 1
        catalog.pragma("user_version", version)
        assert run("keys", "create", "--offline", "--data-dir", data_dir)[0] == 0
    catalog.close()


def test_a_damaged_database_is_found_before_it_becomes_a_backup(stopped: Path, tmp_path: Path) -> None:
    data_dir = own(stopped, tmp_path)
    pages = (data_dir / "state.db").read_bytes()
    with (data_dir / "state.db").open("r+b") as file:
        file.seek(pages.rindex(b"phone:") & ~0xFFF)
        file.write(b"\xff" * 64)
    code, said = run("backup", tmp_path / "backups", "--data-dir", data_dir)
    assert code == 1 and "state.db is damaged" in said
    assert [path for path in (tmp_path / "backups").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("name", ["key-secret", "catalog.db", "state.db"])
def test_what_must_be_there_must_be_there(stopped: Path, tmp_path: Path, name: str) -> None:
    data_dir = own(stopped, tmp_path)
    (data_dir / name).unlink()
    code, said = run("backup", tmp_path / "backups", "--data-dir", data_dir)
    assert code == 1 and ("is gone" in said or "no headwater" in said)


def test_a_cut_segment_of_the_log_is_told(stopped: Path, tmp_path: Path) -> None:
    data_dir = own(stopped, tmp_path)
    segment = sorted((data_dir / "log").glob("*.log"))[1]
    os.truncate(segment, segment.stat().st_size - 10)
    code, said = run("backup", tmp_path / "backups", "--data-dir", data_dir)
    assert code == 1 and segment.name in said and "damaged" in said


# --- damaged backups ---------------------------------------------------------------------------------------------

Damage = Callable[[Path], object]


def biggest(taken: Path) -> Path:
    return max((path for path in (taken / "data").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def a_flipped_bit(taken: Path) -> None:
    flip(biggest(taken), biggest(taken).stat().st_size // 2)


def a_cut_file(taken: Path) -> None:
    os.truncate(biggest(taken), biggest(taken).stat().st_size - 1)


def a_file_that_is_gone(taken: Path) -> None:
    (taken / "data" / "key-secret").unlink()


def a_part_that_is_gone(taken: Path) -> None:
    shutil.rmtree(next((taken / "data" / "store").rglob("2*_*_*_*")))


def no_manifest(taken: Path) -> None:
    (taken / "manifest.json").unlink()


def a_changed_manifest(taken: Path) -> None:
    text = (taken / "manifest.json").read_text()
    (taken / "manifest.json").write_text(text.replace('"log_end":', '"log_end":1'))


def a_cut_manifest(taken: Path) -> None:
    os.truncate(taken / "manifest.json", (taken / "manifest.json").stat().st_size // 2)


def an_emptied_manifest(taken: Path) -> None:
    (taken / "manifest.json").write_bytes(b"{}")


DAMAGES: list[tuple[Damage, str]] = [
    (a_flipped_bit, "damaged"),
    (a_cut_file, "not whole"),
    (a_file_that_is_gone, "not whole"),
    (a_part_that_is_gone, "not whole"),
    (no_manifest, "no backup"),
    (a_changed_manifest, "damaged"),
    (a_cut_manifest, "damaged"),
    (an_emptied_manifest, "damaged"),
]


@pytest.mark.parametrize(("harm", "wanted"), DAMAGES, ids=[harm.__name__ for harm, _ in DAMAGES])
def test_a_damaged_backup_is_refused(copied: Path, tmp_path: Path, harm: Damage, wanted: str) -> None:
    harm(copied)
    code, said = run("restore", copied, "--data-dir", tmp_path / "back")
    assert code == 1 and wanted in said, said
    code, said = run("restore", copied, "--check")
    assert code == 1, said
    if (tmp_path / "back").exists():  # found while it was copied: nothing starts there
        code, said = run("serve", "--data-dir", tmp_path / "back", "--port", 0)
        assert code != 0 and "cut short" in said


def test_a_whole_backup_can_be_checked(taken: Path) -> None:
    code, said = run("restore", taken, "--check")
    assert code == 0 and str(taken) in said


def rewritten(taken: Path, **changes: Any) -> None:
    """As another headwater would have written the manifest."""
    kept = msgspec.json.decode((taken / "manifest.json").read_bytes())
    text = msgspec.json.encode(kept["manifest"] | changes)
    whole = {"manifest": msgspec.Raw(text), "sha256": hashlib.sha256(text).hexdigest()}
    (taken / "manifest.json").write_bytes(msgspec.json.encode(whole))


@pytest.mark.parametrize(
    "changes", [{"format": 2, "files": "otherwise"}, {"versions": {"state": 99}}, {"versions": {"tables": 1}}]
)
def test_a_newer_backup_is_refused(copied: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    rewritten(copied, headwater="9.9", **changes)
    code, said = run("restore", copied, "--data-dir", tmp_path / "back")
    assert code == 1 and "newer headwater (9.9)" in said and not (tmp_path / "back").exists()


def test_a_manifest_cannot_lead_out_of_the_directory(copied: Path, tmp_path: Path) -> None:
    rewritten(copied, links={"../outside": "catalog.db"})
    code, said = run("restore", copied, "--data-dir", tmp_path / "back")
    assert code == 1 and "leads out" in said


def test_the_folder_of_backups_is_no_backup_and_says_what_is_in_it(taken: Path, tmp_path: Path) -> None:
    code, said = run("restore", taken.parent, "--data-dir", tmp_path / "back")
    assert code == 1 and taken.name in said


# --- where a backup goes -----------------------------------------------------------------------------------------


def test_nothing_is_written_over(taken: Path, stopped: Path, tmp_path: Path) -> None:
    before = listing(stopped)
    code, said = run("restore", taken, "--data-dir", stopped)
    assert code == 1 and "not empty" in said and listing(stopped) == before
    (tmp_path / "file").touch()
    assert run("restore", taken, "--data-dir", tmp_path / "file")[0] == 1
    (tmp_path / "disk" / "lost+found").mkdir(parents=True)
    restored(taken, tmp_path / "disk")


def test_a_restore_that_was_killed_is_begun_anew(taken: Path, tmp_path: Path) -> None:
    back = tmp_path / "back"
    (back / "log").mkdir(parents=True)
    (back / ".restoring").touch()
    (back / "log" / "half").write_bytes(b"of it")
    code, said = run("serve", "--data-dir", back, "--port", 0)
    assert code != 0 and "headwater restore" in said
    restored(taken, back)
    assert not (back / "log" / "half").exists() and not (back / ".restoring").exists()
    clean(back)


def test_a_restored_file_of_sqlite_is_whole_by_itself(taken: Path) -> None:
    """Nobody needs a write-ahead log beside it."""
    for each in read(taken).files:
        if each.path.endswith(".db"):
            connection = apsw.Connection(str(taken / "data" / each.path), flags=apsw.SQLITE_OPEN_READONLY)
            assert connection.execute("PRAGMA integrity_check").get == "ok"
            connection.close()


def test_a_newer_store_is_refused_clearly(taken: Path, tmp_path: Path) -> None:
    back = restored(taken, tmp_path / "back")
    settings = Settings(data_dir=back)
    store = ChdbStore(settings.store_dir)
    store._writer.query("INSERT INTO migrations (number, name) VALUES (99, '099_later.sql')")
    store.close()
    with pytest.raises(Exception, match="newer headwater"):
        ChdbStore(settings.store_dir)


BLINDLY = """
import sys
from headwater.cli import backup, main
backup._check_room = lambda *_: None
main.app(sys.argv[1:])
"""


@contextmanager
def small_disk(mount: Path, size: int) -> Iterator[SmallDisk]:
    if _way() is None:
        lack("no mount namespace can be made here (unshare -m, unshare -rm)")
    disk = SmallDisk(mount, size)
    try:
        yield disk
    finally:
        disk.close()


def inside(disk: SmallDisk, *command: object) -> tuple[int, str]:
    """A command where the small disk is seen."""
    whole = [*disk.wrap, sys.executable, *map(str, command)]
    done = subprocess.run(whole, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_full_disk_is_told_before_and_while_it_fills(stopped: Path, taken: Path, tmp_path: Path) -> None:
    size = read(taken).size
    with small_disk(tmp_path / "small", size * 2 // 3) as disk:
        into, back = disk.mount / "backups", disk.mount / "back"
        arguments: list[tuple[object, ...]] = [
            ("backup", into, "--data-dir", stopped),
            ("restore", taken, "--data-dir", back),
        ]
        for command in arguments:
            code, said = inside(disk, "-m", "headwater", *command)
            assert code == 1 and "are needed" in said, said
            code, said = inside(disk, "-c", BLINDLY, *command)
            assert code == 1 and ("No space left" in said or "is full" in said), said
            assert "Traceback" not in said
        assert [path.name for path in (disk.root / "backups").iterdir() if path.is_dir()] == []
        assert (disk.root / "back" / ".restoring").exists()
        disk.grow(size * 10)
        for command in arguments:
            code, said = inside(disk, "-m", "headwater", *command)
            assert code == 0, said
        clean(Path(shutil.copytree(disk.root / "back", tmp_path / "back", symlinks=True)))


# --- who was erased ----------------------------------------------------------------------------------------------


def erase(server: Server, identity: str) -> None:
    with server.client() as client:
        answer = client.delete(f"/v1/profiles/{identity}")
        assert answer.status_code == 202, answer.text
        path = f"/v1/erasures/{answer.json()['id']}"
        until(lambda: client.get(path).json()["status"] == "done", 120, "the erasure is done")


@pytest.mark.timeout(300)
def test_who_was_erased_after_a_backup_stays_erased_when_it_is_restored(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--log-keep-seconds", "1") as server:
        live(server)
        before = backup(server.data_dir, tmp_path / "before")
        erase(server, "email%3A7%40example.com")
        after = backup(server.data_dir, tmp_path / "after")
        tombstones = shutil.copy(server.data_dir / "tombstones", tmp_path / "list")
    assert b"7@example.com" not in Path(tombstones).read_bytes()
    code, said = run("restore", before, "--data-dir", tmp_path / "back", "--tombstones", tombstones)
    assert code == 0, said
    clean(tmp_path / "back")
    with serving(tmp_path / "back") as again:
        assert gone_and_there(again) == (0, 12, 60 * 16 - 12)
        assert again.stop() == 0
    with serving(restored(after, tmp_path / "later")) as again:
        assert gone_and_there(again) == (0, 12, 60 * 16 - 12)
    with serving(restored(before, tmp_path / "without")) as again:
        assert gone_and_there(again)[0] == 12, "nobody told it"


def gone_and_there(server: Server) -> tuple[int, int, int]:
    """Events of the one who was erased, of somebody else, and of all together."""
    server.wait_drained()
    with server.client() as client:
        found = [client.get("/v1/events", params={"identity": f"email:{n}@example.com", "limit": 100}) for n in (7, 8)]
        counts = [len(each.json()["data"]) for each in found]
    return counts[0], counts[1], len([*export(server)])
