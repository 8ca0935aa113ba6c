"""What the dashboard is shown with: a workspace full of the demo, and the places of the dashboard that look at it."""

from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from typing import Any
from urllib.parse import quote

from harness import keyed, until
from headwater.cli.api import Api
from headwater.cli.demo import fill
from headwater.clock import now_ms, to_iso

EVENTS = 8_000
"""Of the demo's story: enough for every list to have a second page, and there within five seconds."""
OLD_MS = 400 * 86_400_000


@dataclass(frozen=True)
class Place:
    """A page of the dashboard."""

    name: str
    path: str
    """With the names of facts of a workspace in braces."""
    heading: str | None = None
    """What its h1 says; None where that depends on what it shows."""

    def of(self, facts: Mapping[str, str]) -> str:
        """Where it is, for this workspace."""
        return self.path.format_map({name: quote(value, safe="") for name, value in facts.items()})


LISTS = (
    Place("live", "/ui/", "Live"),
    Place("signals", "/ui/signals", "Signals"),
    Place("rejected", "/ui/rejected", "Rejected"),
    Place("cohorts", "/ui/cohorts", "Cohorts"),
    Place("profiles", "/ui/profiles", "Profiles"),
    Place("backfills", "/ui/backfills", "Backfills"),
    Place("webhooks", "/ui/webhooks", "Webhooks"),
    Place("settings", "/ui/settings", "Settings"),
)
"""What every workspace has, an empty one too."""
DETAILS = (
    Place("signal-event", "/ui/signals/{event}"),
    Place("signal-metric", "/ui/signals/{metric}"),
    Place("signal-state", "/ui/signals/{state}"),
    Place("signal-schema", "/ui/signals/{schema}"),
    Place("cohort", "/ui/cohorts/{cohort}"),
    Place("cohort-new", "/ui/cohorts/new", "New cohort"),
    Place("cohort-builder", "/ui/cohorts/new?from={copied}", "New cohort"),
    Place("profile-person", "/ui/profiles/{person}"),
    Place("profile-account", "/ui/profiles/{account}"),
    Place("backfill", "/ui/backfills/{backfill}"),
    Place("webhook", "/ui/webhooks/{webhook}"),
    Place("event", "/ui/events/{processed}"),
    Place("event-rejected", "/ui/events/{refused}"),
)
SIGN_IN = Place("sign-in", "/ui/sign-in")


@dataclass(frozen=True)
class Shown:
    """A workspace of a running server, as a browser sees it."""

    url: str
    key: str
    facts: Mapping[str, str]
    """What fills the places' paths: slugs, ids, keys of profiles."""


def filled(url: str, key: str, events: int = EVENTS) -> Shown:
    """Fills a new workspace (with the preset) with the demo, two backfills, a webhook and a key beside it."""
    with redirect_stderr(StringIO()):
        made = fill(Api(url, key), events)
    cohorts = {each["cohort"]: each["id"] for each in made["cohorts"]}
    with keyed(url, key) as client:
        backfills = [_backfill(client, name, hold) for name, hold in (("Orders of 2025", False), ("CRM, again", True))]
        _sent(client.post("/v1/keys", json={"name": "shop front", "scopes": ["ingest"]}))
        until(lambda: not any(lane["events"] for lane in _sent(client.get("/v1/pipelines"))["data"]), 60)
        facts = {
            "event": "ordered",
            "metric": "api-calls",
            "state": "health-score",
            "schema": "support-ticket-opened",
            "cohort": cohorts["From cart to order within a day"],
            "copied": cohorts["Accounts at risk with a pressing ticket"],
            "person": _of_newest(client, "ordered"),
            "account": _of_newest(client, "health-score"),
            "backfill": backfills[0],
            "webhook": _webhook(client),
            "processed": _newest(client, signal="ordered", status="processed")["id"],
            "refused": _newest(client, status="rejected")["id"],
        }
    return Shown(url, key, facts)


def _backfill(client: Any, name: str, hold: bool) -> str:
    made: str = _sent(client.post("/v1/backfills", json={"name": name, "hold": hold}))["id"]
    orders = [_order(number, hold) for number in range(40)]
    path = "/integrations/bikPlatformFunctions-events/sendEvents"
    _sent(client.post(path, json={"events": orders}, headers={"Headwater-Backfill": made}))
    return made


def _webhook(client: Any) -> str:
    """One that nothing ever gets to, so that its log has something to show."""
    body = {"url": "https://crm.invalid/hooks/headwater", "events": ["cohort.entered", "cohort.left"]}
    made: str = _sent(client.post("/v1/webhooks", json=body | {"description": "CRM"}))["id"]
    _sent(client.post(f"/v1/webhooks/{made}/test"))
    until(lambda: _sent(client.get(f"/v1/webhooks/{made}/deliveries?status=failed"))["data"], 30)
    return made


def _order(number: int, hold: bool) -> dict[str, Any]:
    return {
        "name": f"Guest {number}",
        "email": f"guest{number}@backfill.example",
        "eventName": "ordered",
        "eventProperties": {"orderId": f"old-{hold}-{number}", "itemPrice": 100 + number},
        "createdAt": to_iso(now_ms() - OLD_MS + number * 3_600_000),
        "isMigration": True,
    }


def _of_newest(client: Any, signal: str) -> str:
    """Whom the newest processed event of a signal is about."""
    identity = _newest(client, signal=signal, status="processed")["identities"][0]
    return f"{identity['type']}:{identity['id']}"


def _newest(client: Any, **wanted: str) -> Any:
    return _sent(client.get("/v1/events", params={**wanted, "limit": 1}))["data"][0]


def _sent(answer: Any) -> Any:
    assert answer.is_success, f"{answer.request.url}: {answer.status_code} {answer.text}"
    return answer.json()
