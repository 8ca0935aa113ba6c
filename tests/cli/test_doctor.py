"""`headwater doctor` on directories that a real server made: whole ones, damaged ones, and one that is being written.

Every damage is done to a copy, and must be found by the check that is there for it, with nothing changed by looking.
"""

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness import Server, until
from headwater.cli.main import app
from headwater.locks import DirectoryLock
from headwater.log.files import FilesAppender
from headwater.store.clickhouse import ChdbStore
from journey import load as loads
from wire.client import Client, raw
from wire.languages import BIGMIND, BIK

SMALL = ("--segment-bytes", "12000", "--block-events", "400")
SLUG = "seen"
HOST = ("host.", "files.")
"""Checks whose verdict depends on the machine that tests run on."""


class Said:
    """What one run of the doctor said."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        self.checks: dict[str, dict[str, Any]] = {each["name"]: each for each in json.loads(text)["checks"]}

    def of(self, verdict: str) -> set[str]:
        """The checks with that verdict, without those about the machine."""
        found = {name for name, check in self.checks.items() if check["verdict"] == verdict}
        return {name for name in found if not name.startswith(HOST)}

    def __getitem__(self, name: str) -> str:
        return str(self.checks[name]["said"])


def look(data_dir: Path, *options: str) -> Said:
    """Runs it in this process."""
    done = CliRunner().invoke(app, ["doctor", "--data-dir", str(data_dir), "--json", *options])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Said(done.exit_code, done.stdout)


def fingerprint(data_dir: Path) -> dict[str, tuple[Any, ...]]:
    """Everything in a directory but who holds its locks: modes, times, bytes."""
    found = {}
    for path in sorted(data_dir.rglob("*")):
        about = path.lstat()
        if path.is_symlink():
            found[str(path)] = (str(path.readlink()),)
        elif path.is_file() and path.suffix != ".lock":
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path)] = (about.st_mode, about.st_mtime_ns, content)
        else:
            found[str(path)] = (about.st_mode,)
    return found


def seen(token: str, **fields: Any) -> dict[str, Any]:
    return BIGMIND.event(signal=SLUG, data={"token": token}, **fields)


HOOK = {"url": "https://hooks.invalid/", "events": ["backfill.finished"]}


def live(server: Server) -> None:
    """A little of everything: both dialects and lanes, outcomes, links, schemas, a second workspace, a spare key."""
    client = Client(server.url, server.key)
    assert client.call("POST", "/v1/signals", {"name": SLUG, "type": "event", "rate_limit": None}).status == 201
    for schema in ({"required": ["token"]}, {"required": ["token"], "properties": {"n": {"type": "number"}}}):
        assert client.call("POST", f"/v1/signals/{SLUG}/versions", {"schema": schema}).status == 201
    assert client.call("POST", "/v1/keys", {"name": "spare", "scopes": ["read"]}).status == 201
    assert client.call("POST", "/v1/workspaces", {"name": "other"}).status == 201
    assert client.call("POST", "/v1/backfills", {"name": "load"}).status == 201
    assert client.call("POST", "/v1/webhooks", HOOK).status == 201
    for number in range(60):
        both = {"phoneNumber": f"+1949457{number:04}", "email": f"{number}@example.com"}
        events = [BIK.event(**both), BIK.event(isMigration=True, createdAt="2024-01-01", **both)]
        events += [BIK.event(createdAt="2024-01-01", eventProperties={"x": "y" * 100}, **both)] * 10
        assert client.post(BIK.batch, BIK.batch_of(*events)).status == 200
        more = [seen(f"t{number}"), seen("old", timestamp="2023-01-01"), seen("ahead", timestamp="2099-01-01")]
        more += [seen("wrong", version=1) | {"data": {}}]
        assert client.post(BIGMIND.batch, BIGMIND.batch_of(*more)).status == 200
    client.close()
    server.wait_drained()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a server that was stopped."""
    server = Server(tmp_path_factory.mktemp("doctor") / "data", *SMALL)
    try:
        server.start()
        server.wait_engine()
        live(server)
        assert server.stop() == 0
        yield server.data_dir
    finally:
        server.kill_group()


@pytest.fixture
def copy(kept: Path, tmp_path: Path) -> Path:
    """One's own copy of it."""
    return Path(shutil.copytree(kept, tmp_path / "data", symlinks=True, ignore=shutil.ignore_patterns("*.sock")))


def segments(data_dir: Path) -> list[Path]:
    return sorted((data_dir / "log").glob("*.log"))


# --- whole -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--quick",)])
def test_a_whole_directory_is_ok_and_left_as_it_was(copy: Path, options: tuple[str, ...]) -> None:
    before = fingerprint(copy)
    said = look(copy, *options)
    assert (said.code, said.of("warning") | said.of("fault") | said.of("unchecked")) == (0, set()), said.text
    assert fingerprint(copy) == before
    figures = {name: check["figures"] for name, check in said.checks.items()}
    assert figures["store.counts"]["events"] == 60 * 16
    assert figures["store.log"]["compared"] == 60 * 16 or options
    assert figures["state.links"]["links"] == 60
    assert (figures["catalog.rows"]["workspaces"], figures["catalog.rows"]["keys"]) == (2, 3)
    assert len(segments(copy)) > 3 and figures["log.files"]["segments"] == len(segments(copy))
    assert ("store.twins" in said.checks) is not bool(options)


def test_people_get_a_line_a_check_and_what_to_do(copy: Path) -> None:
    (copy / "credentials.json").chmod(0o644)
    command = [sys.executable, "-m", "headwater", "doctor", "--data-dir", str(copy), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert any(line.startswith("fault     files.modes ") and "0o644" in line for line in lines), done.stdout
    assert any("→ chmod 600" in line for line in lines)
    assert any(line.startswith("ok        log.records ") for line in lines)
    assert "checks: " in lines[-1] and "1 fault" in lines[-1]


def test_where_nothing_is_nothing_is_made(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "headwater", "doctor", "--data-dir", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "no headwater" in done.stderr
    assert list(tmp_path.iterdir()) == []


# --- damaged -----------------------------------------------------------------------------------------------------

Damage = Callable[[Path], object]
DAMAGES: list[Any] = []


def damage(*wanted: str) -> Callable[[Damage], Damage]:
    """Registers what damages a directory; these checks must find it, `:text` in what they say."""

    def register(function: Damage) -> Damage:
        DAMAGES.append(pytest.param(function, wanted, id=function.__name__))
        return function

    return register


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0x40]))


def sql(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    for beside in ("-wal", "-shm"):
        Path(f"{path}{beside}").unlink(missing_ok=True)


def in_store(data_dir: Path, *statements: str) -> None:
    store = ChdbStore(data_dir / "store")
    try:
        for statement in statements:
            store._writer.query(statement)
    finally:
        store.close()


def parts_of(data_dir: Path) -> list[Path]:
    return [folder for folder in (data_dir / "store" / "store").glob("*/*/2*_*_*_*") if folder.is_dir()]


@damage("log.records:payload")
def a_bit_of_a_payload(data_dir: Path) -> None:
    flip(segments(data_dir)[1], -3)


@damage("log.records:header")
def a_bit_of_a_header(data_dir: Path) -> None:
    flip(segments(data_dir)[1], 40)


@damage("log.records")
def a_bit_of_a_length(data_dir: Path) -> None:
    flip(segments(data_dir)[0], 21)


@damage("log.records")
def the_newest_segment_is_cut(data_dir: Path) -> None:
    os.truncate(segments(data_dir)[-1], segments(data_dir)[-1].stat().st_size - 10)


@damage("log.records")
def a_segment_in_the_middle_is_cut(data_dir: Path) -> None:
    os.truncate(segments(data_dir)[2], 1000)


@damage("log.records")
def a_segment_in_the_middle_is_gone(data_dir: Path) -> None:
    segments(data_dir)[1].unlink()


@damage("log.records")
def the_newest_segment_is_gone(data_dir: Path) -> None:
    segments(data_dir)[-1].unlink()


@damage("log.cursors:before the realtime cursor", "log.files:empty")
def the_log_is_emptied(data_dir: Path) -> None:
    shutil.rmtree(data_dir / "log")
    (data_dir / "log").mkdir(mode=0o700)


@damage("log.cursors:before the realtime cursor")
def the_log_is_emptied_and_begun_anew(data_dir: Path) -> None:
    the_log_is_emptied(data_dir)
    FilesAppender(data_dir / "log").close()


@damage("log.files:all of them are gone")
def the_logs_marker_alone_is_left(data_dir: Path) -> None:
    for segment in segments(data_dir):
        segment.unlink()


@damage("log.files:durable")
def the_logs_marker_is_damaged(data_dir: Path) -> None:
    flip(data_dir / "log" / "durable", 2)


@damage("log.cursors:begins", "store.log")
def the_log_is_cut_before_a_cursor(data_dir: Path) -> None:
    second = int(segments(data_dir)[1].stem)
    segments(data_dir)[0].unlink()
    sql(data_dir / "state.db", f"UPDATE cursors SET position = {second - 1} WHERE lane = 'migration'")


@damage("log.cursors:no record begins")
def a_cursor_inside_of_a_record(data_dir: Path) -> None:
    sql(data_dir / "state.db", "UPDATE cursors SET position = position - 7 WHERE lane = 'migration'")


@damage("log.cursors:before the migration cursor")
def a_cursor_behind_the_end(data_dir: Path) -> None:
    sql(data_dir / "state.db", "UPDATE cursors SET position = position + 10000 WHERE lane = 'migration'")


@damage("store.log:stored already")
def a_cursor_set_back(data_dir: Path) -> None:
    sql(data_dir / "state.db", f"UPDATE cursors SET position = {int(segments(data_dir)[1].stem)}")


@damage("store.blocks:nobody committed", "store.counts")
def a_block_forgotten(data_dir: Path) -> None:
    sql(data_dir / "state.db", "UPDATE cursors SET block = block - 1 WHERE lane = 'realtime'")


@damage("store.blocks:nothing is left")
def a_block_that_never_was(data_dir: Path) -> None:
    sql(data_dir / "state.db", "UPDATE cursors SET block = block + 1 WHERE lane = 'realtime'")


@damage("state.doubt:planned with the rows")
def a_plan_that_does_not_fit(data_dir: Path) -> None:
    plan = """INSERT INTO plans SELECT lane, block + 1, 0, position, '{"202001": 3}' FROM cursors"""
    sql(data_dir / "state.db", plan + " WHERE lane = 'realtime'")


@damage("state.blocks:under way")
def a_plan_of_a_later_block(data_dir: Path) -> None:
    plan = "INSERT INTO plans SELECT lane, block + 5, position, position, '{}' FROM cursors"
    sql(data_dir / "state.db", plan + " WHERE lane = 'realtime'")


@damage("state.links:not linked")
def a_link_is_gone(data_dir: Path) -> None:
    sql(data_dir / "state.db", "DELETE FROM links WHERE a LIKE 'email:7@%'")


@damage("state.file")
def a_page_of_the_state(data_dir: Path) -> None:
    pages = (data_dir / "state.db").read_bytes()
    with (data_dir / "state.db").open("r+b") as file:
        file.seek(pages.rindex(b"phone:") & ~0xFFF)
        file.write(b"\xff" * 64)


@damage("state.file:gone")
def the_state_is_gone(data_dir: Path) -> None:
    (data_dir / "state.db").unlink()


@damage("webhooks.file", "destinations.file")
def webhooks_and_destinations_are_something_else(data_dir: Path) -> None:
    for name in ("webhooks.db", "destinations.db"):
        (data_dir / name).write_bytes(b"no database at all " * 500)


@damage("catalog.file")
def a_page_of_the_catalog(data_dir: Path) -> None:
    with (data_dir / "catalog.db").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)


@damage("catalog.file")
def the_catalog_is_something_else(data_dir: Path) -> None:
    (data_dir / "catalog.db").write_bytes(b"no database at all " * 500)


@damage("catalog.audit:is gone", "store.catalog:'seen'", "log.catalog:'seen'", "catalog.file:refers", "catalog.rows")
def a_signal_is_gone(data_dir: Path) -> None:
    sql(data_dir / "catalog.db", f"DELETE FROM signal WHERE slug = '{SLUG}'")


@damage("catalog.audit:version 2", "log.catalog:version 2", "store.catalog:version 2")
def a_schema_version_is_gone(data_dir: Path) -> None:
    sql(data_dir / "catalog.db", "DELETE FROM schema_version WHERE version = 2")


@damage("catalog.chain:row 3 (")
def an_entry_of_the_audit_is_changed(data_dir: Path) -> None:
    sql(data_dir / "catalog.db", "UPDATE audit SET actor = 'key_somebody' WHERE id = 3")


@damage("catalog.chain:row 3 is gone")
def an_entry_of_the_audit_is_gone(data_dir: Path) -> None:
    sql(data_dir / "catalog.db", "DELETE FROM audit WHERE id = 3")


@damage("catalog.chain:the seal")
def the_audit_is_cut_off(data_dir: Path) -> None:
    sql(data_dir / "catalog.db", "DELETE FROM audit WHERE id > 3")
    sql(data_dir / "catalog.db", "UPDATE sqlite_sequence SET seq = 3 WHERE name = 'audit'")


@damage("catalog.audit:'load') is gone")
def a_backfill_is_gone(data_dir: Path) -> None:
    sql(data_dir / "catalog.db", "DELETE FROM backfill")


@damage("catalog.schemas")
def a_schema_that_is_none(data_dir: Path) -> None:
    sql(data_dir / "catalog.db", """UPDATE schema_version SET schema = '{"type": 3}' WHERE version = 2""")


@damage("catalog.audit:is gone")
def a_key_is_gone(data_dir: Path) -> None:
    sql(data_dir / "catalog.db", "DELETE FROM key WHERE name = 'spare'")


@damage("catalog.secret:none of 2 keys", "catalog.audit:no key left")
def the_first_key_is_gone(data_dir: Path) -> None:
    sql(data_dir / "catalog.db", "DELETE FROM key WHERE rowid = 1 OR name = 'spare'")
    sql(data_dir / "catalog.db", "INSERT INTO key SELECT 'key_x', workspace, x'00', 'sk', 'x', '[]', 0, 0, 0 FROM key")


@damage("catalog.rows:is of the workspace")
def a_workspace_is_gone(data_dir: Path) -> None:
    sql(data_dir / "catalog.db", "DELETE FROM workspace WHERE name = 'other'")


@damage("catalog.secret:gone")
def the_secret_is_gone(data_dir: Path) -> None:
    (data_dir / "key-secret").unlink()


@damage("catalog.secret:another", "catalog.chain:another")
def the_secret_is_another(data_dir: Path) -> None:
    (data_dir / "key-secret").write_bytes(b"x" * 32)


@damage("catalog.secret:bytes")
def the_secret_is_cut(data_dir: Path) -> None:
    os.truncate(data_dir / "key-secret", 31)


@damage("files.modes:key-secret")
def the_secret_is_open(data_dir: Path) -> None:
    (data_dir / "key-secret").chmod(0o640)


@damage("files.modes:store")
def the_store_is_open(data_dir: Path) -> None:
    (data_dir / "store").chmod(0o777)
    data_dir.chmod(0o755)


@damage("store.counts:were committed", "store.log:not in the store")
def parts_are_gone(data_dir: Path) -> None:
    for folder in parts_of(data_dir):
        shutil.rmtree(folder)


@damage(
    "store.parts:gone",
)
def the_store_is_gone(data_dir: Path) -> None:
    shutil.rmtree(data_dir / "store")


@damage("store.parts:cannot be read back")
def a_bit_of_a_part(data_dir: Path) -> None:
    in_store(data_dir, "OPTIMIZE TABLE events FINAL")
    newest = max(parts_of(data_dir), key=lambda folder: int(folder.name.split("_")[3]))
    flip(newest / "data.bin", newest.joinpath("data.bin").stat().st_size // 2)


@damage("store.counts:(-1)", "store.log:not in the store")
def a_row_is_deleted(data_dir: Path) -> None:
    one = "(SELECT min(toUInt128(id)) FROM events)"
    in_store(data_dir, f"ALTER TABLE events DELETE WHERE toUInt128(id) = {one} SETTINGS mutations_sync = 2")


@damage("store.blocks:nothing is left of realtime block 2", "store.counts", "store.log")
def a_block_is_deleted(data_dir: Path) -> None:
    which = "lane = 'realtime' AND block = 2"
    in_store(data_dir, f"ALTER TABLE events DELETE WHERE {which} SETTINGS mutations_sync = 2")


@damage("store.twins:1 of them again", "store.counts:(+1)")
def a_row_is_doubled(data_dir: Path) -> None:
    in_store(data_dir, "INSERT INTO events SELECT * FROM events LIMIT 1")


@damage("store.log:reason 'schema_violation', logged as ''")
def an_outcome_is_changed(data_dir: Path) -> None:
    change = "UPDATE reason = 'schema_violation' WHERE reason = '' AND toUInt128(id) % 7 = 0"
    in_store(data_dir, f"ALTER TABLE events {change} SETTINGS mutations_sync = 2")


@damage("claims.file")
def a_page_of_the_claims(data_dir: Path) -> None:
    with (data_dir / "claims.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)


@damage("claims.log:the log ends before")
def claims_of_a_later_moment(data_dir: Path) -> None:
    sql(data_dir / "claims.db", "UPDATE log SET position = 1000000000")


@damage("claims.log:nobody has those in between")
def claims_of_an_earlier_moment(data_dir: Path) -> None:
    sql(data_dir / "claims.db", "UPDATE log SET position = 1")
    segments(data_dir)[0].unlink()


@damage("files.tombstones")
def a_tombstone_is_cut(data_dir: Path) -> None:
    (data_dir / "tombstones").write_text('{"at_ms":1,"workspace":"ws_K3n9QpZ1","ha\n')


@damage("store.backfills:bf_unknown0 in")
def a_backfill_nobody_knows(data_dir: Path) -> None:
    change = "UPDATE backfill_id = 'bf_unknown0' WHERE toUInt128(id) % 7 = 0"
    in_store(data_dir, f"ALTER TABLE events {change} SETTINGS mutations_sync = 2")


@pytest.mark.parametrize(("harm", "wanted"), DAMAGES)
def test_damage_is_found_by_its_check_and_left_as_it_was(copy: Path, harm: Damage, wanted: tuple[str, ...]) -> None:
    harm(copy)
    before = fingerprint(copy)
    said = look(copy)
    assert fingerprint(copy) == before
    assert said.code == 1, said.text
    for each in wanted:
        name, _, text = each.partition(":")
        check = said.checks[name]
        assert check["verdict"] == "fault" and text in check["said"] and check["advice"], check


# --- no damage ---------------------------------------------------------------------------------------------------


def test_what_needs_nothing_to_be_done_is_no_fault(copy: Path) -> None:
    oldest = int(segments(copy)[1].stem)
    sql(copy / "claims.db", f"UPDATE log SET position = max(position, {oldest})")  # as before every trim
    segments(copy)[0].unlink()
    with segments(copy)[-1].open("ab") as file:
        file.write(b"torn")
    (copy / "log" / "00000000000000099999.new").touch()
    said = look(copy)
    assert (said.code, said.of("fault"), said.of("warning")) == (0, set(), {"log.files"}), said.text
    assert "99999.new" in said["log.files"]
    (copy / "log" / "00000000000000099999.new").unlink()
    assert "4 bytes behind" in look(copy)["log.files"]


def test_lost_credentials_are_a_warning(copy: Path) -> None:
    (copy / "credentials.json").unlink()
    said = look(copy)
    assert (said.code, said.of("warning")) == (0, {"catalog.secret"}), said.text


def test_jobs_that_fail_or_wait_are_told(copy: Path) -> None:
    row = "'ers_waits000', 'erasure', 'ws_K3n9QpZ1', '{}', 'drain', 1000, NULL"
    sql(copy / "state.db", f"INSERT INTO job VALUES ({row}, '')")
    said = look(copy, "--quick")
    assert (said.code, said.of("warning")) == (0, {"state.jobs"}) and "ers_waits000" in said["state.jobs"], said.text
    sql(copy / "state.db", "UPDATE job SET failure = 'OSError: no'")
    assert "OSError: no" in look(copy, "--quick")["state.jobs"]


def test_parts_set_aside_are_told(copy: Path) -> None:
    table = next(folder.parent for folder in parts_of(copy))
    shutil.copytree(parts_of(copy)[0], table / "detached" / f"broken-on-start_{parts_of(copy)[0].name}")
    said = look(copy)
    assert (said.code, said.of("warning")) == (0, {"store.parts"}), said.text
    assert "broken-on-start_" in said["store.parts"]


def test_rows_that_an_older_headwater_did_not_count_are_no_fault(copy: Path) -> None:
    sql(copy / "state.db", "UPDATE cursors SET counted_after = block", "DELETE FROM counted")
    said = look(copy)
    assert (said.code, said.of("fault")) == (0, set()), said.text
    assert "nobody counted" in said["store.counts"]


def test_what_a_killed_doctor_left_is_removed(copy: Path) -> None:
    (copy / ".doctor" / "store").mkdir(parents=True)
    assert look(copy, "--quick").code == 0
    assert not (copy / ".doctor").exists()


# --- crashed and running -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["planned", "inserted", "committed"])
def test_a_crash_is_no_fault_and_blocks_in_doubt_are_told(tmp_path: Path, moment: str) -> None:
    probe = {"HEADWATER_PROBE": f"{moment}:kill:{1 if moment == 'planned' else 2}"}
    server = Server(tmp_path / "data", *SMALL, environment=probe)
    try:
        server.start()
        client = Client(server.url, server.key)
        with suppress(OSError, HTTPException):
            while server.process.poll() is None:
                client.post(BIK.batch, BIK.batch_of(*[BIK.event()] * 50))
        server.wait_gone()
        before = fingerprint(server.data_dir)
        said = look(server.data_dir)
        assert (said.code, said.of("fault"), said.of("unchecked")) == (0, set(), set()), said.text
        assert fingerprint(server.data_dir) == before
        assert (server.data_dir / "state.db-wal").stat().st_size, "the log of the state is what this looks through"
        if moment != "committed":
            assert "state.doubt" in said.of("warning"), said.text
            assert ("the store has none" if moment == "planned" else "the store has all") in said["state.doubt"]
    finally:
        server.kill_group()


def test_beside_a_server_under_load_there_is_no_false_alarm(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", *SMALL)
    try:
        server.start()
        server.wait_engine()
        loads.prepare(server)
        ledger = loads.Ledger()
        with loads.load(server, ledger, senders=2):
            until(lambda: ledger.requests > 20)
            for options in [(), ("--quick",), (), ("--quick",)]:
                requests = ledger.requests
                said = look(server.data_dir, *options)
                assert (said.code, said.of("fault") | said.of("unchecked")) == (0, set()), said.text
                assert not said.of("warning"), said.text
                assert ledger.requests > requests, "nothing was sent meanwhile"
        assert "stores events" in said["engine"]
        assert loads.check(server, ledger)
        assert not ledger.refused
    finally:
        server.kill_group()


def test_a_fault_is_found_beside_a_server_and_the_engine_that_stopped_says_why(copy: Path) -> None:
    a_row_is_doubled(copy)
    a_plan_that_does_not_fit(copy)
    server = Server(copy, *SMALL)
    try:
        server.start(wait=False)
        until((copy / "serve.json").exists)
        server.port = json.loads((copy / "serve.json").read_bytes())["port"]
        server.wait_engine()

        def stopped() -> Said | None:
            said = look(copy)
            return said if "stores nothing" in said["engine"] else None

        said = until(stopped, 60)
        assert said.code == 1 and {"engine", "store.twins", "store.counts"} <= said.of("fault"), said.text
        assert "planned with the rows" in said["engine"]
    finally:
        server.kill_group()


def test_an_engine_that_hangs_leaves_its_part_unchecked(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", *SMALL)
    try:
        server.start()
        server.wait_engine()
        engine = server.pids()["engine"]
        os.kill(engine, signal.SIGSTOP)
        said = look(server.data_dir, "--quick")
        assert said.code == 2 and "store.parts" in said.of("unchecked") and not said.of("fault"), said.text
        os.kill(engine, signal.SIGCONT)
        assert look(server.data_dir, "--quick").code == 0
    finally:
        server.kill_group()


def test_an_engine_that_is_dying_is_waited_for(copy: Path) -> None:
    """Killed, it has its lock until the kernel has all its memory back, and answers nothing."""
    lock = DirectoryLock(copy / "engine.lock", 0)
    dies = threading.Timer(1, lock.release)
    dies.start()
    try:
        said = look(copy, "--quick")
    finally:
        dies.cancel()
        lock.release()
    assert (said.code, said.of("fault") | said.of("unchecked")) == (0, set()), said.text
    assert "does not run" in said["engine"]


def test_a_gateway_alone_is_looked_at(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", *SMALL)
    gateway = None
    try:
        server.start()
        server.wait_engine()
        live(server)
        assert server.stop() == 0
        command = [sys.executable, "-m", "headwater", "gateway", "--data-dir", str(server.data_dir), "--port", "0"]
        gateway = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def alone() -> Said | None:
            said = look(server.data_dir)
            return said if "the engine does not" in said["engine"] else None

        said = until(alone, 60)
        assert (said.code, said.of("warning")) == (0, {"engine"}), said.text
        assert gateway.poll() is None
    finally:
        if gateway is not None:
            gateway.kill()
            gateway.wait()
        server.kill_group()


def test_the_store_is_not_to_be_asked_through_the_gateway(server: Server) -> None:
    """The engine's socket is the operator's; a key is no way to it, whatever path a client spells."""
    assert (server.data_dir / "engine.sock").stat().st_mode & 0o777 == 0o600
    for path in (
        "/examine",
        "/v1/events/../../examine",
        "/v1/events/%2e%2e/%2e%2e/examine",
        "/v1/pipelines/../../examine",
    ):
        for rest in ("/rows/examine_parts", "/parts/202611_1_1_0"):
            method = "POST" if "rows" in rest else "GET"
            for more in ("", "headwater-workspace:\r\n", "Headwater-Workspace: ws_00000000\r\n"):
                head = f"{method} {path}{rest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n"
                key = f"Authorization: Bearer {server.key}\r\n"
                answer = raw(server.url, f"{head}{key}{more}\r\n{{}}".encode())
                assert answer.split(b" ")[1] in {b"400", b"404", b"405"}, (path, answer)
                assert b"active" not in answer and b"why" not in answer
