"""The pages Signals and Signal: a signal is made, limited, archived; its schema edited, tried, published, compared."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from browsing import NARROW, OpenPage, Watches, settle, visit
from harness import keyed, until
from pagechecks import check_accessible, check_fits, check_keyboard
from shown import Shown

TEXT = "Schema as JSON"


@pytest.fixture
def own(new_workspace: Callable[..., Shown]) -> Shown:
    """A workspace that this test alone changes."""
    return new_workspace(preset=None)


def _sent(answer: httpx.Response) -> Any:
    assert answer.is_success, f"{answer.request.url}: {answer.status_code} {answer.text}"
    return answer.json() if answer.content else None


def _made(shown: Shown, *data: dict[str, Any], **body: Any) -> None:
    """A signal `seats`, and events of it that were processed."""
    with keyed(shown.url, shown.key) as client:
        _sent(client.post("/v1/signals", json={"name": "Seats", "type": "event", **body}))
        if data:
            identity = {"type": "account", "id": "A1"}
            events = [{"signal": "seats", "identity": identity, "data": each} for each in data]
            _sent(client.post("/v1/events/batch", json={"events": events}))
            asked = {"signal": "seats", "status": "processed"}
            until(lambda: len(_sent(client.get("/v1/events", params=asked))["data"]) == len(data))


def _asked(shown: Shown, path: str) -> Any:
    with keyed(shown.url, shown.key) as client:
        return _sent(client.get(path))


def _shown_json(page: Page) -> Any:
    return json.loads(page.get_by_label(TEXT).input_value())


# --- the list ------------------------------------------------------------------------------------------------------


def test_the_list_tells_how_busy_each_is_and_finds_and_sorts_them(page: Page, filled: Shown) -> None:
    visit(page, "/ui/signals")
    slugs = page.get_by_role("cell").get_by_role("link")
    known = _asked(filled, "/v1/signals?limit=1000")["data"]
    expect(slugs).to_have_count(len(known))
    activity = {each["signal"]: each for each in _asked(filled, "/v1/activity?hours=24")["data"]}
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="productViewed", exact=True))
    seen = activity["productViewed"]
    total = sum(seen["processed"]) + sum(seen["rejected"])
    expect(row.get_by_role("img")).to_have_accessible_name(
        f"{total:,} events in the last 24 hours, {sum(seen['rejected']):,} of them rejected"
    )
    page.get_by_role("button", name="Last 24 h").click()
    expect(page.get_by_role("columnheader", name="Last 24 h")).to_have_attribute("aria-sort", "descending")
    volume = {slug: sum(each["processed"]) + sum(each["rejected"]) for slug, each in activity.items()}
    expect(slugs.first).to_have_text(max(volume, key=lambda slug: volume[slug]))
    page.get_by_label("Type").select_option("state")
    expect(slugs).to_have_count(sum(each["type"] == "state" for each in known))
    page.get_by_label("Search").fill("health")
    expect(slugs).to_have_text(["health-score"])
    assert "q=health" in page.url and "type=state" in page.url and "sort=-volume" in page.url
    page.reload()
    settle(page)
    expect(slugs).to_have_text(["health-score"])


def test_a_signal_is_made_limited_and_archived(open_page: OpenPage, own: Shown) -> None:
    page = open_page(own)
    visit(page, "/ui/signals")
    expect(page.get_by_role("main")).to_contain_text("curl")
    page.get_by_role("button", name="New signal").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("API Calls — daily")
    expect(dialog.get_by_role("status")).to_contain_text("api-calls-daily")
    dialog.get_by_role("radio", name="Metric").check()
    dialog.get_by_role("button", name="Create signal").click()
    expect(dialog).to_contain_text("Say where in data it stands.")
    dialog.get_by_label("Value path").fill("usage.calls")
    dialog.get_by_label("Aggregation").select_option("max")
    dialog.get_by_role("radio", name="A number").check()
    dialog.get_by_label("Events a minute").fill("40")
    dialog.get_by_label("Keep for days").fill("30")
    dialog.get_by_role("button", name="Create signal").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("API Calls — daily")
    made = _asked(own, "/v1/signals/api-calls-daily")
    wanted = {"type": "metric", "aggregation": "max", "period": "day", "value": "usage.calls", "rate_limit": 40}
    assert wanted.items() <= made.items() and made["retention_days"] == 30 and made["enforcement"] == "quarantine"

    page.get_by_role("tab", name="Settings").click()
    page.get_by_label("Events a minute").fill("55")
    page.get_by_label("Keep for days").fill("")
    page.get_by_role("switch", name="Active").press("Space")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    changed = _asked(own, "/v1/signals/api-calls-daily")
    assert (changed["rate_limit"], changed["retention_days"], changed["active"]) == (55, None, False)
    page.get_by_role("radio", name="None", exact=True).check()
    page.get_by_role("button", name="Save").click()
    until(lambda: _asked(own, "/v1/signals/api-calls-daily")["rate_limit"] is None)

    page.get_by_role("button", name="Archive this signal").click()
    archive = page.get_by_role("dialog").get_by_role("button", name="Archive", exact=True)
    expect(archive).to_be_disabled()
    page.get_by_role("dialog").get_by_role("textbox").fill("api-calls-daily")
    archive.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Signals")
    expect(page.get_by_text("No signals yet")).to_be_visible()
    assert _asked(own, "/v1/signals")["data"] == []


def test_how_near_a_limit_is_is_told_as_events_come(open_page: OpenPage, own: Shown) -> None:
    if (second := time.time() % 60) > 25:
        time.sleep(61 - second)  # what is told is of the present minute: it must last until the page has looked
    _made(own, {"seats": 1}, {"seats": 2}, {"seats": 3}, rate_limit=1000)
    page = open_page(own)
    visit(page, "/ui/signals/seats")
    bar = page.get_by_role("progressbar", name="of this minute's limit used")
    expect(bar).to_have_attribute("aria-label", "seats: 3 of 1,000 events of this minute's limit used")
    expect(page.get_by_role("img", name="Events by the hour: 3 processed and 0 rejected")).to_be_visible()


# --- schemas -------------------------------------------------------------------------------------------------------


def test_a_schema_is_made_from_events_tried_published_and_compared(open_page: OpenPage, own: Shown) -> None:
    _made(own, {"seats": 5, "plan": "free"}, {"seats": 7, "plan": "team"}, {"seats": 9})
    page = open_page(own)
    visit(page, "/ui/signals/seats?tab=schema")
    page.get_by_role("button", name="the newest events").click()
    expect(page.get_by_text("Made from the newest 3 events")).to_be_visible()
    schema = _shown_json(page)
    assert schema["required"] == ["seats"] and schema["properties"]["plan"] == {"type": "string"}
    page.get_by_role("button", name="Check against recent events").click()
    expect(page.get_by_text("All of the newest 3 events fit.")).to_be_visible()
    page.get_by_role("button", name="Publish…").click()
    page.get_by_role("dialog").get_by_role("button", name="Publish version 1").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert _asked(own, "/v1/signals/seats/versions/1")["schema"] == schema

    # A stricter one, by the form; a keyword that the form does not know, by the text.
    text = json.dumps({**schema, "x-owner": "sales"})
    page.get_by_label(TEXT).fill(text)
    page.get_by_role("group", name="Field plan", exact=True).get_by_label("Required").check()
    page.get_by_role("button", name="Details of seats").click()
    page.get_by_role("group", name="Field seats", exact=True).get_by_label("Least").fill("6")
    page.get_by_role("button", name="Publish…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 of the newest 3 events would not fit; 1 would.")
    expect(dialog).to_contain_text("Senders may break")
    expect(dialog.get_by_role("row").filter(has_text="plan")).to_contain_text("is required")
    expect(dialog.get_by_role("row").filter(has_text="seats")).to_contain_text("must be at least 6")
    event = dialog.get_by_role("link").first.get_attribute("href") or ""
    assert _asked(own, f"/v1/events/{event.rsplit('/', 1)[1]}")["signal"] == "seats"
    check_accessible(page)
    dialog.get_by_role("button", name="Publish all the same").click()
    expect(dialog).to_have_count(0)
    second = _asked(own, "/v1/signals/seats/versions/2")["schema"]
    assert second["x-owner"] == "sales" and second["required"] == ["seats", "plan"]
    assert second["properties"]["seats"] == {"type": "integer", "minimum": 6}

    differences = page.get_by_role("region", name="Differences")
    expect(differences.get_by_label("From")).to_have_value("1")
    expect(differences.get_by_label("To")).to_have_value("2")
    expect(differences.get_by_role("list", name="What changed")).to_contain_text("plan: now required")
    expect(differences.get_by_role("list", name="Changed lines")).to_contain_text('added:       "minimum": 6,')
    differences.get_by_label("To").select_option("1")
    expect(differences).to_contain_text("They say the same.")


def test_a_text_that_is_no_json_is_told_by_line_and_column(open_page: OpenPage, own: Shown, watch_of: Watches) -> None:
    _made(own)
    page = open_page(own)
    watch_of[page.context].expect("status of 400")
    visit(page, "/ui/signals/seats?tab=schema")
    area = page.get_by_label(TEXT)
    area.fill('{\n  "type": "object",\n  "required": [seats]\n}')
    expect(page.get_by_role("button", name="Line 3, column 16")).to_be_visible()
    expect(area).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("group", name="Field")).to_have_count(0)
    expect(page.get_by_role("button", name="Check against recent events")).to_be_disabled()
    page.get_by_role("button", name="Line 3, column 16").click()
    page.keyboard.type('"')
    assert '["eats]' in area.input_value()
    area.fill('{"type": "object", "properties": {"a": {"type": "nothing"}}}')
    page.get_by_role("button", name="Check against recent events").click()
    expect(page.get_by_role("alert")).to_contain_text("schema.properties.a.type")
    assert _asked(own, "/v1/signals/seats/versions")["data"] == []


def test_tab_indents_for_who_writes_and_leaves_after_escape(open_page: OpenPage, own: Shown) -> None:
    _made(own)
    page = open_page(own)
    visit(page, "/ui/signals/seats?tab=schema")
    area = page.get_by_label(TEXT)
    area.fill("")
    area.press_sequentially("{")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert area.input_value() == "{\n    "
    page.keyboard.press("Shift+Tab")
    assert area.input_value() == "{\n  "
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(area).not_to_be_focused()
    assert area.input_value() == "{\n  "


def test_the_schema_can_be_edited_on_a_phone_and_by_the_keyboard(open_page: OpenPage, own: Shown) -> None:
    _made(own)
    hostile = {"type": "object", "properties": {"<img src=x onerror=alert(1)>": {}, "\u202egnol" + "x" * 300: True}}
    with keyed(own.url, own.key) as client:
        _sent(client.post("/v1/signals/seats/versions", json={"schema": hostile}))
    page = open_page(own, size=NARROW)
    visit(page, "/ui/signals/seats?tab=schema")
    expect(page.get_by_role("group", name="Field")).to_have_count(2)
    for button in page.get_by_role("button", name="Details of").all():
        button.click()
    check_fits(page)
    check_accessible(page)
    page.get_by_text("JSON", exact=True).click()
    assert _shown_json(page) == hostile
    check_fits(page)
    check_accessible(page)
    wide = open_page(own)
    visit(wide, "/ui/signals/seats?tab=schema")
    check_keyboard(wide)


def test_a_signal_of_the_catalogue_says_that_its_words_are_shared(page: Page) -> None:
    visit(page, "/ui/signals/ordered")
    expect(page.get_by_role("main")).to_contain_text("BIK's clients share")
