"""The OpenAPI document against the server: every route, asked with what the document allows and what it does not.

No answer is a 5xx or takes long; its status, type, headers and body are as the document says.
"""

from collections import Counter
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from requests import RequestException
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup

from figures import Section, tell
from harness import Server, running
from headwater.web.openapi import INGEST_TAGS
from tools import often

load_all_checks()
CHECKED = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "missing_required_header",
        "ignored_auth",
    ]
)
SEED = 20_261_122
SECONDS = 20
"""In which every answer must have come, on a machine that has other things to do, too."""


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: what is sent here makes and ends keys, signals and workspaces."""
    with running(Server(tmp_path_factory.mktemp("described") / "data")) as server:
        yield server


def ask_all(server: Server, examples: int) -> None:
    """Each route so often with what the document allows, and as often with what it does not; fails with all faults."""
    api = schemathesis.openapi.from_url(f"{server.url}/openapi.json").exclude(path="/v1/live")  # it has no end
    routes = [found.ok() for found in api.get_all_operations()]
    faults: dict[str, str] = {}
    statuses: Counter[int] = Counter()
    for route in routes:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if fault := _ask(server, route, mode, examples, statuses):
                faults[f"{route.label}, {mode.value}"] = fault
    answers = ", ".join(f"{count:,} times {status}" for status, count in sorted(statuses.items()))
    failed = sum(count for status, count in statuses.items() if status >= 500)
    told = {"operations": len(routes), "requests": statuses.total(), "answers": answers, "5xx": failed}
    tell(Section.CLIENTS, "schemathesis on the whole OpenAPI, with an admin's key", SEED, **told)
    assert len(routes) > 20
    own = [route.definition.raw for route in routes if route.definition.raw["tags"][0] not in INGEST_TAGS]
    assert not any("422" in route["responses"] for route in own), "422 is for another request under an old key"
    assert not faults, "\n\n".join(f"{name}\n{fault}" for name, fault in faults.items())


def _ask(
    server: Server, route: schemathesis.APIOperation, mode: GenerationMode, examples: int, statuses: Counter[int]
) -> str:
    """What is wrong with one route's answers; empty when nothing is."""
    headers = {"Authorization": f"Bearer {server.key}"}

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @seed(SEED)
    @given(case=route.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(headers=headers, checks=CHECKED, timeout=SECONDS)
        statuses[answer.status_code] += 1

    try:
        check()
    except (FailureGroup, Unsatisfiable, RequestException) as error:
        # A route without parameters and body has nothing that could be wrong.
        return "" if isinstance(error, Unsatisfiable) else _told(error)
    return ""


def _told(error: BaseException) -> str:
    inner = getattr(error, "exceptions", [error])
    return "\n".join(f"{type(each).__name__}: {each}" for each in inner)[:2000]


def test_every_route(described: Server) -> None:
    ask_all(described, examples=6)


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_every_route_at_length(described: Server) -> None:
    ask_all(described, examples=often(40))
