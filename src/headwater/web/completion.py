"""The last hand on the OpenAPI document: what every operation has, however its route was written.

A name that reads well, an example of each parameter, body and answer, and the headers that every answer of a status
has. Nothing that a route says itself is changed. What is still missing afterwards `faults` tells.
"""

from collections.abc import Iterator, Set
from copy import deepcopy
from typing import Any

from headwater.web.examples import PARAMETERS, Examples, problem_of
from headwater.web.operations import OPERATIONS
from headwater.web.problems import MEDIA_TYPE

Document = dict[str, Any]
Call = dict[str, Any]

_VERBS = {"get": "get", "post": "create", "patch": "update", "put": "replace", "delete": "delete"}

_HEADERS: dict[str, dict[str, tuple[str, dict[str, Any], Any]]] = {
    "401": {"WWW-Authenticate": ("How to say who asks.", {"type": "string"}, 'Bearer realm="headwater"')},
    "429": {"Retry-After": ("Seconds after which to come back.", {"type": "integer", "minimum": 1}, 42)},
    "503": {"Retry-After": ("Seconds after which to come back.", {"type": "integer", "minimum": 1}, 1)},
}
"""By status: what is told, its schema, an example."""


_UNSAID = "Successful Response"
"""FastAPI's words for a route that has none."""
_DONE = {"201": "It is made", "202": "It is taken on, and done soon", "204": "It is done; there is nothing to say"}

_JSON: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}


def examples_in(content: dict[str, Any]) -> list[Any]:
    """The examples of one body or answer, or of a parameter."""
    alone = [content["example"]] if "example" in content else []
    return alone + [each["value"] for each in content.get("examples", {}).values()]


def calls(api: Document) -> Iterator[tuple[str, str, Call]]:
    """Method, path and operation of each."""
    for path, item in api["paths"].items():
        for method, call in item.items():
            yield method, path, call


def complete(api: Document, sending: Set[str] = frozenset()) -> None:
    """Changes the document in place. `sending`: the tags of what takes events, which are sent and not created."""
    examples = Examples(api["components"]["schemas"])
    for method, path, call in calls(api):
        own = OPERATIONS.get(f"{method.upper()} {path}", {})
        sends = not sending.isdisjoint(call["tags"])
        call["operationId"] = own.get("name") or (f"send{_joined(path)}" if sends else name_of(method, path))
        _own(call, own)
        for parameter in call.get("parameters", []):
            _parameter(path, parameter)
        _bodies(examples, f"{method} {path}", call)


def _bodies(examples: Examples, place: str, call: Call) -> None:
    for content in call.get("requestBody", {}).get("content", {}).values():
        _content(examples, content, f"{place} body")
    for status, answer in call["responses"].items():
        if answer.get("description") == _UNSAID:
            answer["description"] = _DONE.get(status, "It is answered")
        _answer(examples, status, answer, f"{place} {status}")


def name_of(method: str, path: str) -> str:
    """`listSignals`, `createSignal`, `getSignal`, `closeBackfill`, `listCohortMembers`, `getLivez`."""
    steps = path.removeprefix("/v1").strip("/").split("/")
    words = [
        _one(step) if n + 1 < len(steps) and steps[n + 1].startswith("{") else step
        for n, step in enumerate(steps)
        if not step.startswith("{")
    ]
    last, named = words[-1], steps[-1].startswith("{")
    many = last.endswith("s") and not named
    if method == "get":
        verb = "list" if many and path.startswith("/v1/") else "get"
    elif method == "post" and len(words) > 1 and not many:
        verb = words.pop()
    else:
        verb = _VERBS[method]
        words[-1] = _one(last) if method == "post" else last
    return verb + _joined("/".join(words))


def _joined(path: str) -> str:
    """`/v1/openapi.json` as `OpenapiJson`."""
    words = path.removeprefix("/v1/").replace(".", "/").replace("-", "/").split("/")
    return "".join(word[:1].upper() + word[1:] for word in words)


def _one(word: str) -> str:
    """`signals` as `signal`, `batches` as `batch`, `deliveries` as `delivery`."""
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith("ches") else word.removesuffix("s")


def _own(call: Call, own: dict[str, Any]) -> None:
    """What `OPERATIONS` says of one."""
    call.setdefault("description", own.get("description", ""))
    for content in call.get("requestBody", {}).get("content", {}).values():
        if "bodies" in own:
            content["examples"] = _named(own["bodies"])
    for status, values in own.get("answers", {}).items():
        for content in call["responses"][status].setdefault("content", deepcopy(_JSON)).values():
            content.pop("example", None)
            content["examples"] = _named(values)
    for status, headers in own.get("headers", {}).items():
        told = call["responses"][status].setdefault("headers", {})
        for name, (text, example) in headers.items():
            kind = "integer" if isinstance(example, int) else "string"
            told[name] = {"description": text, "schema": {"type": kind}, "example": example}


def _named(values: dict[str, Any]) -> dict[str, Any]:
    return {name: {"value": value} for name, value in values.items()}


def _parameter(path: str, parameter: dict[str, Any]) -> None:
    name = parameter["name"]
    steps = path.split("/")
    before = steps[steps.index(f"{{{name}}}") - 1] if parameter["in"] == "path" and f"{{{name}}}" in steps else ""
    example, text = PARAMETERS.get(f"{before}/{name}") or PARAMETERS.get(name) or (None, "")
    parameter.setdefault("description", text)
    if "example" in parameter or "examples" in parameter:
        return
    schema = parameter.get("schema", {})
    own = schema.get("examples") or schema.get("enum") or [None]
    found = next((each for each in (own[0], example, schema.get("default")) if each is not None), None)
    found = _chosen(schema) if found is None else found
    if found is not None:
        parameter["example"] = found


def _chosen(schema: dict[str, Any]) -> Any:
    """The first of an enum inside a choice; a parameter that may be absent is one."""
    for each in schema.get("anyOf", []):
        if each.get("enum") or "const" in each:
            return each["enum"][0] if each.get("enum") else each["const"]
    return None


def _answer(examples: Examples, status: str, answer: dict[str, Any], place: str) -> None:
    for name, (text, schema, example) in _HEADERS.get(status, {}).items():
        headers = answer.setdefault("headers", {})
        headers.setdefault(name, {"description": text, "schema": schema, "example": example})
    for media, content in answer.get("content", {}).items():
        if media == MEDIA_TYPE and "example" not in content:
            content["example"] = problem_of(status)
        _content(examples, content, place)


def _content(examples: Examples, content: dict[str, Any], place: str) -> None:
    if "example" in content or "examples" in content:
        return
    if given := examples.all_of(content.get("schema", {})):
        content["examples"] = _named({f"example {n}": value for n, value in enumerate(given, 1)})
        return
    before = len(examples.missing)
    made = examples.of(content.get("schema", {}), place)
    if len(examples.missing) == before:
        content["example"] = made


def faults(api: Document) -> list[str]:
    """What the document still lacks, each as a sentence that says where to put it. Examples that do not fit their
    schema are not looked for here."""
    found = (fault for method, path, call in calls(api) for fault in _faults(api, f"{method.upper()} {path}", call))
    return list(dict.fromkeys(found))


def _faults(api: Document, place: str, call: Call) -> Iterator[str]:
    for field, where in (
        ("summary", "summary=… of the route"),
        ("description", "the docstring of the route's function, or in OPERATIONS of web/operations.py"),
        ("tags", "APIRouter(tags=[…])"),
        ("operationId", "the route itself"),
    ):
        if not call.get(field):
            yield f"{place}: no {field}; write it in {where}"
    for parameter in call.get("parameters", []):
        name = parameter["name"]
        if not parameter.get("description"):
            yield f"{place}: parameter {name} has no description; Query(description=…) or PARAMETERS in web/examples.py"
        if "example" not in parameter and "examples" not in parameter:
            yield f"{place}: parameter {name} has no example; add it to PARAMETERS in web/examples.py"
    for content in call.get("requestBody", {}).get("content", {}).values():
        yield from _without(api, f"{place} body", content)
    for status, answer in call["responses"].items():
        if not answer.get("description"):
            yield f"{place} {status}: no description"
        for name, header in answer.get("headers", {}).items():
            if not header.get("description") or "example" not in header:
                yield f"{place} {status}: header {name} has no description or no example"
        for content in answer.get("content", {}).values():
            yield from _without(api, f"{place} {status}", content)


def _without(api: Document, place: str, content: dict[str, Any]) -> Iterator[str]:
    if "example" in content or "examples" in content:
        return
    examples = Examples(api["components"]["schemas"])
    examples.of(content.get("schema", {}), place)
    for field in examples.missing:
        yield f"{field} has no example: Field(examples=[…]), `example` in its schema, or _FIELDS in web/examples.py"
