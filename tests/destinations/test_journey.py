"""A real headwater with two destinations, the plug-in of `examples/` among them: killed, every event in both once."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from harness import Server, running, until
from headwater.config import Settings
from headwater.errors import SettingsError
from headwater.wiring import destined
from tools import often

EXAMPLE = Path(__file__).parents[2] / "examples" / "headwater-sqlite"
SENT = "/integrations/bikPlatformFunctions-events/sendEvents"
FILE = """
[[destination]]
name = "reports"
kind = "sqlite"
settings = { path = "reports.db" }

[[destination]]
name = "lake"
kind = "parquet"
settings = { path = "lake", window_seconds = 1 }

[[destination]]
name = "somebody-elses"
kind = "parquet"
workspace = "ws_00000000"
settings = { path = "elsewhere" }
"""


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, installed as its README says, in a folder of its own."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("plugin")
    subprocess.run(["cp", "-r", EXAMPLE, source], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", target, source / EXAMPLE.name], check=True)
    return target


@pytest.fixture
def delivering(plugin: Path, tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "destinations.toml").write_text(FILE)
    environment = {"HEADWATER_DESTINATIONS": str(tmp_path / "destinations.toml"), "PYTHONPATH": str(plugin)}
    with running(Server(tmp_path / "data", environment=environment)) as server:
        yield server


def sent(client: httpx.Client, number: int) -> None:
    event = {"name": "N", "email": f"p{number}@x.y", "phoneNumber": "", "eventName": "catalogViewed"}
    events = [event | {"eventProperties": {"catalogId": str(each)}} for each in range(10)]
    assert client.post(SENT, json={"events": events}).status_code == 200


def in_store(client: httpx.Client) -> list[str]:
    return sorted(line["id"] for line in map(json.loads, client.get("/v1/events/export").text.splitlines()))


def in_reports(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "reports.db") as connection:
        return sorted(id_ for (id_,) in connection.execute("SELECT id FROM events"))


def in_lake(folder: Path) -> list[str]:
    files = (folder / "lake").rglob("*.parquet")
    return sorted(each for path in files for each in pq.ParquetFile(path).read(["id"]).column("id").to_pylist())


def status(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/v1/destinations")
    return {each["name"]: each for each in answer.json()["data"]} if answer.status_code == 200 else {}


def delivered(client: httpx.Client) -> bool:
    found = status(client)
    return bool(found) and not any(lane["behind"] for each in found.values() for lane in each["lanes"])


@pytest.mark.parametrize("kills", [1, pytest.param(often(20), marks=pytest.mark.torture, id="many")])
def test_every_event_arrives_once_though_it_is_killed(delivering: Server, tmp_path: Path, kills: int) -> None:
    with delivering.client() as client:
        for number in range(10 * kills):
            sent(client, number)
            if number % 10 == 5:
                until(lambda: status(client).get("reports", {}).get("delivered_at"))
                delivering.kill_group()
                delivering.start()
        delivering.wait_drained()
        stored = in_store(client)
        assert len(stored) == 100 * kills
        until(lambda: in_reports(tmp_path) == stored and in_lake(tmp_path) == stored, what="all arrived")
        until(lambda: delivered(client))
        assert status(client).keys() == {"reports", "lake"} and not (tmp_path / "elsewhere").exists()
        assert status(client)["lake"]["erases"] and status(client)["reports"]["status"] == "running"
        figures = client.get("/metrics").text
        assert 'headwater_destination_behind_blocks{destination="lake",lane="realtime"} 0.0' in figures
        _erase(client, tmp_path, stored)


def _erase(client: httpx.Client, folder: Path, stored: list[str]) -> None:
    erasure = client.delete("/v1/profiles/email%3Ap5%40x.y").json()["id"]
    until(lambda: client.get(f"/v1/erasures/{erasure}").json()["step"] in ("log", "again", "forget", "close", None), 60)
    assert len(in_reports(folder)) == len(in_lake(folder)) == len(stored) - 10
    kept = [folder / "reports.db", *(folder / "lake").rglob("*")]
    assert b"p5@x.y" not in b"".join(path.read_bytes() for path in kept if path.is_file())


def test_one_that_fails_is_told_and_holds_nobody(delivering: Server, tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file in the way")
    with delivering.client() as client:
        sent(client, 1)
        delivering.wait_drained()
        until(lambda: status(client).get("lake", {}).get("status") == "failing")
        assert "Error" in status(client)["lake"]["error"] and len(in_store(client)) == 10
        until(lambda: len(in_reports(tmp_path)) == 10)
        (tmp_path / "lake").unlink()
        until(lambda: len(in_lake(tmp_path)) == 10, 60)
    assert "x.y" not in delivering.log()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[destination]\n", "is no TOML"),
        ('[[destination]]\nname = "a"\n', "missing required field `kind`"),
        ('[[destination]]\nname = "a"\nkind = "parquet"\nurl = "x"\n', "unknown field `url`"),
        ('[[destination]]\nname = "a"\nkind = "nothing"\n', "there is no kind 'nothing'; there are parquet"),
        ('[[destination]]\nname = "a"\nkind = "parquet"\n', "missing required field `path`"),
        ('[[destination]]\nname = "A"\nkind = "parquet"\nsettings = {path = "x"}\n', "'A' is no name"),
        (2 * '[[destination]]\nname = "a"\nkind = "parquet"\nsettings = {path = "x"}\n', "two of the name 'a'"),
        (
            '[[destination]]\nname = "a"\nkind = "parquet"\nsettings = {path = "x", window_seconds = 7}\n',
            "must divide an hour",
        ),
        (
            '[[destination]]\nname = "a"\nkind = "parquet"\nworkspace = "x"\nsettings = {path = "x"}\n',
            "no workspace's id",
        ),
        (None, "cannot be read"),
    ],
)
def test_a_wrong_file_is_told_and_nothing_starts(tmp_path: Path, text: str | None, why: str) -> None:
    path = tmp_path / "destinations.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError) as told:
        destined.made(Settings(data_dir=tmp_path, destinations=path))
    assert why in str(told.value) and str(path) in str(told.value)


def test_serve_refuses_a_wrong_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "headwater", "serve", "--port", "0", "--data-dir", tmp_path / "data"]
    ended = subprocess.run(
        [*command, "--destinations", tmp_path / "none.toml"], capture_output=True, text=True, env={**os.environ}
    )
    assert ended.returncode == 78 and "none.toml cannot be read: No such file or directory" in ended.stderr
