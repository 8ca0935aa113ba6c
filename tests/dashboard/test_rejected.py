"""The page Rejected: what was rejected and why, and how it is taken after all."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect

from browsing import NARROW, OpenPage, visit
from harness import keyed, until
from headwater.clock import now_ms, to_iso
from shown import Shown

BIK = "/integrations/bikPlatformFunctions-events/sendEvents"
HOUR_MS = 3_600_000
TICKET = {"type": "object", "required": ["plan"], "properties": {"plan": {"type": "string"}}}


def _rejected(workspace: Shown) -> int:
    with keyed(workspace.url, workspace.key) as client:
        found: int = client.get("/v1/rejected/summary").json()["events"]
    return found


def _late(workspace: Shown, number: int, name: str = "pageViewed") -> None:
    """Sends events that are too old for the realtime lane, and waits until they are rejected."""
    before = _rejected(workspace)
    at = to_iso(now_ms() - 5 * HOUR_MS)
    about = {"eventName": name, "eventProperties": {}, "createdAt": at}
    events = [{"email": f"late{n}@rejected.example", **about} for n in range(number)]
    with keyed(workspace.url, workspace.key) as client:
        for first in range(0, number, 100):
            assert client.post(BIK, json={"events": events[first : first + 100]}).status_code == 200
    until(lambda: _rejected(workspace) == before + number, what="they are rejected")


def _unfit(workspace: Shown, number: int) -> None:
    """Makes a signal whose schema events do not fit, and sends some."""
    event = {"signal": "ticket", "identity": {"type": "account", "id": "42"}, "data": {"plan": 7}}
    with keyed(workspace.url, workspace.key) as client:
        assert client.post("/v1/signals", json={"name": "Ticket", "slug": "ticket", "type": "event"}).status_code == 201
        assert client.post("/v1/signals/ticket/versions", json={"schema": TICKET}).status_code == 201
        assert client.post("/v1/events/batch", json={"events": [event] * number}).status_code == 200
    until(lambda: _rejected(workspace) == number, what="they are rejected")


def _opened(open_page: OpenPage, workspace: Shown, path: str = "/ui/rejected", **options: Any) -> Page:
    page = open_page(workspace, **options)
    visit(page, path)
    return page


def _group(page: Page, reason: str) -> Locator:
    return page.get_by_role("region", name=reason)


def _statuses(workspace: Shown, signal: str) -> Sequence[str]:
    with keyed(workspace.url, workspace.key) as client:
        return [each["status"] for each in client.get("/v1/events", params={"signal": signal}).json()["data"]]


def test_nothing_is_rejected(open_page: OpenPage, new_workspace: Callable[..., Shown]) -> None:
    page = _opened(open_page, new_workspace())
    expect(page.get_by_role("heading", name="Nothing is rejected")).to_be_visible()
    expect(page.get_by_role("button", name="Replay all")).to_have_attribute("aria-disabled", "true")


def test_when_the_schema_is_mended_the_group_is_replayed_and_gone(
    open_page: OpenPage, new_workspace: Callable[..., Shown]
) -> None:
    workspace = new_workspace()
    _unfit(workspace, 3)
    page = _opened(open_page, workspace)
    group = _group(page, "Schema violation")
    expect(group).to_contain_text("Publish a schema version that allows this data, then replay it")
    expect(group.get_by_role("row", name=re.compile("ticket"))).to_contain_text("data.plan must be a string")
    mend = group.get_by_role("link", name="Schema of ticket").locator("visible=true")
    expect(mend).to_have_attribute("href", "/ui/signals/ticket?tab=schema")

    group.get_by_role("button", name="ticket, show events").click()
    samples = group.get_by_role("table", name="Rejected events of ticket")
    expect(samples.get_by_role("row")).to_have_count(1 + 3)
    samples.get_by_role("button").first.click()
    drawer = page.get_by_role("dialog", name="Event")
    expect(drawer.get_by_text('"plan": 7')).to_be_visible()
    expect(drawer.get_by_text("Schema violation")).to_be_visible()
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)

    group.get_by_role("button", name="Replay ticket").locator("visible=true").click()
    dialog = page.get_by_role("dialog", name="Replay ticket: schema violation")
    expect(dialog).to_contain_text("safe to run twice")
    dialog.get_by_role("button", name="Dry run").click()
    expect(dialog).to_contain_text("Of 3, 0 would pass now.")
    expect(dialog).to_contain_text("data.plan must be a string")
    with keyed(workspace.url, workspace.key) as client:
        assert client.post("/v1/signals/ticket/versions", json={"schema": {"type": "object"}}).status_code == 201
    dialog.get_by_role("button", name="Dry run").click()
    expect(dialog).to_contain_text("Of 3, 3 would pass now.")
    assert _rejected(workspace) == 3
    dialog.get_by_role("button", name="Replay").click()
    expect(dialog).to_contain_text("Of 3, 3 were replayed.")
    dialog.get_by_role("button", name="Close").last.click()
    expect(page.get_by_role("heading", name="Nothing is rejected")).to_be_visible()
    assert _statuses(workspace, "ticket") == ["processed"] * 3


def test_filters_narrow_what_is_shown_and_what_is_replayed(
    open_page: OpenPage, new_workspace: Callable[..., Shown]
) -> None:
    workspace = new_workspace()
    _late(workspace, 2, "pageViewed")
    _late(workspace, 3, "optedOut")
    page = _opened(open_page, workspace, "/ui/rejected?signal=optedOut")
    expect(page.get_by_text("3 rejected events that fit")).to_be_visible()
    expect(page.get_by_text("pageViewed")).to_have_count(0)
    page.get_by_label("Reason").select_option("schema_violation")
    expect(page).to_have_url(re.compile("reason=schema_violation"))
    expect(page.get_by_role("heading", name="Nothing that is rejected fits these filters")).to_be_visible()
    page.go_back()
    soon = page.get_by_label("Occurred before")
    soon.fill("2020-01-01T00:00")
    soon.blur()
    expect(page).to_have_url(re.compile("to=2020-01-01T00%3A00%3A00.000Z"))
    expect(page.get_by_role("heading", name="Nothing that is rejected fits these filters")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("3 rejected events that fit")).to_be_visible()

    page.get_by_role("button", name="Replay all that fit").click()
    dialog = page.get_by_role("dialog", name="Replay all that fit the filters")
    dialog.get_by_label("Lane").select_option("realtime")
    dialog.get_by_role("button", name="Dry run").click()
    expect(dialog).to_contain_text("Of 3, 0 would pass now.")
    dialog.get_by_label("Lane").select_option("migration")
    dialog.get_by_role("button", name="Replay").click()
    expect(dialog).to_contain_text("3 into the migration lane")
    until(lambda: _rejected(workspace) == 2, what="two are left")
    assert _statuses(workspace, "pageViewed") == ["rejected"] * 2


def test_ticked_events_are_replayed_alone_also_on_a_phone(
    open_page: OpenPage, new_workspace: Callable[..., Shown]
) -> None:
    workspace = new_workspace()
    _late(workspace, 3)
    page = _opened(open_page, workspace, size=NARROW)
    page.get_by_role("button", name="pageViewed, show events").click()
    page.get_by_role("checkbox").nth(1).check()
    expect(page.get_by_text("1 ticked")).to_be_visible()
    page.get_by_role("button", name="Replay ticked").click()
    dialog = page.get_by_role("dialog", name="Replay those that are ticked")
    dialog.get_by_role("button", name="Replay").click()
    expect(dialog).to_contain_text("Of 1, 1 was replayed.")
    dialog.get_by_role("button", name="Close").last.click()
    expect(page.get_by_text("2 rejected events")).to_be_visible()
    expect(page.get_by_text("1 ticked")).to_have_count(0)
    assert _rejected(workspace) == 2


def test_a_long_replay_shows_how_far_it_is_stops_and_goes_on(
    open_page: OpenPage, new_workspace: Callable[..., Shown]
) -> None:
    workspace = new_workspace()
    _late(workspace, 1_100)
    page = _opened(open_page, workspace)
    going: list[Route] = []

    page.route("**/v1/rejected/replay", lambda route: going.append(route))
    page.get_by_role("button", name="Replay all", exact=True).click()
    dialog = page.get_by_role("dialog", name="Replay everything")
    dialog.get_by_role("button", name="Dry run").click()
    expect(dialog).to_contain_text("0 of 1,100")
    dialog.get_by_role("button", name="Stop").click()
    until(lambda: page.wait_for_timeout(20) or going, what="the first page is asked for")
    going.pop().continue_()
    expect(dialog).to_contain_text("Stopped after 1,000 events.")
    page.unroute("**/v1/rejected/replay")
    dialog.get_by_role("button", name="Go on with the dry run").click()
    expect(dialog).to_contain_text("Of 1,100, 1,100 would pass now.")
    assert _rejected(workspace) == 1_100


def test_a_key_that_may_only_read_sees_why_it_cannot_replay(
    open_page: OpenPage, new_workspace: Callable[..., Shown]
) -> None:
    workspace = new_workspace()
    _late(workspace, 1)
    with keyed(workspace.url, workspace.key) as client:
        key = client.post("/v1/keys", json={"name": "looks", "scopes": ["read"]}).json()["key"]
    page = _opened(open_page, Shown(workspace.url, key, {}))
    replay = page.get_by_role("button", name="Replay all", exact=True)
    expect(replay).to_have_attribute("aria-disabled", "true")
    replay.focus()
    expect(page.get_by_text("lacks the scope admin")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
