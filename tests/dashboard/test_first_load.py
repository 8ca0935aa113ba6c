"""What a first visit transfers: the dashboard is there at once over a slow line, too."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from browsing import Seen, sign_in
from shown import Shown

BENCH = Path(__file__).parents[2] / "bench"
MOST_CODE = 250_000
"""Bytes of scripts and styles of the Live page as they come over the network, nothing cached."""


@pytest.fixture
def visited(browser: Browser, empty: Shown, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Seen]:
    """The bench, and what it saw of one visit to the Live page."""
    monkeypatch.syspath_prepend(str(BENCH))
    bench = import_module("first_load")
    state = sign_in(browser, empty.url, empty.key)
    return bench, bench.visit(browser, empty.url, state)


def test_the_first_page_takes_few_bytes_of_code(visited: tuple[Any, Seen]) -> None:
    bench, seen = visited
    kinds = bench.by_type(seen["files"])
    assert kinds["Script"] > 50_000 and kinds["Stylesheet"] > 1_000, kinds  # it did look at what came
    assert bench.code_bytes(seen["files"]) < MOST_CODE, sorted((f["transferred"], f["url"]) for f in seen["files"])
    assert 0 < seen["paint_ms"] <= seen["interactive_ms"]


def test_nothing_comes_uncompressed(visited: tuple[Any, Seen]) -> None:
    bench, seen = visited
    whole = sum(size for size, _ in bench.gzipped(seen["files"]).values())
    assert bench.code_bytes(seen["files"]) < whole / 2
