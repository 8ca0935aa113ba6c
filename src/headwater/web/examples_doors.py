"""What the OpenAPI document gives as examples for the Segment and CloudEvents dialects: as `examples.OPERATIONS`."""

from typing import Any

_SENT = "2026-11-22T04:05:06.789Z"
_WHO = {"userId": "97980cfea0067", "anonymousId": "507f191e810c19729de860ea"}
_ONCE = {"messageId": "5f58d1f7-cbd6-4f44-9e0f-a9c0a9d2d9d2", "timestamp": _SENT}
_TRAITS = {"email": "ada@example.com", "plan": "business"}

_TRACK = {**_WHO, "event": "Item Purchased", "properties": {"itemPrice": 18.5}, **_ONCE}
_BY_DEVICE = {"anonymousId": "507f191e810c19729de860ea", "event": "Item Purchased", "properties": {"itemPrice": 4}}

_CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "track": (
        "What somebody did. `event` is a signal's slug or name. A workspace that takes unknown names as drafts makes a "
        "signal of one that nobody knows.",
        {"a purchase": _TRACK, "somebody without a name": _BY_DEVICE},
    ),
    "identify": (
        "Who somebody is: `userId`, `anonymousId`, and the traits `email` and `phone` are identities of one person.",
        {"a customer": {**_WHO, "traits": _TRAITS, **_ONCE}},
    ),
    "page": (
        "A page that was seen: an event of the signal `page`.",
        {"a page": {**_WHO, "name": "Pricing", "category": "Docs", "properties": {"path": "/pricing"}, **_ONCE}},
    ),
    "screen": (
        "A screen that was seen: an event of the signal `screen`.",
        {"a screen": {**_WHO, "name": "Cart", "properties": {"items": 2}, **_ONCE}},
    ),
    "group": (
        "The company somebody belongs to: an event of the signal `group`.",
        {"a company": {**_WHO, "groupId": "0e8c78ea9d", "traits": {"name": "Initech", "employees": 329}, **_ONCE}},
    ),
    "alias": (
        "Two ids of one person: `previousId` and `userId`.",
        {"two ids": {"userId": "97980cfea0067", "previousId": "507f191e810c19729de860ea", **_ONCE}},
    ),
}
"""By call: what it is, and examples of its body."""

_SENDS = (
    " A `messageId` that was taken before is not stored again. A 200 is sent when the event is durable; any other answer "
    "stored nothing."
)
_SENDS_MANY = (
    "Calls of any `type`. All or nothing: any answer but 200 stored nothing, unless `Prefer: handling=lenient` asks for a "
    "verdict on each. A `messageId` that was taken before is not stored again."
)
_BATCH = {
    "batch": [{"type": "identify", **_WHO, "traits": _TRAITS, **_ONCE}, {"type": "track", **_BY_DEVICE}],
    "sentAt": "2026-11-22T04:05:07.012Z",
}
_HISTORY = {"batch": [{"type": "track", **_TRACK, "timestamp": "2024-11-15T10:00:00Z"}]}
_TAKEN = {"taken": {"success": True}}

_CLOUDEVENTS = {
    "name": "sendCloudEvents",
    "description": "One event, structured (`application/cloudevents+json`) or binary (the body is the data, and the "
    "headers `ce-specversion`, `ce-id`, `ce-source`, `ce-type` and so on tell the rest), or up to 100 "
    "(`application/cloudevents-batch+json`). All or nothing, unless `Prefer: handling=lenient` asks for a verdict on "
    "each. An event whose `source` and `id` were taken before is not stored again: `duplicate` says so.",
    "answers": {
        "200": {
            "taken": {"data": [{"id": "01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01", "status": "pending"}]},
            "taken before": {
                "data": [{"id": "01938f2e-7c6b-7d41-9a3e-5f0c2b1d4e01", "status": "pending", "duplicate": True}]
            },
        }
    },
}


def _call(kind: str, text: str, bodies: dict[str, Any]) -> dict[str, Any]:
    name = f"sendSegment{kind.capitalize()}"
    return {"name": name, "description": text + _SENDS, "bodies": bodies, "answers": {"200": _TAKEN}}


def _batch(name: str, text: str, bodies: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "description": text, "bodies": bodies, "answers": {"200": _TAKEN}}


DOORS: dict[str, dict[str, Any]] = {
    **{f"POST /v1/{kind}": _call(kind, text, bodies) for kind, (text, bodies) in _CALLS.items()},
    "POST /v1/batch": _batch("sendSegmentBatch", _SENDS_MANY, {"two calls": _BATCH, "history": _HISTORY}),
    "POST /v1/import": _batch("importSegmentBatch", "As `POST /v1/batch`. " + _SENDS_MANY, {"history": _HISTORY}),
    "POST /v1/cloudevents": _CLOUDEVENTS,
}
