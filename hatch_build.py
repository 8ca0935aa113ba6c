"""Builds the dashboard of ui/ into src/headwater/dashboard/, where there is Node; without it, that is left out.

hatchling runs this whenever it builds headwater, and `make install` before that, since pip shows nothing of a build:

    python hatch_build.py           build it, unless it is built from just these files
    python hatch_build.py check     lint, types and tests of ui/

What is there afterwards is built from the files that are there now, or nothing. HEADWATER_DASHBOARD=no leaves it out.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WANTED = "Node 20.19 or later, with npm"
OUT = "src/headwater/dashboard"
STAMP = ".built"
"""In `OUT`, written last: the hash of what it was built from."""

_NO_SOURCES = ("node_modules", "dist", "coverage", "src/api/schema.d.ts")
"""Of ui/, what is made there, and changes nothing of what is built."""
_LAST_LINES = 30

Tell = Callable[[str], None]


class BuildError(Exception):
    """npm failed; the text ends with what it said last."""


class DashboardHook(BuildHookInterface[Any]):
    """Has a wheel or sdist contain the dashboard."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if build(Path(self.root), tell):
            build_data["artifacts"].append(f"/{OUT}/")


def build(root: Path, tell: Tell) -> bool:
    """Whether the dashboard is there now, built from what is in ui/. Raises BuildError."""
    out = root / OUT
    with _alone():
        wanted = _hash(root / "ui")
        lacking = _lacking()
        if os.environ.get("HEADWATER_DASHBOARD", "").lower() in ("no", "0", "false"):
            tell("the dashboard is left out: HEADWATER_DASHBOARD=no")
        elif _read(out / STAMP) == wanted:
            return True
        elif lacking:
            tell(f"the dashboard is left out: {lacking}. Install {WANTED}, and run make install again.")
        else:
            _install(root / "ui", tell)
            _npm(root / "ui", tell, "run", "build")
            if not (out / "index.html").is_file():
                raise BuildError(f"npm run build ended well, but made no {OUT}/index.html")
            (out / STAMP).write_text(wanted)
            return True
        shutil.rmtree(out, ignore_errors=True)  # of other files than there are: it would not fit what serves it
        return False


def check(root: Path, tell: Tell) -> None:
    """Types of the API from build/openapi.json, then what ui/ has for checks. Raises BuildError."""
    if lacking := _lacking():
        tell(f"the dashboard is not checked: {lacking}")
        return
    with _alone():
        _install(root / "ui", tell)
    for script in ("types", "check"):
        _npm(root / "ui", tell, "run", script, loud=True)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _lacking() -> str:
    """What there is too little of to build with; empty: nothing."""
    try:
        said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        return "there is no Node here"
    found = re.match(r"v(\d+)\.(\d+)", said)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < (20, 19) or (21, 0) <= version < (22, 12):  # what the build tools say they run on
        return f"Node {said.strip()} is too old"
    return "" if shutil.which("npm") else "there is no npm here"


def _install(ui: Path, tell: Tell) -> None:
    if not _is_installed(ui):
        _npm(ui, tell, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--include=dev")


def _is_installed(ui: Path) -> bool:
    """Whether node_modules holds what the lock file says, but for what is for other machines."""
    lock, found = _packages(ui / "package-lock.json"), _packages(ui / "node_modules" / ".package-lock.json")
    missing = (each for name, each in lock.items() if name and name not in found)
    return (
        bool(found)
        and all(lock.get(name) == each for name, each in found.items())
        and all(each.get("optional") for each in missing)
    )


def _packages(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())["packages"]
    except (OSError, ValueError, KeyError):
        return {}
    return found


def _npm(ui: Path, tell: Tell, *arguments: str, loud: bool = False) -> None:
    """`loud`: all that npm says is told, and not only its last lines when it fails."""
    command = " ".join(each for each in arguments if not each.startswith("-"))
    tell(f"ui: npm {command}")
    last: deque[str] = deque(maxlen=_LAST_LINES)
    with subprocess.Popen(  # noqa: S603  arguments of our own
        [shutil.which("npm") or "npm", *arguments],
        cwd=ui,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            last.append(line.rstrip())
            if loud:
                tell(f"  {last[-1]}")
    if process.returncode:
        said = "\n".join(f"  {line}" for line in last)
        raise BuildError(
            f"npm {command} ended with {process.returncode}. It said last:\n{said}\n"
            "HEADWATER_DASHBOARD=no leaves the dashboard out."
        )


def _hash(ui: Path) -> str:
    """Of the names and contents of all that is built from."""
    found = hashlib.sha256()
    for path in sorted(_sources(ui, "")):
        body = (ui / path).read_bytes()
        found.update(f"{path}\0{len(body)}\0".encode() + body)
    return found.hexdigest()


def _sources(ui: Path, prefix: str) -> Iterator[str]:
    for each in os.scandir(ui / prefix):
        name = prefix + each.name
        if name in _NO_SOURCES:
            continue
        if each.is_dir():
            yield from _sources(ui, f"{name}/")
        else:
            yield name


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@contextmanager
def _alone() -> Iterator[None]:
    """Two builds at once would write the same files."""
    with open(__file__, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _main(arguments: list[str]) -> int:
    root = Path(__file__).absolute().parent
    try:
        if arguments == ["check"]:
            check(root, tell)
        elif not arguments:
            build(root, tell)
        else:
            tell(__doc__ or "")
            return 2
    except BuildError as error:
        tell(f"\n{error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
