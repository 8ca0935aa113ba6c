"""The quick start and the guides, followed to the letter: every block is pasted, every answer shown is the real one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from documented import follow
from harness import Server, running

START = ("make run",)
"""What the test's own server stands for: from a fresh clone that takes minutes."""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A headwater at its first start, for the quick start; the guides come after it."""
    with running(Server(tmp_path_factory.mktemp("newcomer") / "data")) as server:
        yield server


def test_quick_start(started: Server, tmp_path: Path) -> None:
    assert follow("tutorial/quick-start.md", started, tmp_path, START) >= 9


@pytest.mark.parametrize("guide", ["from-bik", "from-bigmind"])
def test_guide(guide: str, started: Server, tmp_path: Path) -> None:
    assert follow(f"how-to/{guide}.md", started, tmp_path) >= 6
