"""The bench measures what it says: its generator, its verdicts, its tables; and it runs from end to end."""

import asyncio
import json
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tools import need

ROOT = Path(__file__).parents[2]
BENCH, PAGE = ROOT / "bench", ROOT / "docs" / "performance.md"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


@pytest.fixture
def bodies(tmp_path: Path) -> Path:
    path = tmp_path / "bodies"
    path.write_bytes(b'{"n": 1}\n{"n": 2}\n')
    return path


class Stalling(asyncio.Protocol):
    """Answers at once, but for one moment in which it answers nobody for STALL seconds."""

    AFTER, STALL = 50, 0.3
    seen = 0
    heads: set[bytes]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        cls = type(self)
        cls.seen += 1
        if cls.seen == cls.AFTER:
            time.sleep(cls.STALL)
        self.transport.write(ANSWER)


def open_loop(port: int, bodies: Path, rate: float, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, str(BENCH / "openloop.py"), str(port), "/", "Bearer none", str(bodies)]
    return subprocess.Popen(
        [*command, "--rate", str(rate), "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True
    )


def open_loop_against(protocol: type[asyncio.Protocol], bodies: Path, rate: float, seconds: float) -> dict[str, float]:
    """What the generator says of a server that speaks so."""

    async def run() -> dict[str, float]:
        server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
        generator = open_loop(server.sockets[0].getsockname()[1], bodies, rate, seconds)
        said = (await asyncio.to_thread(generator.communicate))[0]
        server.close()
        return dict(json.loads(said))

    return asyncio.run(run())


def test_open_loop_charges_a_stall_to_every_request_that_was_due_meanwhile(bodies: Path) -> None:
    Stalling.seen = 0
    found = open_loop_against(Stalling, bodies, rate=200, seconds=1)
    assert found["taken"] == 200
    assert found["refused"] == found["failed"] == found["unanswered"] == 0
    # 0.3 s of 1 s: sixty of two hundred requests waited, the first for all of it, the last hardly. A generator that
    # waits for answers before it sends would have charged one.
    assert found["max_ms"] > 250
    assert found["p99_ms"] > 200


def test_open_loop_counts_what_was_never_answered(bodies: Path) -> None:
    found = open_loop_against(asyncio.Protocol, bodies, rate=100, seconds=0.5)
    assert found["taken"] == 0
    assert found["unanswered"] == 50
    assert found["p50_ms"] > 1000  # they have waited until two seconds after the end


@pytest.mark.parametrize("script", ["noop_asgi.py", "noop_protocol.py"])
def test_no_op_servers_answer_each_request_once(script: str, bodies: Path) -> None:
    with subprocess.Popen([sys.executable, str(BENCH / script)], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            generator = open_loop(int(server.stdout.readline()), bodies, rate=200, seconds=0.5)
            found = json.loads(generator.communicate()[0])
        finally:
            server.kill()
    assert found["taken"] == 100
    assert found["refused"] == found["failed"] == found["unanswered"] == 0


@pytest.mark.parametrize(
    "peer",
    ["OnSqlite", "OnJetStream", "OnUmaDB", pytest.param("OnPostgres", marks=pytest.mark.cluster)],
)
def test_a_peer_stores_every_event_it_acknowledges_behind_a_sync(peer: str, tmp_path: Path) -> None:
    kinds, openloop = import_module("bodies"), BENCH / "openloop.py"
    server = getattr(import_module("peers"), peer)(tmp_path / "peer")
    try:
        sent = 0
        for kind in kinds.KINDS:
            command = [str(openloop), str(server.port), kind.path, "Bearer none", str(kind.write(tmp_path, 500, 1))]
            command = [sys.executable, *command, "--rate", "20", "--seconds", "0.5"]
            found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            assert found["taken"] == 10 and found["refused"] == 0
            sent += 10 * kind.events
        assert server.rows() == sent
        seen = import_module("syncs").watched(server, kinds.BIK_BATCH, 5)
        assert "reason" in seen or seen["syncs"] >= seen["requests"] == 5
        assert server.cpu()["server"] > 0
        assert server.pids["server"] == server.process.pid
        assert server.finish(1)["bytes"] > 0
    finally:
        server.stop()


def test_headwater_is_asked_from_outside_by_role(tmp_path: Path) -> None:
    servers = import_module("servers")
    server = servers.Headwater("headwater", tmp_path / "headwater")
    try:
        assert set(server.pids) == {"supervisor", "gateway", "engine"}
        assert server.pids["supervisor"] == server.process.pid and server.syncing() == [server.pids["gateway"]]
        for figures in (server.cpu(), server.memory(), server.peaks()):
            assert set(figures) == set(server.pids)
        assert server.commits() is not None and server.log_bytes() >= 0 and server.backlog() == 0
    finally:
        server.stop()


def test_the_race_goes_on_without_a_peer_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    race, servers = import_module("race"), import_module("servers")

    def broken(directory: Path) -> None:
        raise servers.ServerFailed("it is not installed")

    console = SimpleNamespace(is_terminal=True, print=lambda text: None)
    progress = SimpleNamespace(console=console, task_ids=[0], update=lambda *_, **__: None)
    made = race.Race(race.parsed(["--quick", "--dialect", "bik"]), tmp_path, progress)
    monkeypatch.setattr(race, "STARTS", {"UmaDB": broken})
    made.start()
    assert made.results["not_run"] == {"UmaDB": "it is not installed"}
    assert made.cases and all(case.server != "UmaDB" for case in made.cases)


@pytest.mark.parametrize(
    ("backlog", "grows"),
    [
        ([0, 20, 40, 20, 0, 20, 40, 20, 0, 20], False),  # blocks come and go
        ([10, 10, 10, 500, 10, 10, 10, 10, 10, 10], False),  # one moment does not decide
        ([0, 5, 10, 15, 20, 25, 30, 35, 40, 45], True),
        ([0, 40, 20, 50, 40, 60, 50, 80, 60, 90], True),
    ],
)
def test_a_backlog_grows_when_it_does_at_the_median(backlog: list[int], grows: bool) -> None:
    growth = import_module("queryable").growth
    slope = growth([(float(second), events) for second, events in enumerate(backlog)])
    assert (slope > import_module("queryable").GROWTH * 100) is grows


def test_the_page_tells_what_was_measured() -> None:
    """Nobody edits a figure by hand: the tables are those of the JSON beside the page."""
    report = import_module("report")
    results, page = json.loads(PAGE.with_suffix(".json").read_text()), PAGE.read_text()
    for make in import_module("race_report").TABLES:
        table = make(results)
        assert report.markdown(table) in page, f"{table.name}: race.py --from docs/performance.json --write-docs"
    for plot in ("throughput", "efficiency", "times", "cpu", "latency", "backlog"):
        assert f"performance/{plot}.svg" in page and (PAGE.with_suffix("") / f"{plot}.svg").exists()


def test_the_page_tells_what_is_flat() -> None:
    report, flat_report, page = import_module("report"), import_module("flat_report"), PAGE.read_text()
    results = json.loads(PAGE.with_name("flat-performance.json").read_text())
    for make in flat_report.TABLES:
        assert report.markdown(make(results)) in page, "flat.py --from docs/flat-performance.json --write-docs"
    assert "performance/flat.svg" in page and (PAGE.with_suffix("") / "flat.svg").exists()


@pytest.fixture
def wrk() -> None:
    need("wrk")


@pytest.mark.torture
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("wrk")
def test_the_race_runs_from_end_to_end(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    tiny = ["--sustain", "2", "--search", "1.5", "--freshness", "3", "--steps", "1", "--rest", "0.3"]
    command = [sys.executable, str(BENCH / "race.py"), "--quick", *tiny, "--json", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=580)
    assert ran.returncode == 0, ran.stderr
    results = json.loads(path.read_text())
    told = {"conditions", "options", "rest", "cases", "disk", "sustained", "freshness", "peak", "syncs", "stored"}
    assert told <= set(results)
    assert set(results["not_run"]) <= {"FastAPI + PostgreSQL"}  # the others come with the lock
    for case in results["cases"]:
        assert len(case["saturation"]) == 1
        assert case["saturation"][0]["events_per_s"] > 0, case["server"]
    assert all(turn["disk_fixed"] for case in results["cases"] if case["half"] for turn in case["floor"])
    assert sum(bool(case["half"]) for case in results["cases"]) == 2
    for server, seen in results["syncs"].items():
        assert "reason" in seen or seen["syncs"] >= seen["requests"], server
    assert len(results["sustained"]) == 4 and all(run["backlog"] for run in results["sustained"])
    assert all(run["probes"] for run in results["freshness"])
    sent = {case["server"]: 0 for case in results["cases"]}
    for case in results["cases"]:
        sent[case["server"]] += sum(turn["events"] for turn in case["saturation"] + case["fixed"] + case["half"])
    # What was acknowledged was stored; beside it, what followed: the backlogs, the probes, answers that wrk cut off.
    for server, stored in results["stored"].items():
        assert stored["rows"] >= sent[server], server


@pytest.mark.torture
def test_what_is_flat_is_measured_at_each_size(tmp_path: Path) -> None:
    path = tmp_path / "flat.json"
    command = [sys.executable, str(BENCH / "flat.py"), "--quick", "--dir", str(tmp_path), "--json", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, ran.stderr
    results = json.loads(path.read_text())
    stored = [at["events"] for at in results["sizes"]]
    assert all(events > size for events, size in zip(stored, (2_000, 10_000), strict=True)), stored
    for name, figure in import_module("flat_report").ROWS:
        assert all(figure(at) for at in results["sizes"]), name


@pytest.mark.torture
@pytest.mark.usefixtures("wrk")
def test_the_profile_names_every_step(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH / "profile_gateway.py"), "--seconds", "2", "--events", "2000"]
    told = subprocess.run([*command, "--dir", str(tmp_path)], check=True, capture_output=True, text=True, timeout=200)
    for step in ("decode", "validate", "encode the record", "encode the answer", "authenticate", "writer's thread"):
        assert step in told.stdout, told.stdout
