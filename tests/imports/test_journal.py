"""How far an import is, after every kind of end."""

import os
from pathlib import Path

import pytest

from headwater.imports.base import StoppedError
from headwater.imports.journal import Begun, Counts, Journal, Mark, Refused

BEGUN = Begun("d", 1, "bf_1", "bik", "csv", "refused")


def mark(chunk: int, **fields: object) -> Mark:
    return Mark(BEGUN, chunk, Counts(chunk * 100), **fields)  # type: ignore[arg-type]


def test_the_newest_mark_is_kept(tmp_path: Path) -> None:
    with Journal(tmp_path / "state") as journal:
        assert journal.mark is None
        for chunk in range(5):
            journal.write(mark(chunk))
    with Journal(tmp_path / "state") as journal:
        assert journal.mark == mark(4)


def test_a_torn_mark_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "state"
    with Journal(file) as journal:
        journal.write(mark(1))
        whole = file.read_bytes()
        journal.write(mark(2))
    torn = file.read_bytes()
    for length in range(len(whole), len(torn)):
        file.write_bytes(torn[:length])
        with Journal(file) as journal:
            assert journal.mark in (mark(1), mark(2))
            journal.write(mark(3))
        with Journal(file) as journal:
            assert journal.mark == mark(3)
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with Journal(file) as journal:
            assert journal.mark is None
            journal.write(mark(3))
        with Journal(file) as journal:
            assert journal.mark == mark(3)


def test_one_import_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path / "state"), pytest.raises(StoppedError, match="another import"):
        Journal(tmp_path / "state")
    Journal(tmp_path / "state").close()


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("id,n\n1,2\n")
    with pytest.raises(StoppedError, match="no state"):
        Journal(file)
    assert file.read_text() == "id,n\n1,2\n"
    with pytest.raises(StoppedError, match="cannot write"):
        Journal(tmp_path / "none" / "state")


def test_refused_rows_are_cut_to_the_mark(tmp_path: Path) -> None:
    file = tmp_path / "refused"
    refused = Refused(file, mark(0))
    refused.add(b"head\n", b"one\n")
    refused.sync()
    at = mark(1, refused_bytes=refused.size, refused_digest=refused.digest())
    refused.add(b"head\n", b"two\n")
    refused.close()
    assert file.read_bytes() == b"head\none\ntwo\n" and file.stat().st_mode & 0o777 == 0o600
    refused = Refused(file, at)
    refused.add(b"head\n", b"again\n")
    assert refused.size == os.stat(file).st_size
    refused.close()
    assert file.read_bytes() == b"head\none\nagain\n"


def test_a_file_of_refused_rows_is_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "refused"
    file.write_text("somebody mends this")
    with pytest.raises(StoppedError, match="there already"):
        Refused(file, None)
    assert file.read_text() == "somebody mends this"
    file.unlink()
    refused = Refused(file, mark(0))
    refused.add(b"", b"one\n")
    at = mark(1, refused_bytes=refused.size, refused_digest=refused.digest())
    refused.close()
    for changed in ("two\n", "on"):
        file.write_text(changed)
        with pytest.raises(StoppedError, match="changed"):
            Refused(file, at)
        assert file.read_text() == changed
    file.unlink()
    with pytest.raises(StoppedError, match="cannot open"):
        Refused(file, at)


def test_without_a_refused_row_there_is_no_file(tmp_path: Path) -> None:
    refused = Refused(tmp_path / "refused", mark(0))
    assert refused.digest() == ""
    refused.sync()
    refused.close()
    assert not (tmp_path / "refused").exists()


def test_a_kill_before_the_first_rows_were_written_down_is_no_hindrance(tmp_path: Path) -> None:
    refused = Refused(tmp_path / "refused", None)
    refused.add(b"head\n", b"one\n")
    refused.close()
    refused = Refused(tmp_path / "refused", mark(0))
    refused.add(b"head\n", b"one\n")
    refused.close()
    assert (tmp_path / "refused").read_text() == "head\none\n"
