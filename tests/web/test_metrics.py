"""What /metrics tells keeps to Prometheus' conventions, and docs/observability.md lists all of it."""

import re
from pathlib import Path

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from harness import Server, Workspace

PAGE = Path(__file__).parents[2] / "docs" / "observability.md"
LABELS = {"dialect", "status", "lane", "outcome", "reason", "destination", "le", "state"}
"""Words from closed lists, or that an operator or workspace has set up; never an id of an event, person or request."""
UNITS = ("_seconds", "_bytes", "_ratio")
NOT_BASE = ("_ms", "_milliseconds", "_minutes", "_hours", "_kb", "_mb", "_kilobytes", "_megabytes", "_percent")


@pytest.fixture(scope="module")
def text(server: Server) -> str:
    answer = httpx.get(f"{server.url}/metrics", trust_env=False)
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.text


@pytest.fixture(scope="module")
def families(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def test_names_and_texts_are_by_convention(families: list[Metric], text: str) -> None:
    assert len(families) > 30
    for family in families:
        assert re.fullmatch(r"headwater_[a-z][a-z_]*[a-z]", family.name), family
        assert family.documentation.endswith((".", "given up.", "last time.")) and len(family.documentation) > 10
        assert not family.name.endswith(NOT_BASE) and "__" not in family.name
        assert family.type in ("counter", "gauge", "histogram"), family
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket", "_info")), family
        for sample in family.samples:
            if family.type == "counter":
                assert sample.name == f"{family.name}_total" and sample.value >= 0
    types = re.findall(r"^# TYPE (\S+) (\w+)$", text, re.MULTILINE)
    assert len(types) == len({name for name, _ in types}) == len(re.findall(r"^# HELP ", text, re.MULTILINE))


def test_what_is_a_time_or_a_size_says_so(families: list[Metric]) -> None:
    for family in families:
        if re.search(r"\b(second|milliseconds|how long|bytes|memory)\b", family.documentation.lower()):
            assert family.name.endswith((*UNITS, "_commits")), family


def test_labels_have_few_values(families: list[Metric], workspace: Workspace) -> None:
    for family in families:
        for sample in family.samples:
            assert set(sample.labels) <= LABELS, sample
            assert workspace.id not in sample.labels.values()
        assert len(family.samples) < 200, family.name


def test_what_is_sent_wrongly_makes_no_new_series(server: Server, workspace: Workspace) -> None:
    def series() -> set[str]:
        found = httpx.get(f"{server.url}/metrics", trust_env=False).text
        return {line.rpartition(" ")[0] for line in found.splitlines() if not line.startswith("#")}

    workspace.client.post("/v1/events/batch", json={"events": []})
    before = series()
    for number in range(20):
        workspace.client.post("/v1/events/batch", json={"events": [{"signal": f"none-{number}"}]})
        workspace.client.get(f"/v1/none-{number}")
    assert len(series() - before) <= 3


def test_latency_is_a_histogram_by_dialect(server: Server, workspace: Workspace) -> None:
    event = {"email": "a@x.y", "name": "N", "phoneNumber": "", "eventName": "pageViewed", "eventProperties": {}}
    sent = workspace.client.post("/integrations/bikPlatformFunctions-events/sendEvents", json={"events": [event]})
    assert sent.status_code == 200
    text = httpx.get(f"{server.url}/metrics", trust_env=False).text
    [family] = [each for each in text_string_to_metric_families(text) if each.name.endswith("ingest_duration_seconds")]
    buckets = [each for each in family.samples if each.name.endswith("_bucket") and each.labels["dialect"] == "bik"]
    assert [each.value for each in buckets] == sorted(each.value for each in buckets)
    assert buckets[-1].labels["le"] == "+Inf" and buckets[-1].value >= 1


def test_the_page_lists_every_metric_and_no_other(families: list[Metric]) -> None:
    there = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    rows = re.findall(r"^\| `(headwater_\w+)` \| (\w+) \|", PAGE.read_text(), re.MULTILINE)
    assert {name for name, _ in rows} == there
    types = {family.name + ("_total" if family.type == "counter" else ""): family.type for family in families}
    assert dict(rows) == types
