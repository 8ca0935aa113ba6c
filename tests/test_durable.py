"""Directories whose names outlast a power cut, wherever they may be."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater import durable


def test_missing_directories_are_made_and_their_names_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(durable, "sync", synced.append)
    durable.make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert {*synced} == {tmp_path, tmp_path / "a"}


@pytest.mark.parametrize("error", [errno.EINVAL, errno.EROFS, errno.EACCES])
def test_where_names_cannot_be_synced_a_directory_is_good_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    monkeypatch.setattr(durable, "sync", _failing(error))
    durable.make_directory(tmp_path)


def test_a_name_that_could_not_be_synced_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "sync", _failing(errno.EIO))
    for path in (tmp_path, tmp_path / "new"):
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            durable.make_directory(path)


def _failing(error: int) -> Callable[[Path], None]:
    def sync(path: Path) -> None:
        raise OSError(error, os.strerror(error))

    return sync
