"""What is in deploy/ can be read, and names only what there is: settings, metrics, pages."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from harness import Server
from headwater.catalog.credentials import read_credentials
from headwater.cli.options import _OPTIONS
from headwater.rules.ids import key_is_wellformed

ROOT = Path(__file__).parents[1]
DEPLOY, DOCS = ROOT / "deploy", ROOT / "docs"
FILES = sorted([*DEPLOY.rglob("*.yaml"), *(ROOT / ".github").rglob("*.yml")])
SETTINGS = {each.annotation.__metadata__[0].envvar for each in _OPTIONS.values()}
ELSEWHERE = {
    "HEADWATER_DASHBOARD",
    "HEADWATER_LOG_FORMAT",
    "HEADWATER_LOG_LEVEL",
    "HEADWATER_START_WAIT",
    "HEADWATER_SECRETS",
    "HEADWATER_PYTHON",
}
"""Not of every role, or of the files themselves."""
TESTS = {"HEADWATER_TEST_CLICKHOUSE_URL", "HEADWATER_TEST_COMPLETE"}


def documents(path: Path) -> list[Any]:
    return [each for each in yaml.safe_load_all(path.read_text()) if each is not None]


def manifests() -> list[dict[str, Any]]:
    return [each for path in (DEPLOY / "kubernetes").glob("*.yaml") for each in documents(path)]


def pods() -> Iterator[dict[str, Any]]:
    for each in manifests():
        if each["kind"] == "Deployment":
            yield each["spec"]["template"]["spec"]


def alerts() -> list[dict[str, Any]]:
    return [rule for group in documents(DEPLOY / "alerts.yaml")[0]["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_can_be_read(path: Path) -> None:
    assert documents(path)


def test_only_settings_that_exist_are_named() -> None:
    places = [*DEPLOY.rglob("*"), ROOT / "Dockerfile", *FILES, *(DOCS / "runbooks").glob("*.md")]
    pages = [DOCS / "cluster.md", DOCS / "scale.md"]
    for path in [*places, *pages]:
        if path.is_file():
            named = set(re.findall(r"\bHEADWATER_[A-Z_]+[A-Z]\b", path.read_text()))
            assert named <= SETTINGS | ELSEWHERE | TESTS, path


def test_every_setting_past_one_machine_is_documented() -> None:
    text = (DOCS / "cluster.md").read_text()
    wanted = {
        name
        for name in SETTINGS
        if re.search(r"(LOG|STORE|DATABASE|QUOTAS)_URL$|_LOG_[PRM]|ENGINE|STORE|WHEN_AWAY", name)
    }
    assert wanted and [name for name in sorted(wanted) if name not in text] == []


def test_only_metrics_that_exist_are_asked_for(server: Server) -> None:
    text = httpx.get(f"{server.url}/metrics", trust_env=False).text
    there = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    there |= {f"{name}_bucket" for name in re.findall(r"^# TYPE (\w+) histogram", text, re.MULTILINE)}
    dashboard = DEPLOY / "grafana" / "dashboards" / "headwater.json"
    for path in [
        dashboard,
        DEPLOY / "alerts.yaml",
        DOCS / "cluster.md",
        DOCS / "scale.md",
        *(DOCS / "runbooks").glob("*.md"),
    ]:
        asked = set(re.findall(r"\bheadwater_(?!t\b)[a-z_]+\b", path.read_text()))
        assert asked <= there, path


def test_the_dashboards_panels_ask_a_data_source_that_can_be_chosen() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "headwater.json").read_text())
    assert dashboard["uid"] == "headwater" and dashboard["templating"]["list"][0]["type"] == "datasource"
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert all("headwater_" in each and 'job=~"$job"' in each for each in expressions)
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in panels)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    named: dict[str, list[str]] = {}
    for alert in alerts():
        named.setdefault(alert["annotations"]["runbook"], []).append(alert["alert"])
    for page, its_alerts in named.items():
        text = (ROOT / page).read_text()
        assert [alert for alert in its_alerts if alert not in text] == []
    there = {f"docs/runbooks/{path.name}" for path in (DOCS / "runbooks").glob("*.md")} - {"docs/runbooks/README.md"}
    assert set(named) == there
    index = (DOCS / "runbooks" / "README.md").read_text()
    assert [page for page in named if Path(page).name not in index] == []


def test_every_link_of_the_pages_leads_somewhere() -> None:
    pages = [DOCS / "cluster.md", DOCS / "scale.md", *(DOCS / "runbooks").glob("*.md")]
    pages += [path for number in range(15, 20) for path in (DOCS / "decisions").glob(f"{number:04}-*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_no_pod_is_given_variables_that_are_settings() -> None:
    """A Service `headwater` would have Kubernetes set HEADWATER_PORT in each."""
    assert [pod["enableServiceLinks"] for pod in pods()] == [False, False]
    assert {pod["containers"][0]["args"][0] for pod in pods()} == {"gateway", "engine"}


def test_what_selects_fits_what_is_selected() -> None:
    labels = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"]
        for each in manifests()
        if each["kind"] == "Deployment"
    }
    ports = {port["name"] for pod in pods() for port in pod["containers"][0]["ports"]}
    for each in manifests():
        spec = each.get("spec", {})
        if each["kind"] == "Service":
            assert spec["selector"] == labels["gateway"] and {port["targetPort"] for port in spec["ports"]} <= ports
        if each["kind"] == "PodDisruptionBudget":
            assert spec["selector"]["matchLabels"] == labels[each["metadata"]["name"]]


@pytest.fixture
def container(tmp_path: Path) -> dict[str, str]:
    """The environment of a container whose `headwater` prints what it is called with."""
    (tmp_path / "data").mkdir()
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "headwater"
    fake.write_text('#!/bin/sh\necho "$@" "${HEADWATER_ENGINE_HOST:-}"\n')
    fake.chmod(0o755)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}
    own = {"HEADWATER_DATA_DIR": str(tmp_path / "data"), "HEADWATER_SECRETS": str(tmp_path / "secrets")}
    return plain | own | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}


def entered(environment: dict[str, str], *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([DEPLOY / "entrypoint", *command], env=environment, capture_output=True, text=True)


def test_secrets_are_made_once_and_come_to_every_container(container: dict[str, str], tmp_path: Path) -> None:
    make = [DEPLOY / "make-secrets", tmp_path / "secrets", "https://events.example.com"]
    own = {**os.environ, "HEADWATER_PYTHON": sys.executable}
    assert subprocess.run(make, env=own, capture_output=True).returncode == 0
    assert subprocess.run(make, env=own, capture_output=True).returncode != 0
    container["HEADWATER_DATABASE_URL"] = "postgresql://example"
    assert entered(container, "gateway", "--host", "0.0.0.0").stdout.split() == ["gateway", "--host", "0.0.0.0"]
    secret, first = tmp_path / "data" / "key-secret", tmp_path / "data" / "credentials.json"
    assert len(secret.read_bytes()) == 32 and stat.S_IMODE(secret.stat().st_mode) == 0o600
    made = read_credentials(first)
    assert made and key_is_wellformed(made.api_key) and made.url == "https://events.example.com"
    first.write_text("{}")
    entered(container, "gateway")
    assert first.read_text() == "{}"


def test_no_role_of_a_cluster_makes_a_secret_of_its_own(container: dict[str, str]) -> None:
    assert entered(container, "serve").stdout == "serve \n"
    container["HEADWATER_DATABASE_URL"] = "postgresql://example"
    ended = entered(container, "engine")
    assert ended.returncode == 78 and "make-secrets" in ended.stderr


def test_an_engine_is_found_by_its_containers_address(container: dict[str, str]) -> None:
    named = entered(container | {"HEADWATER_ENGINE_HOST": "10.0.0.7"}, "engine").stdout.split()
    assert named == ["engine", "10.0.0.7"]
    assert re.fullmatch(r"engine [\d.:a-f]+\n", entered(container, "engine").stdout)
