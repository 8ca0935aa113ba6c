"""The OpenAPI document is complete: names, descriptions, and examples that fit their schemas. And they are real: sent
to a server, each is answered with the status it is documented for."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema_rs
import msgspec
import pytest

from harness import Server, Workspace, until
from headwater.web.completion import calls, complete, examples_in, faults, name_of
from headwater.web.docs import page
from headwater.wiring import described

API = described.document()

WITHOUT_END = "watchEvents"
SIGNING_IN = ("createSession", "getSession", "deleteSession")
"""They take a browser's cookie or a link that works once: tests/web/test_session.py."""


def test_nothing_is_missing() -> None:
    assert not (missing := faults(API)), "\n".join(missing)


def test_each_operation_has_a_name_of_its_own() -> None:
    names = [call["operationId"] for *_, call in calls(API)]
    assert sorted(set(names)) == sorted(names), "give one a `name` in OPERATIONS of web/operations.py"
    assert all(name.isalnum() and name[0].islower() for name in names), names
    assert {"sendBikEvents", "sendEvents", "listSignals", "createCohort", "closeBackfill"} <= set(names)


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("get", "/v1/signals", "listSignals"),
        ("post", "/v1/signals/{slug}/versions", "createSignalVersion"),
        ("get", "/v1/batches/{id}", "getBatch"),
        ("post", "/v1/backfills/{id}/close", "closeBackfill"),
        ("get", "/v1/cohorts/{id}/members/{key}", "getCohortMember"),
        ("delete", "/v1/keys/{id}", "deleteKey"),
    ],
)
def test_names_read_well(method: str, path: str, name: str) -> None:
    assert name_of(method, path) == name


def placed() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Where, and what holds a schema and examples: parameters, headers, bodies, answers."""
    for method, path, call in calls(API):
        place = f"{method.upper()} {path}"
        for parameter in call.get("parameters", []):
            yield f"{place} {parameter['name']}", parameter, parameter["schema"]
        for content in call.get("requestBody", {}).get("content", {}).values():
            yield f"{place} body", content, content["schema"]
        for status, answer in call["responses"].items():
            for name, header in answer.get("headers", {}).items():
                yield f"{place} {status} {name}", header, header["schema"]
            for content in answer.get("content", {}).values():
                yield f"{place} {status}", content, content.get("schema", {})


def misfits(holder: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    fits = jsonschema_rs.validator_for({**schema, "components": API["components"]}, validate_formats=True)
    for example in examples_in(holder):
        for error in fits.iter_errors(example):
            yield f"at {error.instance_path}: {error.message}"


def test_every_example_fits_its_schema() -> None:
    found = [f"{place} {misfit}" for place, holder, schema in placed() for misfit in misfits(holder, schema)]
    assert not found, "\n".join(found)


def test_what_a_route_lacks_is_told() -> None:
    answers = {
        "200": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}
    }
    parameter = {"name": "hue", "in": "query", "schema": {"type": "string"}}
    api = {
        "paths": {"/v1/hues": {"get": {"tags": ["Hues"], "parameters": [parameter], "responses": answers}}},
        "components": {"schemas": {"A": {"type": "object", "properties": {"hue": {"type": "string"}}}}},
    }
    complete(api)
    told = "\n".join(faults(api))
    for wanted in (
        "no summary",
        "no description",
        "hue has no example",
        "hue has no description",
        "A.hue has no example",
    ):
        assert wanted in told
    assert "operationId" not in told and "tags" not in told


def test_a_key_is_asked_for_everywhere_but_where_none_is_needed() -> None:
    schemes = API["components"]["securitySchemes"]
    assert set(schemes) == {"bearer", "basic"} and all(scheme["description"] for scheme in schemes.values())
    assert API["security"] == [{"bearer": []}, {"basic": []}]
    open_ = {path for _, path, call in calls(API) if call.get("security") == []}
    assert open_ == {"/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/v1/session"}


def test_whoever_is_told_to_come_back_is_told_when() -> None:
    for _, path, call in calls(API):
        for status in {"429", "503"} & set(call["responses"]):
            assert "Retry-After" in call["responses"][status]["headers"], (path, status)


def test_the_page_shows_the_examples() -> None:
    shown = page(API)
    for text in ("test-order-id1234", "001ABC000000123", "X-RateLimit-Remaining", "prf_5Qp0cXQkQ2x0YhV7mB1nZt"):
        assert text in shown
    assert "<script" not in shown and "X-Request-Id" in shown


# --- sent to a server ----------------------------------------------------------------------------------------------


class Scene:
    """A workspace where what the examples name is there, and the ids that stand in for the documented ones."""

    def __init__(self, workspace: Workspace) -> None:
        self._client = workspace.client
        self._signals()
        self.ids = self._made()
        self._settled()

    def _post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        answer = self._client.post(path, json=body, **options)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer

    def _signals(self) -> None:
        for body in (
            {"name": "Visited documentation page", "type": "event"},
            {
                "name": "API calls again",
                "slug": "api-calls",
                "type": "metric",
                "aggregation": "sum",
                "period": "day",
                "value": "n",
            },
            {"name": "Health score", "type": "state", "value": "score"},
        ):
            self._post("/v1/signals", body)
        schema = {"type": "object"}
        for slug in ("visited-documentation-page", "addToCart"):
            self._post(f"/v1/signals/{slug}/versions", {"schema": schema})

        # What libraries of others name is not there, and need not be.
        answer = self._client.patch("/v1/workspace", json={"unknown_signals": "draft"})
        assert answer.status_code == 200, answer.text

    def _made(self) -> dict[str, str]:
        about = {"identity": {"type": "email", "id": "ada@example.com"}}
        events = [
            {"signal": "visited-documentation-page", "reference": "evt-001", **about},
            {"signal": "api-calls", "data": {"n": 3}, **about},
            {"signal": "health-score", "data": {"score": "at-risk"}, **about},
        ]
        both = {
            "email": "ada@example.com",
            "phoneNumber": "+19494572000",
            "eventName": "pageViewed",
            "eventProperties": {},
        }
        self._post("/integrations/bikPlatformFunctions-events/sendEvents", {"events": [both]})
        self._post("/v1/track", {"userId": "97980cfea0067", "event": "Wish Granted"})
        hook = self._post("/v1/webhooks", {"url": "https://hooks.invalid/", "events": ["cohort.left"]}).json()["id"]
        sent = self._post("/v1/events/batch", {"events": events})
        definition = {"subject": "person", "where": {"performed": "visited-documentation-page"}}
        return {
            "batches/id": sent.headers["headwater-batch"],
            "events/id": sent.json()["data"][0]["id"],
            "cohorts/id": self._post("/v1/cohorts", {"name": "Readers", "definition": definition}).json()["id"],
            "webhooks/id": hook,
            "deliveries/message": self._post(f"/v1/webhooks/{hook}/test").json()["id"],
            "keys/id": self._post("/v1/keys", {"name": "another"}).json()["id"],
            "backfills/id": self._post("/v1/backfills", {"name": "old"}).json()["id"],
        }

    def _settled(self) -> None:
        def is_settled() -> bool:
            lanes = self._client.get("/v1/pipelines").json().get("data", [{"events": 1}])
            return not any(lane["events"] for lane in lanes)

        until(is_settled)
        until(lambda: self._client.get("/v1/profiles/email:ada@example.com").status_code == 200)

    def path_of(self, path: str, call: dict[str, Any]) -> str:
        """With what stands in for each parameter; the ones of queries are left to `query_of`."""
        steps = path.split("/")
        slug = {"metrics": "api-calls", "state": "health-score", "approve": "wish-granted"}.get(
            next(iter(steps[4:]), ""), "visited-documentation-page"
        )
        for parameter in call.get("parameters", []):
            if parameter["in"] == "path":
                at = steps.index(f"{{{parameter['name']}}}")
                stands = self.ids.get(f"{steps[at - 1]}/{parameter['name']}", parameter["example"])
                steps[at] = quote(str(slug if parameter["name"] == "slug" else stands), safe="")
        return "/".join(steps)


def query_of(call: dict[str, Any]) -> dict[str, Any]:
    """All that may be asked, but for cursors and what belongs to something made elsewhere."""
    others = ("cursor", "backfill", "reason")
    own = [each for each in call.get("parameters", []) if each["in"] == "query" and each["name"] not in others]
    return {each["name"]: each["example"] for each in own}


def headers_of(call: dict[str, Any]) -> dict[str, str]:
    """Those that must be there."""
    found = [each for each in call.get("parameters", []) if each["in"] == "header" and each.get("required")]
    return {each["name"]: str(each["example"]) for each in found}


def bodies_of(call: dict[str, Any]) -> list[tuple[str, Any]]:
    """Each with its media type; none of no type where there is no body."""
    content = call.get("requestBody", {}).get("content", {})
    return [(media, body) for media, told in content.items() for body in examples_in(told)] or [("", None)]


def in_order() -> list[tuple[str, str, dict[str, Any]]]:
    """What takes things away comes last."""
    found = [each for each in calls(API) if each[2]["operationId"] not in (WITHOUT_END, *SIGNING_IN)]
    return sorted(found, key=lambda each: each[2]["operationId"].startswith("delete"))


HINT = "What the examples name is made in Scene._made, by `collection/parameter`; what cannot be there is in OWN_STATE."

OWN_STATE: dict[str, set[int]] = {
    "releaseBackfill": {409},  # only a held one can be
    "revertBackfill": {202, 409},
    "getErasure": {404},  # the one that the example names is of another world
    "createSignal": {201, 409},  # asked with each example, which may name one that is there
}
"""Where the scene is not what the example asks for: the documented statuses it may get instead."""


def test_every_operation_answers_its_own_examples(server: Server, workspace: Workspace) -> None:
    """Each with what it documents as parameters and bodies: all of the operations, in one workspace."""
    scene, wrong = Scene(workspace), []
    with server.client() as operator:
        for method, path, call in in_order():
            client = operator if path == "/v1/workspaces" else workspace.client
            for media, body in bodies_of(call):
                headers = headers_of(call) | ({"content-type": media} if media else {})
                content = msgspec.json.encode(body) if media else None
                answer = client.request(
                    method, scene.path_of(path, call), params=query_of(call), content=content, headers=headers
                )
                good = {int(status) for status in call["responses"] if status.startswith("2")}
                if answer.status_code not in OWN_STATE.get(call["operationId"], good):
                    wrong.append(f"{method.upper()} {path} {body}: {answer.status_code} {answer.text[:300]}")
    assert not wrong, "\n".join([*wrong, HINT])
