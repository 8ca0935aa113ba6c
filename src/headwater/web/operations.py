"""What the OpenAPI document says of single operations and cannot make from their schemas."""

from typing import Any

from headwater.web.examples import EVENT as _EVENT

_BIK = {
    "name": "Name",
    "email": "test@bik.ai",
    "phoneNumber": "+19494572000",
    "eventName": "catalogViewed",
    "eventProperties": {"catalogId": "1234", "catalogName": "Test catalog 1"},
}
_BIK_OLD = {
    "email": "test@bik.ai",
    "eventName": "ordered",
    "eventProperties": {"orderId": "test-order-id1234"},
    "createdAt": "2024-11-15T10:00:00Z",
    "isMigration": True,
}
_BIGMIND = {
    "signal": "visited-documentation-page",
    "identity": {"type": "account", "id": "001ABC000000123"},
    "data": {"page": "/docs/quickstart"},
    "reference": "evt-001",
}
_BIGMIND_OLD = {
    "signal": "visited-documentation-page",
    "identity": {"type": "contact", "id": "003XYZ000000456"},
    "timestamp": "2024-11-15T10:00:00Z",
}
_SEGMENT = {
    "userId": "97980cfea0067",
    "messageId": "5f58d1f7-cbd6-4f44-9e0f-a9c0a9d2d9d2",
    "timestamp": "2026-11-22T04:05:06.789Z",
}
_TRACK = _SEGMENT | {"event": "Item Purchased", "properties": {"itemPrice": 18.5}}
_SEGMENT_ANSWERS = {"200": {"taken": {"success": True}}}

_PENDING = {
    "id": _EVENT,
    "signal_id": "sig_bFyqj0qg",
    "schema_version": None,
    "status": "pending",
    "reference": "evt-001",
}
_LIMITS = {
    "X-RateLimit-Limit": ("Events a UTC minute: the highest limit of the request's signals.", 100),
    "X-RateLimit-Remaining": ("The lowest remainder after this request.", 99),
    "X-RateLimit-Reset": ("When the next minute begins: ISO 8601, UTC.", "2026-11-22T04:06:00.000Z"),
}
_READY = {"ready": True, "why": ""}
_AWAY = {"ready": False, "why": "the engine does not answer"}

OPERATIONS: dict[str, dict[str, Any]] = {
    # What cannot be made from schemas, by method and path. `name` is the operationId; `bodies` and `answers` (by
    # status) are examples by a few words; `headers` by status.
    "POST /integrations/bikPlatformFunctions-events/sendEvents": {
        "name": "sendBikEvents",
        "description": "All or nothing: any answer but 200 stored nothing, unless `Prefer: handling=lenient` asks for "
        "a verdict on each event. A 200 is sent when the events are durable.",
        "bodies": {"two events": {"events": [_BIK, _BIK_OLD]}, "one event": {"events": [_BIK]}},
        "answers": {"200": {"taken": {"status": 200, "success": True}}},
    },
    "POST /integrations/bikPlatformFunctions-events/sendEvent": {
        "name": "sendBikEvent",
        "description": "One event, bare or as `event`. Else as a batch of one.",
        "bodies": {"wrapped": {"event": _BIK}, "bare": _BIK},
        "answers": {"200": {"taken": {"status": 200, "success": True}}},
    },
    "POST /v1/events/batch": {
        "name": "sendEvents",
        "description": "All or nothing, but for events over their signal's rate limit: those are told in "
        "`rate_limited`, and the rest is taken. A 200 is sent when the events are durable.",
        "bodies": {"two events": {"events": [_BIGMIND, _BIGMIND_OLD]}, "one event": {"events": [_BIGMIND]}},
        "answers": {
            "200": {
                "taken": {"success": True, "data": [_PENDING]},
                "taken in part": {
                    "success": True,
                    "data": [_PENDING],
                    "rate_limited": [{"signal_id": "sig_bFyqj0qg", "reference": "evt-002"}],
                },
            },
            "404": {"unknown": {"success": False, "error": "Signals not found: my-invalid-signal"}},
        },
        "headers": {"200": _LIMITS, "429": _LIMITS},
    },
    "POST /v1/events": {
        "name": "sendEvent",
        "description": "The body is the event itself; `data` of the answer is one object.",
        "bodies": {"an event": _BIGMIND, "history": _BIGMIND_OLD},
        "answers": {
            "200": {"taken": {"success": True, "data": _PENDING}},
            "404": {"unknown": {"success": False, "error": "Signals not found: my-invalid-signal"}},
        },
        "headers": {"200": _LIMITS, "429": _LIMITS},
    },
    "GET /livez": {"answers": {"200": {"alive": {"alive": True}}}},
    "GET /readyz": {
        "answers": {
            "200": {"ready": {"ready": True, "gateway": _READY, "engine": _READY}},
            "503": {"not ready": {"ready": False, "gateway": _READY, "engine": _AWAY}},
        }
    },
    "GET /metrics": {"answers": {"200": {"figures": 'headwater_engine_backlog_events{lane="realtime"} 0.0\n'}}},
    "GET /openapi.json": {
        "name": "getOpenapi",
        "answers": {"200": {"its beginning": {"openapi": "3.1.0", "info": {"title": "headwater"}}}},
    },
    "GET /docs": {"answers": {"200": {"its beginning": "<!doctype html>"}}},
    "GET /v1/live": {
        "name": "watchEvents",
        "answers": {"200": {"its beginning": 'event: hello\ndata: {"step_seconds":1,"points":[]}\n\n'}},
    },
    "GET /v1/events/export": {
        "name": "exportEvents",
        "answers": {"200": {"one event": f'{{"id":"{_EVENT}","signal":"addToCart","status":"processed"}}\n'}},
    },
    "GET /v1/cohorts/{id}/export": {
        "name": "exportCohortMembers",
        "answers": {"200": {"one member": "profile_id,since,identities\n"}},
    },
    "POST /v1/track": {
        "description": "Somebody did something: an event of the signal with that slug or name.",
        "bodies": {"an event": _TRACK},
        "answers": _SEGMENT_ANSWERS,
    },
    "POST /v1/identify": {
        "description": "Who somebody is: an event of the signal `identify`, with the traits as its data.",
        "bodies": {"a person": _SEGMENT | {"traits": {"email": "ada@example.com", "plan": "gold"}}},
        "answers": _SEGMENT_ANSWERS,
    },
    "POST /v1/page": {
        "description": "A page was looked at: an event of the signal `page`.",
        "bodies": {"a page": _SEGMENT | {"name": "Pricing", "properties": {"path": "/pricing"}}},
        "answers": _SEGMENT_ANSWERS,
    },
    "POST /v1/screen": {
        "description": "A screen of an app was looked at: an event of the signal `screen`.",
        "bodies": {"a screen": _SEGMENT | {"name": "Cart", "properties": {"items": 2}}},
        "answers": _SEGMENT_ANSWERS,
    },
    "POST /v1/group": {
        "description": "Somebody belongs to a company or a team: an event of the signal `group`.",
        "bodies": {"a company": _SEGMENT | {"groupId": "acme", "traits": {"employees": 42}}},
        "answers": _SEGMENT_ANSWERS,
    },
    "POST /v1/alias": {
        "description": "Two ids are one person's: an event of the signal `alias` that names both.",
        "bodies": {"two ids": _SEGMENT | {"previousId": "507f191e810c19729de860ea"}},
        "answers": _SEGMENT_ANSWERS,
    },
    "POST /v1/batch": {
        "description": "What the other calls take one by one, each with its `type`, as Segment's and RudderStack's "
        "libraries send it; up to 100. All or nothing, unless `Prefer: handling=lenient` asks for a verdict on each.",
        "bodies": {"one event": {"batch": [{"type": "track", **_TRACK}], "sentAt": "2026-11-22T04:05:07.012Z"}},
        "answers": _SEGMENT_ANSWERS,
    },
    "POST /v1/import": {
        "description": "As `/v1/batch`; for what libraries send as history.",
        "bodies": {"one event": {"batch": [{"type": "track", **_TRACK}]}},
        "answers": _SEGMENT_ANSWERS,
    },
    "POST /v1/cloudevents": {
        "description": "CloudEvents 1.0: one (structured, or binary by `ce-` headers), or up to 100 as a batch. An "
        "event that comes again with the same `id` and `source` is stored once.",
        "answers": {"200": {"taken": {"data": [{"id": _EVENT, "status": "pending"}]}}},
    },
}
"""A route that is not here is as its schemas say."""
