"""`headwater import` killed at random moments, with its server now and then: each row is there once, none is lost."""

import csv
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from figures import Section, tell
from harness import Server
from journey.load import export

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}
KILLS = 3
EVERY = 997
"""One row in so many is refused by the server, one more cannot be read."""


def written(file: Path, rows: int) -> Path:
    """Rows of NDJSON or CSV, each with a token of its own; some are wrong."""
    with file.open("w", newline="") as out:
        if file.suffix == ".csv":
            table = csv.writer(out)
            table.writerow(("email", "eventName", "eventProperties.keyword", "createdAt"))
            for n in range(rows):
                table.writerow(
                    (f"{n % 500}@a.test", "nope" if n % EVERY == 7 else "keywordSearched", f"k{n}", "2024-11-15")
                )
                if n % EVERY == 9:
                    out.write("torn,row\r\n")
            return file
        for n in range(rows):
            name = "nope" if n % EVERY == 7 else "keywordSearched"
            event = {"email": f"{n % 500}@a.test", "eventName": name, "createdAt": "2024-11-15"}
            out.write(json.dumps(event | {"eventProperties": {"keyword": f"k{n}"}}) + "\n")
            if n % EVERY == 9:
                out.write('{"torn": \n')
    return file


def imported(server: Server, file: Path, dead: random.Random, kill_server: bool) -> int:
    """Runs the import until it is through, killed KILLS times on the way; how often it was."""
    here = {"HEADWATER_URL": server.url, "HEADWATER_KEY": server.key}
    command = [sys.executable, "-m", "headwater", "import", str(file), "--dialect", "bik", "--backfill", file.name]
    state, kills = file.with_name("state"), 0
    while True:
        said = file.with_name("said").open("wb")
        with subprocess.Popen([*command, "--state", str(state)], stdout=said, stderr=said, env=CLEAN | here) as process:
            while kills < KILLS and process.poll() is None:
                before = state.stat().st_size if state.exists() else 0
                while process.poll() is None and (not state.exists() or state.stat().st_size == before):
                    time.sleep(0.01)
                time.sleep(dead.random() * 0.1)  # a fraction of what the whole takes
                if process.poll() is None:
                    process.kill()
                    kills += 1
                    if kill_server:
                        server.kill_group()
                        server.start()
            process.wait(600)
        if process.returncode != -9:
            assert process.returncode == 3, file.with_name("said").read_text()
            return kills


def kills_at_random(server: Server, tmp_path: Path, name: str, rows: int, kill_server: bool) -> None:
    seed = time.time_ns()
    file = written(tmp_path / name, rows)
    began = time.monotonic()
    kills = imported(server, file, random.Random(seed), kill_server)
    took = time.monotonic() - began
    server.wait_drained(300)
    wrong = {f"k{n}" for n in range(7, rows, EVERY)}
    wanted = Counter(f"k{n}" for n in range(rows) if f"k{n}" not in wrong)
    found = Counter(event["data"]["keyword"] for event in export(server))
    assert found == wanted, ((wanted - found).total(), (found - wanted).total(), f"seed {seed}")
    (report,) = file.parent.glob(f"{file.name}.bf_*.refused.{'csv' if file.suffix == '.csv' else 'ndjson'}")
    refused = report.read_text()
    assert Counter(key for key in wrong if f"{key}" in refused.replace('"', ",").split(",")) == Counter(wrong)
    torn = len(range(9, rows, EVERY))
    assert refused.count("torn") == torn and len(refused.splitlines()) == torn + len(wrong) + (file.suffix == ".csv")
    assert kills == KILLS, f"it was through after {kills} kills"
    whose = "an import and its server" if kill_server else "an import"
    tell(Section.KILLS, f"{whose}, {name}", seed, kills=kills, rows=rows, lost=0, doubled=0, import_s=took)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["events.ndjson", "events.csv"])
def test_an_import_killed_on_the_way(fresh_server: Server, tmp_path: Path, name: str) -> None:
    kills_at_random(fresh_server, tmp_path, name, 150_000, kill_server=False)


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_an_import_and_its_server_killed_on_the_way(fresh_server: Server, tmp_path: Path) -> None:
    kills_at_random(fresh_server, tmp_path, "events.ndjson", 100_000, kill_server=True)
