"""The dashboard's build: where there is Node, once for the same files; without it headwater does without."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCK = (
    '{"packages": {"": {}, "node_modules/a": {"version": "1"}, "node_modules/b": {"version": "1", "optional": true}}}'
)
INSTALLED = '{"packages": {"node_modules/a": {"version": "1"}}}'

NPM = """#!/bin/sh
echo "$@" >> ../calls
case "$1 $2" in
  "ci "*) mkdir -p node_modules; cp ../installed.json node_modules/.package-lock.json; echo 'added 1 package' ;;
  "run build") mkdir -p ../src/headwater/dashboard/assets; cat src/main.ts > ../src/headwater/dashboard/assets/main.js
    echo '<html>' > ../src/headwater/dashboard/index.html ;;
esac
"""
FAILING = """#!/bin/sh
for line in 1 2 3; do echo "line $line"; done
echo 'it cannot be resolved' >&2
exit 7
"""


class Project:
    """A project with a small ui/, and a folder of programs that is all there is to find programs in."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder / "project", folder / "bin"
        self.out = self.folder / "src/headwater/dashboard"
        for each in (self.folder / "ui/src/api", self.folder / "src/headwater", self.bin):
            each.mkdir(parents=True)
        for tool in ("sh", "cat", "cp", "mkdir"):
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        shutil.copy(ROOT / "hatch_build.py", self.folder)
        self.write("ui/package.json", "{}")
        self.write("ui/package-lock.json", LOCK)
        self.write("ui/src/main.ts", "one")
        self.write("installed.json", INSTALLED)

    def write(self, path: str, text: str) -> None:
        (self.folder / path).write_text(text)

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def with_node(self, version: str = "v20.19.0", npm: str = NPM) -> "Project":
        self.program("node", f"#!/bin/sh\necho {version}\n")
        self.program("npm", npm)
        return self

    def environment(self, **more: str) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}
        return kept | {"PATH": str(self.bin)} | more

    def build(self, *arguments: str, code: int = 0, **environment: str) -> str:
        """`python hatch_build.py`; what it says."""
        done = subprocess.run(
            [sys.executable, "hatch_build.py", *arguments],
            cwd=self.folder,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, done.stderr
        assert done.stdout == "" and "Traceback" not in done.stderr, done.stderr
        return done.stderr

    def calls(self) -> list[str]:
        """What npm was asked for since the last time, the first two words of each."""
        path = self.folder / "calls"
        found = [" ".join(line.split()[:2]) for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return found

    def script(self) -> str | None:
        """What was built."""
        path = self.out / "assets/main.js"
        return path.read_text() if path.exists() else None


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_it_is_built_once_for_the_same_files(project: Project) -> None:
    said = project.with_node().build()
    assert said == "ui: npm ci\nui: npm run build\n"
    assert project.calls() == ["ci --ignore-scripts", "run build"] and project.script() == "one"
    assert project.build() == "" and project.calls() == []


def test_it_is_built_again_for_others(project: Project) -> None:
    project.with_node().build()
    project.calls()
    project.write("ui/src/main.ts", "two")
    project.build()
    assert project.calls() == ["run build"] and project.script() == "two", "what it needs is installed"
    for path in ("ui/.npmrc", "ui/src/more.ts"):
        project.write(path, "x")
        project.build()
        assert project.calls() == ["run build"], path
    (project.folder / "ui/src/more.ts").rename(project.folder / "ui/src/less.ts")
    project.build()
    assert project.calls() == ["run build"]
    shutil.rmtree(project.out)
    project.build()
    assert project.calls() == ["run build"]


def test_what_is_made_in_ui_changes_nothing(project: Project) -> None:
    project.with_node().build()
    project.calls()
    for path in ("ui/node_modules/x", "ui/src/api/schema.d.ts"):
        project.write(path, "x")
    project.build()
    assert project.calls() == []


@pytest.mark.parametrize(
    "lock",
    [
        LOCK.replace('_modules/a": {"version": "1"', '_modules/a": {"version": "2"'),
        LOCK.replace('"node_modules/b": {"version": "1", "optional": true}', '"node_modules/b": {"version": "1"}'),
        LOCK.replace('"node_modules/a"', '"node_modules/c"'),
    ],
)
def test_it_installs_what_the_lock_file_says(project: Project, lock: str) -> None:
    assert lock != LOCK
    project.with_node().build()
    project.calls()
    project.write("ui/package-lock.json", lock)
    project.build()
    assert project.calls() == ["ci --ignore-scripts", "run build"]


def test_without_node_it_is_left_out(project: Project) -> None:
    said = project.build()
    assert "left out: there is no Node here. Install Node 20.19 or later, with npm, and run make install" in said
    assert not project.out.exists()


def test_without_npm_it_is_left_out(project: Project) -> None:
    project.with_node()
    (project.bin / "npm").unlink()
    assert "left out: there is no npm here" in project.build()


@pytest.mark.parametrize("version", ["v18.20.4", "v20.18.1", "v21.7.3", "v22.11.0", "nonsense"])
def test_an_old_node_is_as_none(project: Project, version: str) -> None:
    assert f"left out: Node {version} is too old" in project.with_node(version).build()
    assert project.calls() == []


@pytest.mark.parametrize("version", ["v20.19.0", "v20.20.2", "v22.12.0", "v24.0.0"])
def test_a_node_that_will_do(project: Project, version: str) -> None:
    project.with_node(version).build()
    assert project.script() == "one"


def test_what_was_built_from_other_files_does_not_stay(project: Project) -> None:
    """It would be served beside an API that it does not know."""
    project.with_node().build()
    (project.bin / "node").unlink()
    assert project.build() == "" and project.script() == "one", "it is what would be built"
    project.write("ui/src/main.ts", "two")
    assert "left out" in project.build() and project.script() is None


def test_it_can_be_left_out_on_purpose(project: Project) -> None:
    project.with_node().build()
    said = project.build(HEADWATER_DASHBOARD="no")
    assert said == "the dashboard is left out: HEADWATER_DASHBOARD=no\n" and not project.out.exists()


def test_a_build_that_fails_says_why(project: Project) -> None:
    said = project.with_node(npm=FAILING).build(code=1)
    assert "npm ci ended with 7. It said last:\n  line 1\n  line 2\n  line 3\n  it cannot be resolved\n" in said
    assert said.endswith("HEADWATER_DASHBOARD=no leaves the dashboard out.\n")
    project.build(HEADWATER_DASHBOARD="no")


def test_a_build_that_makes_nothing_is_none(project: Project) -> None:
    assert "made no src/headwater/dashboard/index.html" in project.with_node(npm="#!/bin/sh\n").build(code=1)
    assert not (project.out / ".built").exists()


def test_two_at_once_build_once(project: Project) -> None:
    project.with_node(npm=NPM.replace('echo "$@"', 'sleep 0.3; echo "$@"'))
    (project.bin / "sleep").symlink_to(str(shutil.which("sleep")))
    command = [sys.executable, "hatch_build.py"]
    both = [subprocess.Popen(command, cwd=project.folder, env=project.environment()) for _ in range(2)]
    assert [each.wait(60) for each in both] == [0, 0]
    assert project.calls() == ["ci --ignore-scripts", "run build"]


def test_checks_run_where_there_is_node(project: Project) -> None:
    assert "not checked: there is no Node here" in project.build("check")
    project.with_node(npm=NPM + "echo it is clean").build("check")
    assert project.calls() == ["ci --ignore-scripts", "run types", "run check"]
    project.program("npm", FAILING)
    assert "npm run types ended with 7" in project.build("check", code=1)


def test_the_lock_file_is_whole() -> None:
    """`npm ci` refuses one that lacks a package another one names, be it for another kind of machine alone."""
    packages = json.loads((ROOT / "ui/package-lock.json").read_bytes())["packages"]
    missing = [
        f"{name} of {place or 'ui'}"
        for place, each in packages.items()
        for kind in ("dependencies", "devDependencies", "optionalDependencies")
        for name in each.get(kind, ())
        if not any(f"{above}node_modules/{name}" in packages for above in _above(place))
    ]
    assert missing == []


def _above(place: str) -> list[str]:
    """Where node looks for what the package at `place` needs: in it, and in all those it lies in."""
    found = [""]
    for end in range(len(place) + 1):
        if end == len(place) or place[end:].startswith("/node_modules/"):
            found.append(place[:end] + "/")
    return found


# --- as pip builds it --------------------------------------------------------------------------------------------


@pytest.fixture
def packaged(project: Project) -> Project:
    """With the real package's settings, and a package of one file."""
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, project.folder)
    project.write("src/headwater/__init__.py", "")
    return project


def wheel(project: Project, code: int = 0, **environment: str) -> tuple[set[str], str]:
    """The files in the wheel that pip makes of it, and what pip said."""
    target = project.folder.parent / "wheels"
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--wheel-dir", target]
    done = subprocess.run(
        command, cwd=project.folder, env=project.environment(**environment), capture_output=True, text=True, timeout=120
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    if code:
        return set(), said
    (made,) = target.iterdir()
    with zipfile.ZipFile(made) as opened:
        return {name for name in opened.namelist() if not name.startswith("headwater-")}, said


BUILT = {"headwater/dashboard/index.html", "headwater/dashboard/assets/main.js", "headwater/dashboard/.built"}


def test_a_wheel_contains_it(packaged: Project) -> None:
    files, _ = wheel(packaged.with_node())
    assert files == {"headwater/__init__.py"} | BUILT
    packaged.calls()
    assert wheel(packaged)[0] == files and packaged.calls() == []


def test_a_wheel_without_node_does_without(packaged: Project) -> None:
    assert wheel(packaged)[0] == {"headwater/__init__.py"}


def test_a_wheel_leaves_it_out_on_purpose(packaged: Project) -> None:
    packaged.with_node().build()
    assert wheel(packaged, HEADWATER_DASHBOARD="no")[0] == {"headwater/__init__.py"}


def test_a_wheel_is_not_made_with_half_of_it(packaged: Project) -> None:
    _, said = wheel(packaged.with_node(npm=FAILING), code=1)
    assert "it cannot be resolved" in said and "HEADWATER_DASHBOARD=no" in said
