"""`headwater cohorts` against a real server."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from harness import Workspace, until
from headwater.cli.main import app

DEFINITION = {"subject": "person", "where": {"performed": "ordered"}}
ADA, PHONE = "email:ada@x.example", "phone:+19494572000"


class Shell:
    """The command in a workspace."""

    def __init__(self, workspace: Workspace, directory: Path) -> None:
        self.client = workspace.client
        self.directory = directory
        self._environment = {"HEADWATER_URL": workspace.server.url, "HEADWATER_KEY": workspace.key, "COLUMNS": "240"}

    def __call__(self, *arguments: str, code: int = 0, stdin: str = "") -> str:
        """What `headwater cohorts …` said, on either stream; fails unless it ends with `code`."""
        done = CliRunner().invoke(app, ["cohorts", *arguments], input=stdin, env=self._environment)
        assert done.exit_code == code, done.output
        return done.output

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def file(self, value: Any) -> str:
        path = self.directory / "definition.json"
        path.write_text(json.dumps(value))
        return str(path)


@pytest.fixture
def cohorts(workspace: Workspace, tmp_path: Path) -> Shell:
    shell = Shell(workspace, tmp_path)
    body = {"definition": DEFINITION}
    until(lambda: shell.client.post("/v1/cohorts/preview", json=body).status_code == 200, 60, "cohorts are ready")
    return shell


def send(client: httpx.Client, *people: dict[str, str]) -> None:
    """An order of each."""
    events = [{"eventName": "ordered", "eventProperties": {"orderId": "1"}} | each for each in people]
    answer = client.post("/integrations/bikPlatformFunctions-events/sendEvents", json={"events": events})
    assert answer.status_code == 200, answer.text


def test_a_cohorts_life(cohorts: Shell, tmp_path: Path) -> None:
    file = cohorts.file(DEFINITION)
    assert cohorts("preview", file).startswith("0 as of 20")
    made = cohorts.json("create", file, "--name", "Regulars")
    assert (made["name"], made["size"], made["definition"]) == ("Regulars", 0, DEFINITION)
    send(cohorts.client, {"email": "ada@x.example", "phoneNumber": "+19494572000"})
    until(lambda: cohorts.json("show", "Regulars")["size"] == 1, 30, "Ada is in")
    assert "Regulars" in cohorts("list") and made["id"] in cohorts("list")
    for name in ("Regulars", made["id"]):
        said = cohorts("members", name)
        assert ADA in said and PHONE in said
    (member,) = cohorts.json("members", "Regulars", "--limit", "5")
    said = cohorts("explain", "Regulars", ADA)
    assert f"{ADA} is in since {member['since']}" in said and "performed 'ordered'" in said and "yes" in said
    assert cohorts.json("explain", "Regulars", PHONE)["explain"][0]["observed"] == 1
    assert "email:bob@x.example is not in" in cohorts("explain", "Regulars", "email:bob@x.example")
    assert "of 'person'" in cohorts("explain", "Regulars", "account:1")
    assert "entered" in cohorts("changes", "Regulars")
    (change,) = cohorts.json("changes", "Regulars", "--identity", PHONE)
    assert (change["change"], change["kind"]) == ("entered", "event")
    assert cohorts.json("changes", "Regulars", "--identity", "email:bob@x.example") == []
    assert cohorts.json("rename", "Regulars", "Loyal")["name"] == "Loyal"
    assert "no cohort 'Regulars'" in cohorts("show", "Regulars", code=1)
    cohorts("delete", "Loyal")
    assert cohorts.json("list") == []


def test_exports_go_to_a_file_or_to_standard_output(cohorts: Shell, tmp_path: Path) -> None:
    send(cohorts.client, {"email": "ada@x.example", "phoneNumber": "+19494572000"}, {"email": "=bob@x.example"})
    cohorts("create", cohorts.file({"name": "All", "definition": DEFINITION}))
    until(lambda: cohorts.json("show", "All")["size"] == 2, 30, "both are in")
    rows = list(csv.DictReader(io.StringIO(cohorts("export", "All"))))
    assert {(row["email"], row["phone"]) for row in rows} == {
        ("ada@x.example", "+19494572000"),
        ("'=bob@x.example", ""),
    }
    target = tmp_path / "all.ndjson"
    assert cohorts("export", "All", "--format", "ndjson", "--output", str(target)) == ""
    assert [json.loads(line) for line in target.read_text().splitlines()] == cohorts.json("members", "All")
    missing = tmp_path / "missing.csv"
    assert "404" in cohorts("export", "coh_00000000", "--output", str(missing), code=1) and not missing.exists()


def test_definitions_are_read_from_files_and_from_standard_input(cohorts: Shell, tmp_path: Path) -> None:
    assert json.loads(cohorts("preview", "-", "--json", stdin=json.dumps(DEFINITION)))["size"] == 0
    cohorts("create", "-", stdin=json.dumps({"name": "a", "definition": DEFINITION}))
    assert "'a'" in cohorts("create", "-", "--name", "a", stdin=json.dumps(DEFINITION), code=1)
    assert "--name" in cohorts("create", cohorts.file(DEFINITION), code=1)
    assert "cannot read" in cohorts("preview", "-", stdin="{", code=1)
    assert "cannot read" in cohorts("preview", str(tmp_path / "none.json"), code=1)
    assert "cannot read" in cohorts("preview", "-", stdin="[" * 100_000, code=1)


def test_a_wrong_definition_is_told_its_place_on_one_line(cohorts: Shell) -> None:
    where = {"all": [{"performed": "ordered", "within": "soon"}]}
    said = cohorts("create", cohorts.file({"subject": "person", "where": where}), "--name", "x", code=1)
    assert "400" in said and "definition.where.all[0].within" in said and said.count("\n") == 1
    assert "400" in cohorts("preview", cohorts.file([]), code=1)
