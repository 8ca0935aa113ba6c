"""A workspace with one of everything, every route there is, and what is asked of it."""

import json
from typing import Any
from urllib.parse import quote

from harness import until
from wire.client import Answer, Client, Headers
from wire.languages import BIGMIND, BIK

SECRET = "only-of-theirs"
ONE = quote(f"email:{SECRET}@x.example", safe="")
DEFINITION = {"subject": "person", "where": {"performed": SECRET}}


class Theirs:
    """A workspace with one of everything."""

    def __init__(self, client: Client) -> None:
        self.client = client
        signal = {"name": SECRET, "slug": SECRET, "type": "event", "rate_limit": None}
        self.signal = self._make("POST", "/v1/signals", signal)
        self._make("POST", f"/v1/signals/{SECRET}/versions", {"schema": {"type": "object"}})
        self.key = self._make("POST", "/v1/keys", {"name": SECRET})
        self.cohort = self._make("POST", "/v1/cohorts", {"name": SECRET, "definition": DEFINITION})
        self.backfill = self._make("POST", "/v1/backfills", {"name": SECRET, "hold": True})
        hook = {"url": f"https://{SECRET}.invalid/", "events": ["cohort.left"], "description": SECRET}
        self.webhook = self._make("POST", "/v1/webhooks", hook)
        ping = client.call("POST", f"/v1/webhooks/{self.webhook['id']}/test")
        self.delivery = until(lambda: self._failed(ping.json["id"]))
        answer = client.post(BIGMIND.batch, BIGMIND.batch_of(self._event()))
        self.event, self.batch = answer.json["data"][0]["id"], answer.headers["headwater-batch"]
        self.workspace = client.call("GET", "/v1/workspace").json
        until(lambda: client.call("GET", f"/v1/events/{self.event}").json.get("status") == "processed")

    def _event(self) -> dict[str, Any]:
        identity = {"type": "email", "id": f"{SECRET}@x.example"}
        return BIGMIND.event(signal=SECRET, identity=identity, reference=SECRET)

    def _make(self, method: str, path: str, value: Any) -> Any:
        answer = self.client.call(method, path, value)
        assert answer.status == 201, answer
        return answer.json

    def _failed(self, id: str) -> str:
        """A delivery, once it came to its end."""
        answer = self.client.call("GET", f"/v1/webhooks/{self.webhook['id']}/deliveries/{id}")
        return id if answer.json["status"] == "failed" else ""

    def path(self, template: str) -> str:
        """The path of a documented route with the ids of this workspace."""
        last = template.removesuffix("/rotate")
        ids = {
            "/v1/signals/{slug}": SECRET,
            "/v1/keys/{id}": self.key["id"],
            "/v1/events/{id}": self.event,
            "/v1/batches/{id}": self.batch,
            "/v1/profiles/{key}": ONE,
            "/v1/cohorts/{id}": self.cohort["id"],
            "/v1/backfills/{id}": self.backfill["id"],
            "/v1/webhooks/{id}": self.webhook["id"],
        }
        start = next((each for each in ids if last.startswith(each)), "")
        path = template.replace(start, start[: start.find("{")] + ids[start], 1) if start else template
        return path.replace("{n}", "1").replace("{key}", ONE).replace("{message}", self.delivery)


EMPTY = "empty"
OPEN = "open"
SIGN_IN = "sign-in"
OWN = "own"
LASTS = "lasts"

ROUTES: dict[str, Any] = {
    "POST /v1/events": 404,
    "POST /v1/events/batch": 404,
    "POST /integrations/bikPlatformFunctions-events/sendEvent": 400,
    "POST /integrations/bikPlatformFunctions-events/sendEvents": 400,
    **dict.fromkeys((f"POST /v1/{call}" for call in ("identify", "page", "screen", "group", "alias")), OWN),
    **dict.fromkeys((f"POST /v1/{call}" for call in ("track", "batch", "import", "cloudevents")), 400),
    "POST /v1/signals": OWN,
    "GET /v1/signals": OWN,
    "GET /v1/signals/{slug}": 404,
    "PATCH /v1/signals/{slug}": 404,
    "DELETE /v1/signals/{slug}": 404,
    "POST /v1/signals/{slug}/versions": 404,
    "GET /v1/signals/{slug}/versions": 404,
    "GET /v1/signals/{slug}/versions/{n}": 404,
    "POST /v1/signals/{slug}/approve": 404,
    "GET /v1/signals/{slug}/metrics": 404,
    "GET /v1/signals/{slug}/state": 404,
    "GET /v1/signals/{slug}/state/history": 404,
    "POST /v1/signals/{slug}/versions/check": 404,
    "GET /v1/limits": OWN,
    "GET /v1/activity": OWN,
    "POST /v1/keys": OWN,
    "GET /v1/keys": OWN,
    "DELETE /v1/keys/{id}": 404,
    "POST /v1/keys/{id}/rotate": 404,
    "GET /v1/audit": OWN,
    "POST /v1/workspaces": 403,
    "GET /v1/workspaces": 403,
    "POST /v1/session": SIGN_IN,
    "GET /v1/session": OWN,
    "DELETE /v1/session": SIGN_IN,
    "POST /v1/session/links": OWN,
    "GET /v1/workspace": OWN,
    "PATCH /v1/workspace": OWN,
    "GET /v1/events": EMPTY,
    "GET /v1/events/export": EMPTY,
    "GET /v1/events/{id}": 404,
    "GET /v1/events/{id}/trace": 404,
    "GET /v1/events/trace": EMPTY,
    "GET /v1/rejected": OWN,
    "GET /v1/rejected/summary": OWN,
    "POST /v1/rejected/replay": OWN,
    "GET /v1/batches/{id}": 404,
    "GET /v1/profiles": EMPTY,
    "GET /v1/profiles/{key}": 404,
    "GET /v1/profiles/{key}/events": EMPTY,
    "DELETE /v1/profiles/{key}": 202,  # of somebody whom this workspace does not know
    "GET /v1/erasures": OWN,
    "GET /v1/erasures/{id}": 404,
    "GET /v1/profiles/{key}/connections": 404,
    "POST /v1/profiles/{key}/unmerge": 404,
    "GET /v1/pipelines": OWN,
    "GET /v1/live": LASTS,
    "POST /v1/cohorts": 400,
    "POST /v1/cohorts/preview": 400,
    "GET /v1/cohorts": OWN,
    "GET /v1/cohorts/{id}": 404,
    "PATCH /v1/cohorts/{id}": 404,
    "DELETE /v1/cohorts/{id}": 404,
    "GET /v1/cohorts/{id}/members": 404,
    "GET /v1/cohorts/{id}/members/{key}": 404,
    "GET /v1/cohorts/{id}/changes": 404,
    "GET /v1/cohorts/{id}/history": 404,
    "GET /v1/cohorts/{id}/export": 404,
    "POST /v1/backfills": OWN,
    "GET /v1/backfills": OWN,
    "GET /v1/backfills/{id}": 404,
    "GET /v1/backfills/{id}/preview": 404,
    "POST /v1/backfills/{id}/close": 404,
    "POST /v1/backfills/{id}/release": 404,
    "POST /v1/backfills/{id}/revert": 404,
    "POST /v1/webhooks": 400,
    "GET /v1/webhooks": OWN,
    "GET /v1/webhooks/{id}": 404,
    "PATCH /v1/webhooks/{id}": 404,
    "DELETE /v1/webhooks/{id}": 404,
    "POST /v1/webhooks/{id}/test": 404,
    "POST /v1/webhooks/{id}/rotate": 404,
    "POST /v1/webhooks/{id}/resume": 404,
    "POST /v1/webhooks/{id}/replay": 404,
    "GET /v1/webhooks/{id}/deliveries": 404,
    "GET /v1/webhooks/{id}/deliveries/{message}": 404,
    "POST /v1/webhooks/{id}/deliveries/{message}/replay": 404,
    "GET /v1/destinations": OWN,
    "GET /livez": OPEN,
    "GET /readyz": OPEN,
    "GET /metrics": OPEN,
    "GET /openapi.json": OPEN,
    "GET /docs": OPEN,
}
"""Every route, and what it answers to a stranger: a status; EMPTY: a list filtered by the other's ids has nothing;
OWN: the asker's own things, and nothing of the other's; LASTS: the same without an end
(`test_live_feed.py`); OPEN: needs no key, tells nothing of any workspace;
SIGN_IN: needs none either, and takes one in its body (`tests/web/test_session.py`)."""

TRACK = {"type": "track", "userId": "42", "event": SECRET}

BODIES: dict[str, Any] = {
    "POST /v1/track": TRACK,
    "POST /v1/identify": {"userId": "42"},
    "POST /v1/page": {"userId": "42"},
    "POST /v1/screen": {"userId": "42"},
    "POST /v1/group": {"userId": "42", "groupId": "1"},
    "POST /v1/alias": {"userId": "42", "previousId": "43"},
    "POST /v1/batch": {"batch": [TRACK]},
    "POST /v1/import": {"batch": [TRACK]},
    "POST /v1/cloudevents": {"specversion": "1.0", "id": "1", "source": "/", "type": SECRET, "subject": "user:42"},
    "POST /v1/events": BIGMIND.event(signal=SECRET),
    "POST /v1/events/batch": {"events": [BIGMIND.event(signal=SECRET)]},
    "POST /integrations/bikPlatformFunctions-events/sendEvent": {"event": BIK.event(eventName=SECRET)},
    "POST /integrations/bikPlatformFunctions-events/sendEvents": {"events": [BIK.event(eventName=SECRET)]},
    "PATCH /v1/signals/{slug}": {"active": False},
    "POST /v1/signals/{slug}/versions": {"schema": {"type": "object"}},
    "POST /v1/signals/{slug}/versions/check": {"schema": {"type": "object"}},
    "POST /v1/signals": {"name": "mine", "type": "event"},
    "POST /v1/keys": {"name": "mine"},
    "POST /v1/workspaces": {"name": "not mine to make"},
    "PATCH /v1/workspace": {"default_region": "IN"},
    "POST /v1/cohorts": {"name": "mine", "definition": DEFINITION},
    "POST /v1/cohorts/preview": {"definition": DEFINITION},
    "PATCH /v1/cohorts/{id}": {"name": "mine"},
    "POST /v1/backfills": {"name": "mine"},
    "POST /v1/rejected/replay": {"filter": {}},
    "POST /v1/webhooks": {"url": "https://hooks.invalid/", "events": ["cohort.left"], "cohorts": ["coh_nobodys0"]},
    "PATCH /v1/webhooks/{id}": {"description": "mine"},
    "POST /v1/webhooks/{id}/replay": {"since": "2026-01-01T00:00:00Z"},
    "POST /v1/profiles/{key}/unmerge": {"identity": f"email:{SECRET}@x.example"},
}
"""What is sent where a body is wanted."""


def ask(client: Client, route: str, path: str, headers: Headers = ()) -> Answer:
    """A route, at this path, with its body; `headers` beside those that it always has."""
    method, body = route.split(" ")[0], BODIES.get(route)
    media = "application/cloudevents+json" if "cloudevents" in path else "application/json"
    sent = [*headers, ("Content-Type", media)] if body is not None else [*headers]
    sent += [("Authorization", f"Bearer {client.key}")] if client.key else []
    return client.send(method, path, sent, None if body is None else json.dumps(body).encode())


def documented(client: Client) -> list[str]:
    """Every route of the OpenAPI document, as `GET /v1/events/{id}`."""
    paths = client.call("GET", "/openapi.json").json["paths"]
    methods = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}
    return [f"{method.upper()} {path}" for path, item in paths.items() for method in item if method in methods]


def check_untouched(theirs: Theirs) -> None:
    """Theirs is as it was: the signal active with one version, the key good, one event stored, one cohort, and one
    backfill that is open and held; one webhook with one delivery."""
    signal = theirs.client.call("GET", f"/v1/signals/{SECRET}").json
    assert signal["active"] and signal["latest_version"] == 1, signal
    keys = {key["id"]: key for key in theirs.client.call("GET", "/v1/keys").json["data"]}
    assert keys[theirs.key["id"]]["revoked_at"] is None and len(keys) == 2
    assert len(theirs.client.call("GET", "/v1/events").json["data"]) == 1
    assert [cohort["name"] for cohort in theirs.client.call("GET", "/v1/cohorts").json["data"]] == [SECRET]
    assert theirs.client.call("GET", "/v1/backfills").json["data"] == [theirs.backfill]
    assert theirs.client.call("GET", "/v1/workspace").json["default_region"] is None
    shown = {name: value for name, value in theirs.webhook.items() if name not in ("secret", "failing_since")}
    (webhook,) = theirs.client.call("GET", "/v1/webhooks").json["data"]
    assert webhook.items() >= shown.items()
    deliveries = theirs.client.call("GET", f"/v1/webhooks/{webhook['id']}/deliveries").json["data"]
    assert [(each["id"], each["status"]) for each in deliveries] == [(theirs.delivery, "failed")]
