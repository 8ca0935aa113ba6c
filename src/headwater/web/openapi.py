"""The OpenAPI 3.1 document: what FastAPI knows of its routes, and the ingest routes, which are raw ASGI, by hand."""

from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from headwater import __version__
from headwater.dialects import DIALECTS
from headwater.dialects.base import Dialect
from headwater.web.completion import complete
from headwater.web.models import Problem
from headwater.web.openapi_doors import CLOUDEVENTS_CONTENT, SCHEMAS, SEGMENT_BODIES
from headwater.web.problems import MEDIA_TYPE

OPERATING = "Operating"
"""The tag of the routes that need no key."""

_DIALECTS = {
    "bik": ("BIK Send Events", "BikError"),
    "bigmind": ("Bigmind Signals", "BigmindError"),
    "segment": ("Segment", "SegmentError"),
    "cloudevents": ("CloudEvents", "Problem"),
}
"""Each dialect's tag, and its errors' schema."""

_ONE, _MANY = "Send one event", "Send up to 100 events"

INGEST_TAGS = tuple(tag for tag, _ in _DIALECTS.values())

_TEXT = {"type": "string"}

_BIK_EVENT = {
    "type": "object",
    "required": ["eventName", "eventProperties"],
    "description": "Either `email` or `phoneNumber` must be there and not empty.",
    "properties": {
        "name": _TEXT | {"description": "Customer name"},
        "phoneNumber": _TEXT | {"description": "Customer phone number, E.164"},
        "email": _TEXT | {"description": "Customer email address"},
        "eventName": _TEXT | {"description": "A signal's slug"},
        "eventProperties": {"type": "object", "additionalProperties": True},
        "createdAt": _TEXT | {"description": "ISO 8601; defaults to ingestion time. Without a zone it is UTC."},
        "isMigration": {"type": "boolean", "default": False, "description": "Routes to the migration lane."},
    },
    "example": {
        "name": "Name",
        "email": "test@bik.ai",
        "phoneNumber": "+19494572000",
        "eventName": "catalogViewed",
        "eventProperties": {"catalogId": "1234", "catalogName": "Test catalog 1"},
    },
}

_BIGMIND_EVENT = {
    "type": "object",
    "required": ["signal", "identity"],
    "properties": {
        "signal": _TEXT | {"description": "The signal slug"},
        "version": {
            "oneOf": [{"type": "integer", "minimum": 1}, {"const": "latest"}],
            "default": "latest",
            "description": "Schema version to use",
        },
        "identity": {
            "type": "object",
            "required": ["type", "id"],
            "properties": {
                "type": _TEXT | {"description": "account, contact, deal, lead, or a custom type"},
                "id": _TEXT | {"description": "The object's ID in your CRM"},
            },
        },
        "data": {"type": "object", "additionalProperties": True},
        "timestamp": _TEXT | {"description": "ISO 8601; defaults to the current time. Without a zone it is UTC."},
        "reference": _TEXT | {"description": "Echoed back in the response"},
    },
    "example": {
        "signal": "visited-documentation-page",
        "identity": {"type": "account", "id": "001ABC000000123"},
        "data": {"page": "/docs/quickstart"},
        "reference": "evt-001",
    },
}

_PENDING = {
    "type": "object",
    "required": ["id", "signal_id", "schema_version", "status"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "signal_id": _TEXT,
        "schema_version": {"type": ["integer", "null"]},
        "status": {"const": "pending"},
        "reference": _TEXT,
        "duplicate": {"const": True, "description": "Its reference was taken before: this is the first one's answer."},
    },
}

_VERDICT = {
    "type": "object",
    "required": ["index", "code", "path", "message", "hint"],
    "description": "With `Prefer: handling=lenient`: why an event was not taken.",
    "properties": {
        "index": {"type": "integer", "description": "Its place in the batch."},
        "reference": _TEXT,
        "code": _TEXT,
        "path": _TEXT,
        "message": _TEXT,
        "hint": _TEXT | {"description": "What to do about it."},
    },
    "example": {
        "index": 1,
        "reference": "evt-002",
        "code": "required",
        "path": "events[1].identity",
        "message": "events[1].identity is required",
        "hint": "Send the field, and not null.",
    },
}
_VERDICTS = {"type": "array", "items": {"$ref": "#/components/schemas/Verdict"}}

_HEADERS = {
    "Idempotency-Key": (
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        "Whatever names this request: sent again with it, the same request is taken once, and told what it was told "
        "the first time. Kept for a day, or as long as its backfill is open.",
    ),
    "Headwater-Backfill": (
        {"type": "string", "pattern": "^bf_[0-9A-Za-z]{8}$"},
        "The backfill that all events of the request join. They take the migration lane, whatever their dates.",
    ),
    "Prefer": (
        {"type": "string", "examples": ["handling=lenient"]},
        "`handling=lenient`: what is valid is taken, and each other event told under `errors`.",
    ),
}
_PARAMETERS = [
    {"name": name, "in": "header", "required": False, "schema": schema, "description": text}
    for name, (schema, text) in _HEADERS.items()
]

_SCHEMAS = {
    "Problem": Problem.model_json_schema(),
    "Verdict": _VERDICT,
    "BikEvent": _BIK_EVENT,
    "BikAccepted": {
        "type": "object",
        "required": ["status", "success"],
        "properties": {"status": {"const": 200}, "success": {"const": True}, "errors": _VERDICTS},
    },
    "BikError": {
        "type": "object",
        "required": ["status", "errors"],
        "properties": {
            "status": {"type": "integer"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["message"],
                    "properties": {
                        "message": _TEXT,
                        "index": {"type": "integer"},
                        "path": _TEXT,
                        "code": _TEXT,
                        "hint": _TEXT,
                    },
                },
            },
        },
        "example": {
            "status": 400,
            "errors": [
                {
                    "message": "'eventProperties.variantId' is required",
                    "index": 0,
                    "path": "events[0].eventProperties.variantId",
                }
            ],
        },
    },
    "BigmindEvent": _BIGMIND_EVENT,
    "BigmindPending": _PENDING,
    "BigmindLimited": {"type": "object", "properties": {"signal_id": _TEXT, "reference": _TEXT}},
    "BigmindError": {
        "type": "object",
        "required": ["success", "error"],
        "properties": {"success": {"const": False}, "error": _TEXT, "errors": _VERDICTS},
        "example": {"success": False, "error": "events array is required and must not be empty"},
    },
}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _batch(event: str) -> dict[str, Any]:
    events = {"type": "array", "minItems": 1, "maxItems": 100, "items": _ref(event)}
    return {"type": "object", "required": ["events"], "properties": {"events": events}}


_SAID = {
    409: "Headwater-Backfill: the backfill 'bf_7Hq2Lw0R' is closed",
    410: "Events of the request that had this Idempotency-Key were erased; nothing was stored now",
    422: "This Idempotency-Key was used for another request; what differs is events[0]",
}
"""What is said to senders of every dialect that has no words of its own."""


def _error(dialect: Dialect, schema: str, status: int) -> dict[str, Any]:
    """An error's content, with the words the dialect has for it; that of 400 is the schema's own example."""
    content: dict[str, Any] = {"schema": _ref(schema)}
    if status != 400:
        content["example"] = msgspec.json.decode(dialect.error(status, _SAID.get(status, "")).body)
    return {MEDIA_TYPE if schema == "Problem" else "application/json": content}


def _ingest(summary: str, dialect: Dialect, content: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    tag, error = _DIALECTS[dialect.name]
    words = {
        400: "Invalid; nothing was stored",
        401: "No valid key",
        403: "The key lacks the scope `ingest`",
        404: "There is no such backfill; nothing was stored",
        409: "The backfill is not open, or a request with this `Idempotency-Key` is under way; nothing was stored",
        410: "What was answered to this `Idempotency-Key` was erased with the person it was about; nothing was stored",
        413: "The body is larger than 5 MiB",
        415: "Content-Encoding is neither gzip nor identity",
        422: "Another request had this `Idempotency-Key`; nothing was stored",
        429: "Over the rate limit; nothing was stored",
        500: "Our fault; nothing was stored",
        503: "Nothing was stored; come back after `Retry-After` seconds",
    }
    if error == "Problem":
        words[415] = "Content-Type is none of CloudEvents', or Content-Encoding is neither gzip nor identity"
    if error == "BigmindError":
        words[404] = "A signal is unknown or not active, or there is no such backfill; nothing was stored"
    taken = {
        "description": "Durable: acknowledged only after the events are on disk.",
        "headers": {
            "Headwater-Batch": {
                "description": "For GET /v1/batches/{id}",
                "schema": _TEXT,
                "example": "01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e00",
            },
            "Idempotency-Replayed": {
                "description": "The answer is one given before",
                "schema": {"const": "true"},
                "example": "true",
            },
        },
        "content": _json(answer),
    }
    errors = {
        str(status): {"description": text, "content": _error(dialect, error, status)} for status, text in words.items()
    }
    return {
        "post": {
            "summary": summary,
            "tags": [tag],
            "parameters": _PARAMETERS,
            "requestBody": {"required": True, "content": content},
            "responses": {"200": taken, **dict(sorted(errors.items()))},
        }
    }


def _ingest_paths() -> dict[str, Any]:
    many = {
        "type": "object",
        "properties": {
            "success": {"const": True},
            "data": {"type": "array", "items": _ref("BigmindPending")},
            "rate_limited": {"type": "array", "items": _ref("BigmindLimited")},
            "errors": _VERDICTS,
        },
    }
    one = {"type": "object", "properties": {"success": {"const": True}, "data": _ref("BigmindPending")}}
    single = {"type": "object", "required": ["event"], "properties": {"event": _ref("BikEvent")}}
    bodies = {
        ("bik", False): (_batch("BikEvent"), _ref("BikAccepted")),
        ("bik", True): ({"oneOf": [single, _ref("BikEvent")]}, _ref("BikAccepted")),
        ("bigmind", False): (_batch("BigmindEvent"), many),
        ("bigmind", True): (_ref("BigmindEvent"), one),
    }
    told: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
        path: (_ONE if alone else _MANY, _json(bodies[dialect.name, alone][0]), bodies[dialect.name, alone][1])
        for dialect in DIALECTS
        if (dialect.name, True) in bodies
        for path, alone in dialect.routes.items()
    }
    for path, body in SEGMENT_BODIES.items():
        what = _MANY if "batch" in body["properties"] else f"Send one event: {path.removeprefix('/v1/')}"
        told[path] = (what, _json(body), _ref("SegmentAccepted"))
    told["/v1/cloudevents"] = ("Send one event, or up to 100", CLOUDEVENTS_CONTENT, _ref("CloudEventsAccepted"))
    return {path: _ingest(told[path][0], dialect, *told[path][1:]) for dialect in DIALECTS for path in dialect.routes}


_ALWAYS = """Send a key with every request: `Authorization: Bearer sk_…`, or Basic.

Errors are problem details (RFC 9457); on the paths that take events they have the dialect's own shape. What each means,
and what to do: `headwater explain CODE`. A 429 and a 503 say in `Retry-After` when to come back. Lists are
`{"data": […], "next": cursor or null}`. Every answer has `X-Request-Id`, which is in the log's lines about it; a
request may bring one of its own."""


def document(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """The whole API: these routes and the ingest routes."""
    api = get_openapi(
        title="headwater",
        version=__version__,
        openapi_version="3.1.0",
        summary="Takes customer events, never loses one it acknowledged, and answers for every one.",
        description=_ALWAYS,
        routes=[route for route in routes if isinstance(route, APIRoute)],
    )
    paths = api.setdefault("paths", {})
    for path, item in _ingest_paths().items():
        paths[path] = item | paths.get(path, {})
    api["paths"] = dict(sorted(paths.items(), key=lambda pair: ("/v1" in pair[0], pair[0])))
    components = api.setdefault("components", {})
    components.setdefault("schemas", {}).update(_SCHEMAS | SCHEMAS)
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer sk_…`"},
        "basic": {"type": "http", "scheme": "basic", "description": "The key itself, or as user or password"},
    }
    for item in paths.values():
        for call in item.values():
            if call.get("tags", [""])[0] not in INGEST_TAGS:
                call["responses"].pop("422", None)  # FastAPI's own word for what is a 400 here
            if call.get("tags") == [OPERATING]:
                call["security"] = []
    api["security"] = [{"bearer": []}, {"basic": []}]
    complete(api, frozenset(INGEST_TAGS))
    return api
