"""What the OpenAPI document gives as examples: the one place for those that a schema does not carry itself.

A field's own `examples` win (`Field(examples=[…])` of pydantic, `example` of a schema written by hand). For what has
none, the tables here are asked by name. `tests/web/test_examples.py` says what is missing, and where to put it.
"""

from typing import Any

_MOMENT = "2026-11-22T04:05:06.789Z"
EVENT = "01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01"
_BATCH = "01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e00"
_WHERE = "Its id."

PARAMETERS: dict[str, tuple[Any, str]] = {
    # By `collection/name` for what stands in a path, or by the name alone: an example, and a description for where the
    # route has none.
    "backfills/id": ("bf_7Hq2Lw0R", _WHERE),
    "batches/id": (_BATCH, "What the header `Headwater-Batch` said."),
    "cohorts/id": ("coh_8sKq1ZbT", _WHERE),
    "erasures/id": ("ers_4Qm0Xs7B", _WHERE),
    "events/id": (EVENT, "A UUIDv7."),
    "keys/id": ("key_9XbC01zK", "Its id, not the key itself."),
    "webhooks/id": ("wh_5Qp0cXQk", _WHERE),
    "deliveries/message": ("msg_5Qp0cXQkQ2x0YhV7mB1nZt", "What the header `webhook-id` of the delivery says."),
    "versions/n": (1, "A published version's number."),
    "slug": ("visited-documentation-page", "The signal's slug; BIK's `eventName`."),
    "key": ("email:ada@example.com", "An identity, `type:id`, percent-encoded."),
    "identity": ("email:ada@example.com", "An identity, `type:id`."),
    "signal": ("addToCart", "A signal's slug; BIK's `eventName`."),
    "reference": ("evt-001", "What the sender calls an event."),
    "backfill": ("bf_7Hq2Lw0R", "A backfill's id."),
    "draft": (False, "Only drafts, or only those that are none."),
    "reason": ("schema_violation", "Why an event was rejected."),
    "from": ("2026-11-01T00:00:00Z", "ISO 8601."),
    "to": ("2026-12-01T00:00:00Z", "ISO 8601."),
    "cursor": ("dmlzaXRlZA", "`next` of the page before."),
    "Idempotency-Key": ("orders-2026-11-22-0001", ""),
    "Headwater-Backfill": ("bf_7Hq2Lw0R", ""),
}

_FIELDS: dict[str, Any] = {
    # Of answers and bodies, by `Schema.name` or by the name alone, where a schema has none of its own.
    "at": _MOMENT,
    "address": "203.0.113.7",
    "created_at": _MOMENT,
    "default_region": None,
    "delivered_at": _MOMENT,
    "detail": {},
    "done_at": _MOMENT,
    "expires_at": None,
    "erases": True,
    "failure": None,
    "hint": "Send the field, and not null.",
    "holds": True,
    "is_subject": True,
    "max_identities": 100,
    "member": True,
    "ProfileAnswer.metrics": {
        "api-calls": {
            "aggregation": "sum",
            "period": "day",
            "period_start": "2026-11-22T00:00:00.000Z",
            "value": 12.5,
            "total": 99,
        }
    },
    "name": "shop front",
    "never_connect": ["noreply@shop.example"],
    "next": None,
    "rejected": [0],
    "revoked_at": None,
    "ProfileAnswer.states": {"health-score": {"value": "at-risk", "since": _MOMENT, "event_id": EVENT}},
    "text": "ordered at least 3 times within 30 days",
}

PROBLEMS: dict[str, dict[str, Any]] = {
    # By status: what `web.problems` says then, for people in `detail`.
    "400": {"title": "Bad Request", "detail": "'name' is required", "path": "name"},
    "401": {"title": "Unauthorized", "detail": "A valid API key is required: Authorization: Bearer sk_…"},
    "403": {"title": "Forbidden", "detail": "This key may not do that; it lacks the scope `admin`."},
    "404": {"title": "Not Found", "detail": "there is no signal 'no-such-signal'"},
    "409": {"title": "Conflict", "detail": "the slug 'visited-documentation-page' is taken"},
    "410": {"title": "Gone", "detail": "what was answered was erased"},
    "413": {"title": "Request Entity Too Large", "detail": "the body is larger than 1048576 bytes"},
    "422": {"title": "Unprocessable Entity", "detail": "another request had this Idempotency-Key"},
    "429": {"title": "Too Many Requests", "detail": "too often; come back later"},
    "500": {"title": "Internal Server Error"},
    "503": {"title": "Service Unavailable", "detail": "the engine does not answer"},
    "default": {"title": "Internal Server Error"},
}


def problem_of(status: str) -> dict[str, Any]:
    """A problem of this status, or of `default`."""
    number = 500 if status == "default" else int(status)
    told = PROBLEMS.get(status, {"title": "Error"})
    return {"type": "about:blank", "title": told["title"], "status": number, **told}


class Examples:
    """Makes examples for the schemas of one document."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self._schemas = schemas
        self.missing: list[str] = []
        """Where a field had none, and its name none in the tables: `SignalAnswer.slug`."""

    def of(self, schema: dict[str, Any], place: str = "") -> Any:
        """Something of this schema's shape. `place` is how a field without an example is told of."""
        schema, place = self._resolved(schema, place)
        for known in ("example", "const"):
            if known in schema:
                return schema[known]
        if schema.get("examples"):
            return schema["examples"][0]
        for name in (place, place.rpartition(".")[2]):
            if name in _FIELDS:
                return _FIELDS[name]
        return self._made(schema, place)

    def all_of(self, schema: dict[str, Any]) -> list[Any]:
        """Those that a schema gives itself, when there are several; else none."""
        given = self._resolved(schema, "")[0].get("examples", [])
        return list(given) if len(given) > 1 else []

    def _resolved(self, schema: dict[str, Any], place: str) -> tuple[dict[str, Any], str]:
        if "$ref" not in schema:
            return schema, place
        name = schema["$ref"].rpartition("/")[2]
        return self._schemas[name], name

    def _made(self, schema: dict[str, Any], place: str) -> Any:
        if "default" in schema:
            return schema["default"]
        for choice in ("oneOf", "anyOf", "allOf"):
            if schema.get(choice):
                return self.of(schema[choice][0], place)
        if schema.get("enum"):
            return schema["enum"][0]
        match schema.get("type"):
            case "object" if "properties" in schema:
                return {name: self.of(field, f"{place}.{name}") for name, field in schema["properties"].items()}
            case "array":
                return [self.of(schema.get("items", {}), place)]
            case "null":
                return None
        self.missing.append(place)
        return None
