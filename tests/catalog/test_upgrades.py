"""Catalogs of every earlier version, opened by this one: all that was in them answers, and the audit is chained."""

import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from catalog.older import GONE, KEY, SECRET, SIGNAL, WORKSPACE, make
from headwater.catalog.base import Approval, NewSignal, WorkspaceChanges
from headwater.catalog.database import VERSION
from headwater.catalog.examined import Contents
from headwater.catalog.reading import CatalogReader
from headwater.catalog.sqlite import SqliteCatalog
from headwater.catalog.view import SqliteCatalogView
from headwater.clock import now_ms
from headwater.doctor import catalog as doctor
from headwater.doctor.report import Verdict
from headwater.errors import StartError

EARLIER = range(1, VERSION)


def contents_of(path: Path, scratch: Path) -> Contents:
    """After a look by everything that a doctor holds the catalog against."""
    view = SqliteCatalogView(path, scratch)
    found = view.contents()
    checks = [doctor.file(view.faults(False)), doctor.rows(found), doctor.made(found), doctor.compiled(found)]
    checks.append(doctor.chain(view.chain, SECRET))
    assert {check.verdict for check in checks} == {Verdict.OK}, checks
    view.close()
    return found


@pytest.mark.parametrize("version", EARLIER)
def test_what_was_there_answers(tmp_path: Path, version: int) -> None:
    path = tmp_path / "catalog.db"
    rows = make(path, version)
    catalog = SqliteCatalog(path, SECRET)
    workspace = catalog.workspace(WORKSPACE)
    assert (workspace.name, workspace.default_region) == ("acme", "IN")
    assert (workspace.never_connect, workspace.max_identities) == (
        (("email:no@x.example",), 7) if version >= 3 else ((), 100)
    )
    principal = catalog.principal(KEY)
    assert principal is not None and principal.workspace == WORKSPACE
    signal = catalog.signal(WORKSPACE, "calls")
    assert signal is not None and (signal.id, signal.latest, signal.value) == (SIGNAL, 2, "usage.calls")
    assert (signal.dedupe_by, signal.retention_days, signal.draft) == (None, None, False)
    assert workspace.unknown_signals == "refuse"
    assert catalog.signal(WORKSPACE, "gone") is None
    assert not catalog.validator(SIGNAL, 1).ok({}) and catalog.validator(SIGNAL, 2).ok({})
    assert catalog.backfills(WORKSPACE) == []
    changes = catalog.audit(WORKSPACE, 100)
    assert [change.id for change in changes] == list(range(rows, 0, -1))
    assert changes[3].address == ("203.0.113.7" if version >= 2 else None)
    assert changes[0].target == GONE
    catalog.close()
    assert len(contents_of(path, tmp_path).made) == 4


@pytest.mark.parametrize("version", EARLIER)
def test_it_goes_on_from_there(tmp_path: Path, version: int) -> None:
    path = tmp_path / "catalog.db"
    rows = make(path, version)
    reader = CatalogReader(path)
    assert reader.revision() == 0, "an older file waits for the gateway"
    catalog = SqliteCatalog(path, SECRET)
    made = catalog.create_backfill("me", WORKSPACE, "load", hold=True)
    catalog.update_workspace("me", WORKSPACE, WorkspaceChanges(max_identities=9))
    new = NewSignal(name="kept", type="event", dedupe_by="reference", retention_days=30)
    kept = catalog.create_signal("me", WORKSPACE, new)
    catalog.ensure_signals(WORKSPACE, [NewSignal(name="sent", slug="sent", type="event", draft=True)])
    assert reader.signals_of(WORKSPACE)["sent"].draft
    assert not catalog.approve_signal("me", WORKSPACE, "sent", Approval()).draft
    standing = catalog.standing_backfill(WORKSPACE, now_ms())
    assert reader.signals_of(WORKSPACE)["kept"] == kept
    assert (kept.dedupe_by, kept.retention_days) == ("reference", 30)
    assert reader.excluded(WORKSPACE) == {made.id}
    reader.close()
    catalog.close()
    again = SqliteCatalog(path, SECRET)
    assert again.backfills(WORKSPACE) == [standing, made]
    assert len(again.audit(WORKSPACE, 100)) == rows + 6
    again.close()
    contents_of(path, tmp_path)


@pytest.mark.parametrize("version", EARLIER)
def test_an_older_file_is_not_read_by_a_doctor(tmp_path: Path, version: int) -> None:
    make(tmp_path / "catalog.db", version)
    with pytest.raises(StartError, match=f"has version {version}"):
        SqliteCatalogView(tmp_path / "catalog.db", tmp_path)


_OPEN = """
import sys
from pathlib import Path
from headwater.catalog.sqlite import SqliteCatalog

SqliteCatalog(Path(sys.argv[1]), sys.argv[2].encode()).close()
"""


def test_two_that_upgrade_at_once_do_it_once(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    make(path, 1)
    command = [sys.executable, "-c", _OPEN, str(path), SECRET.decode()]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    contents_of(path, tmp_path)


def test_an_upgrade_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    make(path, 3)
    broken = apsw.Connection(str(path))
    broken.execute("CREATE TABLE audit_end (only INTEGER)")  # stands in the way of the last statements
    with pytest.raises(StartError):
        SqliteCatalog(path, SECRET)
    assert broken.pragma("user_version") == 3
    assert "backfill" not in {name for (name,) in broken.execute("SELECT name FROM sqlite_schema")}
    broken.execute("DROP TABLE audit_end")
    broken.close()
    SqliteCatalog(path, SECRET).close()
    contents_of(path, tmp_path)
