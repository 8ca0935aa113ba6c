"""The documentation builds as a site, without a warning, and needs no other host to be read or searched."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from headwater.cli.explain import codes
from headwater.web.completion import calls
from headwater.wiring import described

ROOT = Path(__file__).parents[1]
LOADING = {"src", "srcset", "poster", "data", "action"}
"""Attributes by which a page loads or sends something; and `href` of what is no link for people."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; what is wrong with it is told as mkdocs tells it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    told = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("INFO    -  Building"))
    assert done.returncode == 0, f"{told}\nA page of docs/ that is not in `nav` of mkdocs.yml belongs there."
    return folder


class Loads(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.styles = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (name in LOADING or (name == "href" and tag != "a")):
                self.found.append(value)
            if name == "style" and value:
                self.styles += value


def elsewhere(text: str) -> bool:
    return text.startswith(("http:", "https:", "//"))


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    loaded: dict[str, str] = {}
    for page in site.rglob("*.html"):
        loads = Loads()
        loads.feed(page.read_text("utf-8"))
        assert loads.found, f"{page.name} loads not even a style"
        loaded |= {each: page.name for each in loads.found if elsewhere(each) and not each.startswith("#")}
    assert not loaded
    for sheet in site.rglob("*.css"):
        text = sheet.read_text("utf-8")
        outside = [each for each in re.findall(r"""(?:url\(|@import)\s*["']?([^"')]+)""", text) if elsewhere(each)]
        assert not outside, (sheet.name, outside)
    scripts = "".join(script.read_text("utf-8") for script in site.rglob("*.js"))
    assert "unpkg.com" not in scripts and "jsdelivr" not in scripts
    assert not any('data-md-component="source"' in page.read_text("utf-8") for page in site.rglob("*.html"))


def test_everything_is_found_by_the_search(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    places = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {f"reference/errors/{code}.html" for code in codes()} <= places
    assert {"index.html", "tutorial/quick-start.html", "how-to/from-bik.html", "reference/settings.html"} <= places
    assert (site / "assets" / "javascripts" / "workers").is_dir()


def test_the_reference_is_all_there(site: Path) -> None:
    api = (site / "reference" / "api.html").read_text("utf-8")
    for _, path, call in calls(described.document()):
        assert f'id="{call["operationId"]}"' in api and path in api
    assert "HEADWATER_MAX_BODY" in (site / "reference" / "settings.html").read_text("utf-8")
    commands = (site / "reference" / "cli.html").read_text("utf-8")
    for command in ("headwater serve", "headwater cohorts explain", "headwater rejected replay", "headwater explain"):
        assert command in commands
    assert "--parent" not in commands
