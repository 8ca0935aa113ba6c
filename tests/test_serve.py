"""`headwater serve` with its real roles: first start, restarts, stops, refusals."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import curl
from harness import Server, group, guarded, until
from headwater.supervisor import EXIT_START

ROOT = Path(__file__).parents[1]
EVENT = {"signal": "pageViewed", "identity": {"type": "account", "id": "42"}, "data": {"page": "/"}}


def send(client: httpx.Client) -> str:
    answer = client.post("/v1/events", json=EVENT)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["id"])


def serve(*options: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headwater", "serve", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`make run` as a newcomer types it, on a free port and a directory of the test's own."""
    log = tmp_path / "log"
    command = ["make", "--no-print-directory", "run", "PORT=0", f"DATA_DIR={tmp_path / 'my data'}"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, start_new_session=True)
    guarded(process.pid)
    yield process, log
    if group(process.pid):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_make_run_prints_commands_that_work_as_they_stand(made: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, log = made
    until(lambda: "and see both" in log.read_text(), 120, "it serves")
    bik, signal_made, bigmind, listing = curl.commands(log.read_text())
    assert curl.run(bik).json() == {"status": 200, "success": True}
    assert curl.run(signal_made).status_code == 201
    assert curl.run(bigmind).json()["success"]
    until(lambda: processed(listing) == ["bigmind", "bik"], what="both are stored")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(40) in (0, 2, 130, -signal.SIGINT)  # make has its own view of Ctrl-C
    until(lambda: not group(process.pid), 40, "Ctrl-C ended everything")


def processed(command: str) -> list[str]:
    """The dialects of the events that a listing shows as processed, sorted."""
    events = curl.run(command).json().get("data", [])
    return sorted(each["dialect"] for each in events if each["status"] == "processed")


def test_the_credentials_are_for_the_owner_alone(server: Server) -> None:
    modes = {"": 0o700, "credentials.json": 0o600, "key-secret": 0o600, "engine.sock": 0o600}
    assert {name: stat.S_IMODE((server.data_dir / name).stat().st_mode) for name in modes} == modes
    found = server.credentials()
    assert found["url"] == server.url
    assert set(found) == {"workspace", "api_key", "url"}


def test_serve_json_names_process_and_port(server: Server) -> None:
    found = json.loads((server.data_dir / "serve.json").read_bytes())
    assert found == {"pid": server.process.pid, "url": server.url, "port": server.port}


def test_the_roles_names_stand_in_their_command_lines(server: Server) -> None:
    lines = [" ".join(command[1:4]) for command in group(server.process.pid).values()]
    assert sorted(lines) == ["-m headwater engine", "-m headwater gateway", "-m headwater serve"]


def test_a_later_start_keeps_the_key_and_prints_no_key(fresh_server: Server) -> None:
    before = fresh_server.credentials()
    assert fresh_server.stop() == 0
    assert not (fresh_server.data_dir / "serve.json").exists()
    printed = len(fresh_server.log())
    fresh_server.start()
    until(lambda: "\nDashboard: " in fresh_server.log()[printed:])
    assert f"headwater serves on {fresh_server.url}\n" in fresh_server.log()[printed:]
    assert "/ui/sign-in#" not in fresh_server.log()[printed:], "a link that signs in is for terminals"
    assert fresh_server.credentials() == before
    assert before["api_key"] not in fresh_server.log()[printed:]


def test_a_killed_gateway_comes_back_and_refuses_no_connection(fresh_server: Server) -> None:
    with fresh_server.client() as client:
        first = send(client)
    before = fresh_server.kill_gateway()
    with fresh_server.client() as client:
        second = send(client)
    assert fresh_server.pids()["gateway"] != before
    statuses = [event["status"] for event in fresh_server.wait_processed([first, second])]
    assert statuses == ["processed", "processed"]


def test_a_killed_engine_comes_back_and_fails_no_event(fresh_server: Server) -> None:
    with fresh_server.client() as client:
        ids = [send(client)]
        before = fresh_server.kill_engine()
        ids += [send(client) for _ in range(20)]
        question = client.get("/v1/pipelines")
        assert question.status_code in (200, 503)
        assert question.status_code == 200 or int(question.headers["Retry-After"]) > 0
    assert {event["status"] for event in fresh_server.wait_processed(ids)} == {"processed"}
    assert fresh_server.pids()["engine"] != before


def test_killing_the_supervisor_ends_the_roles(fresh_server: Server) -> None:
    fresh_server.process.kill()
    fresh_server.process.wait()
    fresh_server.wait_gone(5)


def test_everything_comes_back_after_a_kill_of_the_group(fresh_server: Server) -> None:
    with fresh_server.client() as client:
        ids = [send(client) for _ in range(5)]
    fresh_server.kill_group()
    fresh_server.start()
    assert len(fresh_server.wait_processed(ids)) == 5


def test_sigterm_answers_the_request_in_flight(fresh_server: Server) -> None:
    body = json.dumps(EVENT).encode()
    head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {fresh_server.key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", fresh_server.port), timeout=20) as connection:
        connection.sendall(head.encode() + body[:10])
        time.sleep(0.3)
        stopped: list[int] = []
        stopping = threading.Thread(target=lambda: stopped.append(fresh_server.stop()))
        stopping.start()
        until(lambda: "stopping" in fresh_server.log())
        time.sleep(0.3)
        connection.sendall(body[10:])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    stopping.join()
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert stopped == [0]
    event_id = json.loads(answer.partition(b"\r\n\r\n")[2])["data"]["id"]
    fresh_server.start()
    assert fresh_server.wait_processed([event_id])[0]["status"] == "processed"


def test_a_second_server_on_the_same_directory_is_refused(fresh_server: Server) -> None:
    second = serve("--port", "0", "--data-dir", str(fresh_server.data_dir), "--start-wait", "0.3")
    assert second.returncode == EXIT_START
    wanted = f"headwater: {fresh_server.data_dir} is in use by process {fresh_server.process.pid} (serve.lock)\n"
    assert second.stderr == wanted
    assert httpx.get(f"{fresh_server.url}/readyz", trust_env=False).status_code == 200


def test_a_second_server_on_the_same_port_is_refused(server: Server, tmp_path: Path) -> None:
    second = serve("--port", str(server.port), "--data-dir", str(tmp_path / "other"), "--start-wait", "0.3")
    assert second.returncode == EXIT_START
    assert second.stderr == f"headwater: cannot listen on 127.0.0.1 port {server.port}: Address already in use\n"


def test_a_gateway_that_cannot_start_says_why_and_ends_it_all(fresh_server: Server) -> None:
    fresh_server.stop()
    (fresh_server.data_dir / "key-secret").unlink()
    again = serve("--port", "0", "--data-dir", str(fresh_server.data_dir))
    assert again.returncode == EXIT_START
    assert [line for line in again.stderr.splitlines() if line.startswith("headwater: ") and "key-secret" in line]
    fresh_server.wait_gone()


def test_a_data_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = serve("--port", "0", "--data-dir", str(tmp_path / "file" / "data"))
    assert refused.returncode == EXIT_START
    assert refused.stderr == f"headwater: cannot make the data directory {tmp_path}/file/data: Not a directory\n"


def test_a_folder_of_the_same_name_is_no_trap(tmp_path: Path) -> None:
    (tmp_path / "headwater").mkdir()
    (tmp_path / "headwater" / "__main__.py").write_text("raise SystemExit('the wrong headwater')")
    command = [str(Path(sys.executable).with_name("headwater")), "serve", "--port", "0", "--data-dir", "data"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    guarded(process.pid)
    try:
        until(lambda: "headwater serves on" in (tmp_path / "log").read_text(), what="it serves")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_each_log_line_tells_its_time_and_none_a_key(fresh_server: Server) -> None:
    with fresh_server.client() as client:
        send(client)
        client.get("/v1/events", headers={"Authorization": "Bearer sk_wrong"})
    fresh_server.stop()
    lines = (
        fresh_server.log().split("and see both", 1)[1].split("\n\n", 1)[1].splitlines()
    )  # behind what the first start prints
    assert lines
    assert [line for line in lines if not re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (info|warning|error) \S+: ", line)] == []
    assert "sk_" not in "\n".join(lines)


def test_the_gateway_is_small(server: Server) -> None:
    """It never loads the embedded database: that is the engine's alone."""
    mapped = Path(f"/proc/{server.pids()['gateway']}/maps").read_text()
    assert "chdb" not in mapped


def test_a_path_too_long_for_the_socket_is_said_at_the_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "headwater", "serve", "--port", "0", "--data-dir", str(tmp_path / ("x" * 110))]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 78
    assert "too long for the socket" in ended.stderr
