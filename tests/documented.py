"""Pages that are followed as a newcomer would: their blocks pasted in order, what they show held against what comes."""

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from typing import Any, NamedTuple

from harness import Server
from wire.client import Client
from wire.goldens import Case
from wire.scene import Scene

DOCS = Path(__file__).parents[1] / "docs"
URL = "http://127.0.0.1:8080"
"""Where pages say that headwater serves."""
_BLOCK = re.compile(r"^( *)```(sh|python|js|json)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_MARK = "--- that was it ---"


class Block(NamedTuple):
    """A block of code, without what it is indented by."""

    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """All of a page in docs/ that are to be pasted, or show what is printed then."""
    found = _BLOCK.findall((DOCS / page).read_text("utf-8"))
    return [Block(language, textwrap.dedent(text)) for _, language, text in found]


class Shell:
    """A terminal in a newcomer's folder: `data` and `.venv` are there, and the server runs."""

    def __init__(self, server: Server, folder: Path) -> None:
        (folder / "data").symlink_to(server.data_dir)
        (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
        self._server, self._folder = server, folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}
        self._process = subprocess.Popen(
            ["bash"], cwd=folder, env=kept, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def paste(self, block: Block) -> str:
        """What it prints. A line that fails fails the test."""
        text = block.text.replace(URL, self._server.url)
        if block.language == "python":
            text = f"{sys.executable} - <<'END'\n{text}\nEND\n"
        elif block.language == "js":
            text = f"node --input-type=module - <<'END'\n{text}\nEND\n"
        return self._run(f"set -o pipefail\n{text}")

    def _run(self, text: str) -> str:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{text}\necho; echo '{_MARK}' $?\n")
        self._process.stdin.flush()
        lines: list[str] = []
        while not (line := self._process.stdout.readline()).startswith(_MARK):
            assert line, f"the shell ended in {text}"
            lines.append(line)
        assert line.split()[-1] == "0", f"{text}\n{''.join(lines)}"
        return "".join(lines).strip()

    def settle(self) -> None:
        """The moment that a reader takes to paste the next block: what was sent is seen by then."""
        self._server.wait_drained()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def follow(page: str, server: Server, folder: Path, skip: tuple[str, ...] = ()) -> int:
    """Pastes a page's blocks in order; returns how many. `skip`: those that begin so are not."""
    client = Client(server.url, server.key)
    scene, shell, printed = Scene(client, Case(page)), Shell(server, folder), list[tuple[Block, str]]()
    try:
        for block in blocks(page):
            if block.language == "json":
                _compare(scene, json.loads(block.text), printed)
            elif not block.text.startswith(skip) and (block.language != "js" or which("node")):
                printed.append((block, shell.paste(block)))
                if "event" in block.text:
                    shell.settle()
    finally:
        shell.close()
        client.close()
    return len(printed)


def _compare(scene: Scene, shown: Any, printed: Sequence[tuple[Block, str]]) -> None:
    """With what the last block printed; of the tabs of several languages, with what each of them did."""
    for block, text in reversed(printed):
        fault = scene.differs(shown, json.loads(text), "body")
        assert fault is None, f"{block.text}\n{fault}\n  shown {shown}\n  got   {text}"
        if block.language == "sh":
            break
