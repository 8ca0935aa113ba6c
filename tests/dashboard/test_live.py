"""The page Live: events show themselves as they come, one can stop them, narrow them, and look into each."""

import re
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

from browsing import NARROW, OpenPage, Watches, visit
from harness import keyed
from headwater.clock import now_ms, to_iso
from shown import Shown

BIK = "/integrations/bikPlatformFunctions-events/sendEvents"
HOUR_MS = 3_600_000


def _viewed(who: str, **fields: Any) -> dict[str, Any]:
    properties = {"productId": "p-1", "variantId": "v-1"}
    return {"email": f"{who}@live.example", "eventName": "productViewed", "eventProperties": properties, **fields}


def _send(workspace: Shown, *events: dict[str, Any]) -> str:
    """The batch's id."""
    with keyed(workspace.url, workspace.key) as client:
        answer = client.post(BIK, json={"events": events})
    assert answer.status_code == 200, answer.text
    return str(answer.headers["headwater-batch"])


def _send_signal(workspace: Shown, slug: str, account: str) -> None:
    with keyed(workspace.url, workspace.key) as client:
        if client.get(f"/v1/signals/{slug}").status_code == 404:
            assert client.post("/v1/signals", json={"name": slug, "slug": slug, "type": "event"}).status_code == 201
        event = {"signal": slug, "identity": {"type": "account", "id": account}, "data": {"page": "/"}}
        assert client.post("/v1/events/batch", json={"events": [event]}).status_code == 200


def _rows(page: Page) -> Locator:
    return page.get_by_role("grid", name="Events, newest first").locator("tbody").get_by_role("row")


def _row(page: Page, who: str) -> Locator:
    return _rows(page).filter(has_text=who)


def _field(page: Page, label: str) -> Locator:
    return (
        page.get_by_role("search", name="Filters").get_by_label(label, exact=True).and_(page.locator("input, select"))
    )


def _watching(open_page: OpenPage, workspace: Shown, path: str = "/ui/", **options: Any) -> Page:
    """The page, when its stream is live."""
    page = open_page(workspace, **options)
    visit(page, path)
    expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    return page


def test_the_first_event_takes_the_place_of_how_to_send_one(
    open_page: OpenPage, new_workspace: Callable[..., Shown]
) -> None:
    workspace = new_workspace()
    page = _watching(open_page, workspace)
    expect(page.get_by_text(re.compile("curl .*sendEvents")).first).to_be_visible()
    _send(workspace, _viewed("first"))
    expect(_row(page, "first@live.example")).to_contain_text("processed")
    expect(page.get_by_text(re.compile("curl .*sendEvents"))).to_have_count(0)


def test_events_of_both_dialects_come_with_their_outcome(
    open_page: OpenPage, new_workspace: Callable[..., Shown]
) -> None:
    workspace = new_workspace()
    page = _watching(open_page, workspace)
    _send(workspace, _viewed("now"), _viewed("late", createdAt=to_iso(now_ms() - 5 * HOUR_MS)))
    _send(workspace, _viewed("old", createdAt=to_iso(now_ms() - 500 * HOUR_MS), isMigration=True))
    _send_signal(workspace, "docs-read", "42")
    expect(_row(page, "email:now@")).to_contain_text(re.compile("productViewed.*processed.*realtime.*bik"))
    expect(_row(page, "email:late@")).to_contain_text(re.compile("rejected.*outside realtime window.*realtime"))
    expect(_row(page, "email:old@")).to_contain_text(re.compile("processed.*migration"))
    expect(_row(page, "account:42")).to_contain_text(re.compile("docs-read.*processed.*bigmind"))
    expect(_row(page, "email:now@").locator("time")).to_have_attribute("title", re.compile(r"Received 20.*\d UTC"))
    with keyed(workspace.url, workspace.key) as client:
        for who, status in (("now@", "processed"), ("late@", "rejected")):
            id = _row(page, f"email:{who}").get_attribute("data-id")
            assert client.get(f"/v1/events/{id}").json()["status"] == status
    page.reload()  # what came before the stream is there, too
    expect(_row(page, "email:late@")).to_contain_text("rejected")


def test_filters_are_asked_of_the_server_and_kept_in_the_address(
    open_page: OpenPage, new_workspace: Callable[..., Shown]
) -> None:
    workspace = new_workspace()
    page = _watching(open_page, workspace)
    _field(page, "Outcome").select_option("rejected")
    expect(page).to_have_url(re.compile("status=rejected"))
    expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    _send(workspace, _viewed("good"), _viewed("bad", createdAt=to_iso(now_ms() - 5 * HOUR_MS)))
    expect(_row(page, "bad@")).to_be_visible()
    expect(_rows(page)).to_have_count(1)
    page.get_by_role("button", name="Clear filters").click()
    expect(_rows(page)).to_have_count(2)

    _field(page, "Signal").click()
    page.get_by_role("option", name="pageViewed").wait_for()  # what can be searched took the place of what was clicked
    _field(page, "Signal").fill("pageV")
    page.get_by_role("option", name="pageViewed").click()
    expect(page).to_have_url(re.compile("signal=pageViewed"))
    expect(_rows(page)).to_have_count(0)
    page.get_by_role("button", name="Clear filters").click()

    identity = _field(page, "Identity")
    identity.fill("nobody")
    identity.press("Enter")
    expect(page.get_by_text("type:id, as in account:42")).to_be_visible()
    identity.fill("email:GOOD@live.example")
    identity.press("Enter")
    expect(_rows(page)).to_have_count(1)
    page.reload()
    expect(_row(page, "good@")).to_be_visible()
    expect(_rows(page)).to_have_count(1)
    page.go_back()
    expect(_rows(page)).to_have_count(2)


def test_paused_nothing_moves_and_one_sees_how_much_came(
    open_page: OpenPage, new_workspace: Callable[..., Shown]
) -> None:
    workspace = new_workspace()
    _send(workspace, _viewed("before"))
    page = _watching(open_page, workspace)
    expect(_rows(page)).to_have_count(1)
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    _send(workspace, *(_viewed(f"meanwhile{n}") for n in range(3)))
    expect(page.get_by_role("button", name="3 new")).to_be_visible()
    expect(_rows(page)).to_have_count(1)
    page.keyboard.press(" ")
    expect(_rows(page)).to_have_count(4)
    expect(page.get_by_role("button", name="3 new")).to_have_count(0)
    _field(page, "Identity").press("p")  # typed, not meant
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_what_one_reads_further_down_does_not_move(open_page: OpenPage, new_workspace: Callable[..., Shown]) -> None:
    workspace = new_workspace()
    _send(workspace, *(_viewed(f"early{n:02}") for n in range(50)))
    page = _watching(open_page, workspace)
    expect(page.get_by_text("50 listed")).to_be_visible()
    _rows(page).nth(3).hover()
    page.mouse.wheel(0, 900)
    row = _row(page, "early").nth(12)
    expect(row).to_be_in_viewport()
    who = row.inner_text()
    page.wait_for_timeout(100)
    place = row.bounding_box()
    _send(workspace, *(_viewed(f"new{n}") for n in range(5)))
    expect(page.get_by_role("button", name="5 new")).to_be_visible()
    same = _rows(page).filter(has_text=re.search(r"early\d\d", who).group())  # type: ignore[union-attr]
    assert same.bounding_box() == place
    page.get_by_role("button", name="5 new").click()
    expect(_row(page, "new4@")).to_be_in_viewport()


def test_an_event_opens_by_the_keyboard_with_its_trace_and_its_batch(
    open_page: OpenPage, new_workspace: Callable[..., Shown]
) -> None:
    workspace = new_workspace()
    batch = _send(workspace, _viewed("looked"), _viewed("with", createdAt=to_iso(now_ms() - 5 * HOUR_MS)))
    page = _watching(open_page, workspace)
    expect(_rows(page)).to_have_count(2)
    _rows(page).first.focus()
    page.keyboard.press("ArrowDown")
    expect(_rows(page).nth(1)).to_be_focused()
    page.keyboard.press("Home")
    id = _rows(page).first.get_attribute("data-id")
    late = "with@" in _rows(page).first.inner_text()
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog", name="Event")
    expect(page).to_have_url(re.compile(f"event={id}"))
    expect(drawer.get_by_text('"productId": "p-1"')).to_be_visible()
    expect(drawer.get_by_text(re.compile(f"acknowledged in batch {batch}"))).to_be_visible()
    expect(
        drawer.get_by_text("rejected with outside_realtime_window" if late else "its data fit version 1")
    ).to_be_visible()
    drawer.get_by_role("button", name="Events of the same batch").click()
    drawer.get_by_role("button", name=re.compile("productViewed")).and_(drawer.locator(":enabled")).click()
    expect(page).not_to_have_url(re.compile(f"event={id}"))
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)

    page.goto(f"/ui/events/{id}")
    expect(page.get_by_role("heading", level=1, name="Event")).to_be_visible()
    expect(page.get_by_text('"productId": "p-1"')).to_be_visible()
    page.get_by_role("link", name="productViewed").click()
    expect(page).to_have_url(re.compile("/ui/signals/productViewed"))


_KEYS_IN_ONE_FRAME = """
(row, keys) => keys.forEach((key) => row.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })))
"""


def test_keys_quicker_than_frames_mean_the_row_that_was_gone_to(
    open_page: OpenPage, new_workspace: Callable[..., Shown]
) -> None:
    workspace = new_workspace()
    _send(workspace, *[_viewed(f"quick{place}") for place in range(4)])
    page = _watching(open_page, workspace)
    expect(_rows(page)).to_have_count(4)
    for keys, place in ((["ArrowDown", "ArrowDown"], 2), (["End", "ArrowUp"], 2), (["End", "Home"], 0)):
        _rows(page).first.focus()
        _rows(page).first.evaluate(_KEYS_IN_ONE_FRAME, keys)
        expect(_rows(page).nth(place)).to_be_focused()
    id = _rows(page).nth(3).get_attribute("data-id")
    _rows(page).first.evaluate(_KEYS_IN_ONE_FRAME, ["End", "Enter"])
    expect(page).to_have_url(re.compile(f"event={id}"))


def test_on_a_phone_an_event_takes_the_whole_window(open_page: OpenPage, new_workspace: Callable[..., Shown]) -> None:
    workspace = new_workspace()
    _send(workspace, _viewed("small", createdAt=to_iso(now_ms() - 5 * HOUR_MS)))
    page = _watching(open_page, workspace, size=NARROW)
    _row(page, "small@").click()
    drawer = page.get_by_role("dialog", name="Event")
    expect(drawer.get_by_text("Outside realtime window")).to_be_visible()
    box = drawer.bounding_box()
    assert box is not None
    assert (box["x"], box["width"]) == (0, NARROW.width)


def test_a_stream_that_breaks_off_is_taken_up_again(
    open_page: OpenPage, new_workspace: Callable[..., Shown], watch_of: Watches
) -> None:
    workspace = new_workspace()
    _send(workspace, _viewed("before"))
    page = open_page(workspace)
    watch_of[page.context].expect("503")
    away = '{"title": "Service Unavailable", "status": 503, "detail": "the engine starts"}'
    page.route(
        "**/v1/live?*", lambda route: route.fulfill(status=503, body=away, content_type="application/problem+json")
    )
    visit(page, "/ui/")
    expect(page.get_by_role("status").filter(has_text="Engine away")).to_be_visible()
    expect(_row(page, "before@")).to_be_visible()
    page.unroute("**/v1/live?*")
    expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    _send(workspace, _viewed("after"))
    expect(_row(page, "after@")).to_be_visible()


def test_a_tab_that_nobody_sees_does_not_listen(open_page: OpenPage, new_workspace: Callable[..., Shown]) -> None:
    workspace = new_workspace()
    _send(workspace, _viewed("before"))
    page = _watching(open_page, workspace)
    streams: list[str] = []
    page.on("request", lambda request: streams.append(request.url) if "/v1/live" in request.url else None)
    hide = """hidden => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true })
      document.dispatchEvent(new Event("visibilitychange"))
    }"""
    page.evaluate(hide, True)
    _send(workspace, _viewed("unseen"))
    time.sleep(1.0)
    expect(_row(page, "unseen@")).to_have_count(0)
    page.evaluate(hide, False)
    expect(_row(page, "unseen@")).to_be_visible()
    assert len(streams) == 1
