"""The commands as their users run them: processes, against a real server, and against a directory without one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness import Server, Workspace, keyed, until
from headwater.catalog.credentials import load_secret
from headwater.catalog.sqlite import SqliteCatalog
from headwater.config import Settings

Run = Callable[..., subprocess.CompletedProcess[str]]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}


def run(*arguments: str, code: int = 0, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """`headwater …`; fails unless it ends with `code`."""
    done = subprocess.run(
        [sys.executable, "-m", "headwater", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env=CLEAN | environment,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def here(workspace: Workspace) -> dict[str, str]:
    """The environment of somebody who works in that workspace."""
    return {"HEADWATER_URL": workspace.server.url, "HEADWATER_KEY": workspace.key}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A directory after its first start, with no server running."""
    settings = Settings(data_dir=tmp_path / "data")
    catalog = SqliteCatalog(settings.catalog_path, load_secret(settings))
    catalog.first_start(settings)
    catalog.close()
    return settings.data_dir


def scopes(data_dir: Path, key: str) -> frozenset[str] | None:
    settings = Settings(data_dir=data_dir)
    catalog = SqliteCatalog(settings.catalog_path, load_secret(settings))
    try:
        principal = catalog.principal(key)
        return None if principal is None else principal.scopes
    finally:
        catalog.close()


# --- without a server --------------------------------------------------------------------------------------------


def test_a_lost_key_is_replaced_without_a_server(data_dir: Path) -> None:
    credentials = data_dir / "credentials.json"
    old = json.loads(credentials.read_text())
    credentials.unlink()
    made = json.loads(run("keys", "create", "--data-dir", str(data_dir), "--json").stdout)
    assert scopes(data_dir, made["key"]) == {"ingest", "read", "admin", "operator"}
    assert scopes(data_dir, old["api_key"]) is not None
    assert json.loads(credentials.read_text()) == old | {"api_key": made["key"]}
    assert credentials.stat().st_mode & 0o777 == 0o600


def test_a_key_can_be_made_without_a_server_beside_the_first(data_dir: Path) -> None:
    kept = (data_dir / "credentials.json").read_text()
    for option in (["--offline"], []):
        done = run("keys", "create", "shop", "--scope", "ingest", "--data-dir", str(data_dir), "--json", *option)
        assert scopes(data_dir, json.loads(done.stdout)["key"]) == {"ingest"}
    assert (data_dir / "credentials.json").read_text() == kept


def test_what_cannot_be_done_offline_is_told(data_dir: Path, tmp_path: Path) -> None:
    done = run("keys", "create", "--data-dir", str(tmp_path / "none"), "--offline", code=1)
    assert "headwater serve" in done.stderr and not (tmp_path / "none").exists()
    done = run("keys", "create", "--data-dir", str(data_dir), "--offline", "--workspace", "none", code=1)
    assert "there are: default" in done.stderr
    (data_dir / "moved").touch()
    assert "was moved" in run("keys", "create", "--data-dir", str(data_dir), "--offline", code=1).stderr
    (data_dir / "moved").unlink()
    (data_dir / "key-secret").unlink()
    assert "key-secret" in run("keys", "create", "--data-dir", str(data_dir), "--offline", code=1).stderr


@pytest.mark.parametrize(
    "command",
    [
        ("signals", "list"),
        ("keys", "list"),
        ("workspaces", "list"),
        ("events", "list"),
        ("events", "export"),
        ("cohorts", "list"),
    ],
)
def test_without_a_server_or_a_key_a_command_says_so(data_dir: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    nowhere = {"HEADWATER_URL": "http://127.0.0.1:9"}
    assert "nothing answers" in run(*command, "--data-dir", str(data_dir), code=1, **nowhere).stderr
    assert "credentials.json" in run(*command, "--data-dir", str(tmp_path / "none"), code=1).stderr
    (data_dir / "credentials.json").write_text("{")
    assert "cannot read" in run(*command, "--data-dir", str(data_dir), code=1).stderr
    assert run(*command, "--url", "http://[", "--key", "sk_", code=1).stderr


def test_help_names_every_command() -> None:
    said = run("--help").stdout
    for word in (
        "serve",
        "gateway",
        "engine",
        "doctor",
        "signals",
        "keys",
        "workspaces",
        "events",
        "cohorts",
        "profiles",
        "demo",
        "version",
    ):
        assert word in said
    assert "HEADWATER_URL" in run("signals", "list", "--help", COLUMNS="200").stdout


# --- with a server -----------------------------------------------------------------------------------------------


def test_a_signals_life(here: dict[str, str], tmp_path: Path) -> None:
    made = json.loads(run("signals", "create", "API calls", "--rate-limit", "none", "--json", **here).stdout)
    assert (made["slug"], made["rate_limit"]) == ("api-calls", None)
    metric = ("--type", "metric", "--aggregation", "sum", "--period", "day", "--value", "n")
    assert json.loads(run("signals", "create", "Calls", *metric, "--json", **here).stdout)["rate_limit"] == 1000
    schema = tmp_path / "schema.json"
    schema.write_text('{"required": ["n"]}')
    assert "1" in run("signals", "publish", "api-calls", str(schema), **here).stdout
    shown = json.loads(run("signals", "show", "api-calls", "--json", **here).stdout)
    assert (shown["latest_version"], shown["schema"]) == (1, {"required": ["n"]})
    listed = run("signals", "list", **here).stdout
    assert "api-calls" in listed and "addedToWishlist" in listed and made["id"] in listed
    run("signals", "archive", "api-calls", **here)
    assert "api-calls" not in run("signals", "list", **here).stdout


def test_refusals_are_one_line(here: dict[str, str], tmp_path: Path) -> None:
    assert "no signal 'none'" in run("signals", "show", "none", code=1, **here).stderr
    assert "taken" in run("signals", "create", "x", "--slug", "ordered", code=1, **here).stderr
    assert "'value' is required" in run("signals", "create", "x", "--type", "state", code=1, **here).stderr
    assert "--rate-limit" in run("signals", "create", "x", "--rate-limit", "many", code=1, **here).stderr
    (tmp_path / "bad.json").write_text("{")
    assert "no JSON" in run("signals", "publish", "ordered", str(tmp_path / "bad.json"), code=1, **here).stderr
    assert "operator" in run("workspaces", "list", code=1, **here).stderr
    assert "401" in run("signals", "list", code=1, **here | {"HEADWATER_KEY": "sk_wrong"}).stderr


def test_keys_come_and_go(here: dict[str, str], workspace: Workspace) -> None:
    made = json.loads(run("keys", "create", "shop", "--scope", "read", "--json", **here).stdout)
    assert made["scopes"] == ["read"]
    listed = run("keys", "list", **here).stdout
    assert made["id"] in listed and made["key"] not in listed
    rotated = json.loads(run("keys", "rotate", made["id"], "--grace-seconds", "0", "--json", **here).stdout)
    run("keys", "revoke", rotated["id"], **here)
    for key in (made["key"], rotated["key"]):
        with keyed(workspace.server.url, key) as client:
            assert client.get("/v1/signals").status_code == 401


def test_an_operator_makes_a_workspace(server: Server) -> None:
    there = ("--data-dir", str(server.data_dir))
    made = json.loads(run("workspaces", "create", "from the command line", "--preset", "none", "--json", *there).stdout)
    assert made["id"] in run("workspaces", "list", *there).stdout
    assert run("signals", "list", "--key", made["api_key"], "--url", server.url, "--json").stdout.strip() == "[]"


def test_a_key_made_in_the_directory_works_in_the_running_server(fresh_server: Server) -> None:
    (fresh_server.data_dir / "credentials.json").unlink()
    made = json.loads(run("keys", "create", "--data-dir", str(fresh_server.data_dir), "--json").stdout)
    with fresh_server.client(made["key"]) as client:
        assert client.get("/v1/workspaces").status_code == 200
    assert fresh_server.credentials() == {"workspace": "default", "api_key": made["key"], "url": fresh_server.url}
    assert "default" in run("workspaces", "list", "--data-dir", str(fresh_server.data_dir)).stdout


def events(count: int) -> list[dict[str, Any]]:
    return [
        {"eventName": "keywordSearched", "email": f"{n}@example.com", "eventProperties": {"keyword": f"k{n}"}}
        for n in range(count)
    ]


def written(tmp_path: Path, form: str, sent: list[dict[str, Any]]) -> Path:
    file = tmp_path / "events"
    texts = {
        "lines": "".join(json.dumps(event) + "\n" for event in sent),
        "array": json.dumps(sent, indent=1),
        "batch": json.dumps({"events": sent}),
    }
    file.write_text(texts[form])
    return file


def stored(here: dict[str, str], count: int) -> list[dict[str, Any]]:
    def probe() -> list[dict[str, Any]] | None:
        rows = json.loads(run("events", "list", "--limit", "1000", "--json", **here).stdout)
        return rows if len(rows) == count and all(row["status"] == "processed" for row in rows) else None

    return until(probe, 30)


@pytest.mark.parametrize(("form", "count"), [("lines", 250), ("array", 101), ("batch", 3)])
def test_a_file_of_events_is_sent_listed_and_exported(
    here: dict[str, str], tmp_path: Path, form: str, count: int
) -> None:
    sent = events(count)
    done = run("events", "send", str(written(tmp_path, form, sent)), "--json", **here)
    assert json.loads(done.stdout) == {"sent": count, "rate_limited": 0}
    rows = stored(here, count)
    assert sorted(row["data"]["keyword"] for row in rows) == sorted(
        event["eventProperties"]["keyword"] for event in sent
    )
    run("events", "export", "--output", str(tmp_path / "out.ndjson"), **here)
    lines = (tmp_path / "out.ndjson").read_text().splitlines()
    assert {json.loads(line)["id"] for line in lines} == {row["id"] for row in rows}
    assert run("events", "export", "--identity", "email:1@example.com", **here).stdout.count("\n") == 1
    shown = run("events", "show", rows[0]["id"], **here).stdout
    assert rows[0]["id"] in shown and "processed" in shown
    assert "keywordSearched" in run("events", "list", "--signal", "keywordSearched", "--limit", "2", **here).stdout


def test_events_from_standard_input_of_the_other_dialect(here: dict[str, str]) -> None:
    run("signals", "create", "seen", "--rate-limit", "2", **here)
    line = json.dumps({"signal": "seen", "identity": {"type": "account", "id": "1"}}) + "\n"
    done = run("events", "send", "-", stdin=line * 3, code=1, **here)
    assert "2 events sent, 1 over" in done.stdout


def test_a_bad_event_is_told_with_its_place(here: dict[str, str], tmp_path: Path) -> None:
    sent = events(150)
    sent[120]["eventProperties"] = {}
    done = run("events", "send", str(written(tmp_path, "lines", sent)), code=1, **here)
    assert "events 100 to 149" in done.stderr and "event 20" in done.stderr and "keyword" in done.stderr
    stored(here, 100)
    assert "cannot read events" in run("events", "send", str(tmp_path / "none"), code=1, **here).stderr
    (tmp_path / "bad").write_text('{"eventName": "ordered"}\nnot json\n')
    assert "cannot read events" in run("events", "send", str(tmp_path / "bad"), code=1, **here).stderr


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(here: dict[str, str]) -> None:
    proxies = {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}
    assert run("signals", "list", **here, **proxies).stdout
    assert httpx.get(here["HEADWATER_URL"] + "/livez", trust_env=False).status_code == 200


@pytest.mark.parametrize("role", ["serve", "gateway", "engine"])
def test_a_role_does_not_hold_what_other_commands_need(role: str) -> None:
    held = (
        f"import sys; sys.argv = ['headwater', '{role}']; import headwater.cli.main\n"
        "print([name for name in sys.modules if name in ('headwater.cli.imports', 'headwater.doctor', 'httpx')])"
    )
    assert subprocess.run([sys.executable, "-c", held], capture_output=True, text=True).stdout == "[]\n"
