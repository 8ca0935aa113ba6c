"""What the OpenAPI document says of the Segment and CloudEvents dialects: their bodies, and what they answer."""

from typing import Any

_TEXT = {"type": "string"}
_OBJECT = {"type": "object", "additionalProperties": True}
_DATE = _TEXT | {"description": "ISO 8601; without a zone it is UTC."}
_VERDICTS = {"type": "array", "items": {"$ref": "#/components/schemas/Verdict"}}
_IDS = {"userId": _TEXT, "anonymousId": _TEXT}
_MESSAGE = {
    "messageId": _TEXT | {"description": "A message is stored once, however often it comes with it."},
    "timestamp": _DATE,
    "sentAt": _DATE | {"description": "By the sender's clock: tells how wrong that goes."},
    "context": _OBJECT | {"description": "`traits.email` and `traits.phone` name the person, too."},
    "integrations": _OBJECT,
}
_OWN: dict[str, dict[str, Any]] = {
    "track": {"event": _TEXT | {"description": "A signal's slug or name"}, "properties": _OBJECT},
    "identify": {"traits": _OBJECT},
    "page": {"name": _TEXT, "category": _TEXT, "properties": _OBJECT},
    "screen": {"name": _TEXT, "category": _TEXT, "properties": _OBJECT},
    "group": {"groupId": _TEXT, "traits": _OBJECT},
    "alias": {"previousId": _TEXT},
}
_REQUIRED = {"track": ["event"], "group": ["groupId"], "alias": ["userId", "previousId"]}

_TRACK = {
    "userId": "97980cfea0067",
    "event": "Item Purchased",
    "properties": {"itemPrice": 18.5},
    "messageId": "5f58d1f7-cbd6-4f44-9e0f-a9c0a9d2d9d2",
    "timestamp": "2026-11-22T04:05:06.789Z",
}


def _message(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "object",
        "required": _REQUIRED.get(kind, []),
        "properties": {**_IDS, **_OWN[kind], **_MESSAGE},
        "description": "`userId` or `anonymousId` must be there and not empty.",
    }
    return found | {"example": _TRACK} if kind == "track" else found


_BATCH = {
    "type": "object",
    "required": ["batch"],
    "properties": {
        "batch": {
            "type": "array",
            "minItems": 1,
            "maxItems": 100,
            "items": {
                "type": "object",
                "required": ["type"],
                "properties": {
                    "type": {"enum": list(_OWN)},
                    **_IDS,
                    "event": _TEXT,
                    "groupId": _TEXT,
                    "previousId": _TEXT,
                    "properties": _OBJECT,
                    "traits": _OBJECT,
                    **_MESSAGE,
                },
            },
        },
        "sentAt": _MESSAGE["sentAt"],
    },
    "example": {"batch": [{"type": "track"} | _TRACK], "sentAt": "2026-11-22T04:05:07.012Z"},
}

_CLOUDEVENT = {
    "type": "object",
    "required": ["id", "source", "type", "specversion"],
    "properties": {
        "id": _TEXT,
        "source": _TEXT | {"description": "With `id` it names the event: one that comes again is stored once."},
        "type": _TEXT | {"description": "A signal's slug or name"},
        "specversion": {"const": "1.0"},
        "subject": _TEXT | {"description": "Whom it is about: an identity as `type:id`, or an e-mail address."},
        "time": _DATE,
        "datacontenttype": _TEXT,
        "dataschema": _TEXT,
        "data": {},
        "data_base64": _TEXT | {"contentEncoding": "base64"},
    },
    "example": {
        "specversion": "1.0",
        "id": "A234-1234-1234",
        "source": "/shop/checkout",
        "type": "com.example.order.placed",
        "subject": "email:ada@example.com",
        "time": "2026-11-22T04:05:06Z",
        "data": {"orderId": "1001", "total": 18.5},
    },
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "SegmentAccepted": {
        "type": "object",
        "required": ["success"],
        "properties": {"success": {"const": True}, "errors": _VERDICTS},
    },
    "SegmentError": {
        "type": "object",
        "required": ["success", "code", "message"],
        "properties": {
            "success": {"const": False},
            "code": _TEXT,
            "message": _TEXT,
            "path": _TEXT,
            "errors": _VERDICTS,
        },
        "example": {
            "success": False,
            "code": "bad_request",
            "message": "batch[3].event is not a known event: 'Item Purchsed'",
            "path": "batch[3].event",
        },
    },
    "CloudEvent": _CLOUDEVENT,
    "CloudEventsAccepted": {
        "type": "object",
        "required": ["data"],
        "properties": {
            "data": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["id", "status"],
                    "properties": {
                        "id": _TEXT | {"format": "uuid", "description": "headwater's own"},
                        "status": {"const": "pending"},
                        "duplicate": {"const": True},
                    },
                },
            },
            "errors": _VERDICTS,
        },
    },
}

SEGMENT_BODIES = {f"/v1/{kind}": _message(kind) for kind in _OWN} | {"/v1/batch": _BATCH, "/v1/import": _BATCH}

_EVENT = {"$ref": "#/components/schemas/CloudEvent"}
CLOUDEVENTS_CONTENT = {
    "application/cloudevents+json": {"schema": _EVENT},
    "application/cloudevents-batch+json": {
        "schema": {"type": "array", "minItems": 1, "maxItems": 100, "items": _EVENT}
    },
}
