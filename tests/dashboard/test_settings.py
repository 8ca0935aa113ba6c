"""The page Settings: keys are made, used, rotated, revoked; the workspace is changed; the audit tells of all of it."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browsing import NARROW, OpenPage, Watches, settle, visit
from harness import keyed, until
from pagechecks import check_accessible, check_fits, check_keyboard, check_still
from shown import Shown

TABS = ["keys", "workspace", "audit", "erasures", "about"]


@pytest.fixture
def own(new_workspace: Callable[..., Shown]) -> Shown:
    """A workspace that this test alone changes."""
    return new_workspace(preset=None)


def _asked(url: str, key: str, path: str) -> Any:
    with keyed(url, key) as client:
        answer = client.get(path)
    assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
    return answer.json()


def _status(url: str, key: str) -> int:
    with keyed(url, key) as client:
        return client.get("/v1/signals").status_code


def _taken(page: Page) -> str:
    """The key that the dialog shows, which only goes once one says that it was copied."""
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It is shown this once")
    check_accessible(page)
    dialog.get_by_role("button", name="Copy key").click()
    key = str(page.evaluate("() => navigator.clipboard.readText()"))
    page.mouse.click(5, 5)
    page.keyboard.press("Escape")
    expect(dialog).to_contain_text(key)
    expect(dialog.get_by_role("button", name="Done")).to_be_disabled()
    dialog.get_by_label("I have copied the key").check()
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_have_count(0)
    assert key not in page.content()
    return key


def test_a_key_is_made_used_rotated_and_revoked_and_the_audit_tells_it(open_page: OpenPage, own: Shown) -> None:
    page = open_page(own)
    visit(page, "/ui/settings")
    expect(page.get_by_role("row").filter(has_text="signed in with")).to_have_count(1)
    page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("checkbox", name="operator")).to_have_count(0)
    dialog.get_by_label("Name").fill("reports")
    dialog.get_by_role("checkbox", name="ingest").uncheck()
    expect(dialog.get_by_role("button", name="Create key")).to_be_disabled()
    dialog.get_by_role("checkbox", name="read").check()
    dialog.get_by_label("Expires").select_option(label="In 30 days")
    dialog.get_by_role("button", name="Create key").click()
    first = _taken(page)
    assert _status(own.url, first) == 200
    listed = {each["name"]: each for each in _asked(own.url, own.key, "/v1/keys")["data"]}
    assert listed["reports"]["scopes"] == ["read"] and listed["reports"]["expires_at"]

    page.get_by_role("button", name="Rotate reports").click()
    page.get_by_role("dialog").get_by_label("How long the old one still works").select_option("0")
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    second = _taken(page)
    assert (_status(own.url, first), _status(own.url, second)) == (401, 200)

    settle(page)
    page.get_by_role("button", name="Revoke reports").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert _status(own.url, second) == 401
    expect(page.get_by_role("row").filter(has_text="revoked")).not_to_have_count(0)
    expect(page.get_by_role("button", name="Revoke reports")).to_have_count(0)

    page.get_by_role("tab", name="Audit log").click()
    table = page.get_by_role("table")
    for words in ("made a key", "rotated a key", "revoked a key", "signed in"):
        expect(table.get_by_role("row").filter(has_text=words)).not_to_have_count(0)
    expect(table.get_by_role("row").filter(has_text="made a key")).to_contain_text("name: reports, scopes: read")
    page.get_by_label("Find in what is loaded").fill("rotated")
    expect(table.get_by_role("row")).to_have_count(2)
    expect(page.get_by_role("main")).to_contain_text("headwater doctor")


def test_revoking_ones_own_key_warns_and_ends_the_session(open_page: OpenPage, own: Shown, watch_of: Watches) -> None:
    with keyed(own.url, own.key) as client:
        key = client.post("/v1/keys", json={"name": "mine", "scopes": ["read", "admin"]}).json()["key"]
    page = open_page(Shown(own.url, key, {}))
    visit(page, "/ui/settings")
    page.get_by_role("button", name="Revoke mine").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("You are signed in with it")
    watch_of[page.context].expect("401")
    dialog.get_by_role("button", name="Revoke and sign out").click()
    page.wait_for_url("**/ui/sign-in**")
    assert _status(own.url, key) == 401


def test_a_key_that_may_only_read_sees_why_it_cannot_change(open_page: OpenPage, own: Shown) -> None:
    with keyed(own.url, own.key) as client:
        key = client.post("/v1/keys", json={"name": "reader", "scopes": ["read"]}).json()["key"]
    page = open_page(Shown(own.url, key, {}))
    visit(page, "/ui/settings")
    button = page.get_by_role("button", name="New key")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.focus()
    expect(page.get_by_role("tooltip")).to_contain_text("lacks the scope admin")
    button.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_workspace_is_changed_and_read_back(open_page: OpenPage, own: Shown, watch_of: Watches) -> None:
    page = open_page(own)
    watch_of[page.context].expect("status of 400")
    visit(page, "/ui/settings?tab=workspace")
    page.get_by_label("Default region").fill("xx")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("default_region")
    page.get_by_label("Default region").fill("in")
    page.get_by_label("Never connect").fill("store@example.com\n\n+19999999999\nstore@example.com")
    page.get_by_label("Most identities of one profile").fill("50")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    told = _asked(own.url, own.key, "/v1/workspace")
    assert (told["default_region"], told["max_identities"]) == ("IN", 50)
    assert told["never_connect"] == ["email:store@example.com", "phone:+19999999999"]
    page.reload()
    settle(page)
    expect(page.get_by_label("Never connect")).to_have_value("email:store@example.com\nphone:+19999999999")
    page.get_by_label("Default region").fill("")
    page.get_by_role("button", name="Save").click()
    until(lambda: _asked(own.url, own.key, "/v1/workspace")["default_region"] is None)


def test_erasures_are_told(open_page: OpenPage, own: Shown) -> None:
    page = open_page(own)
    visit(page, "/ui/settings?tab=erasures")
    expect(page.get_by_role("main")).to_contain_text("Nobody was erased")
    with keyed(own.url, own.key) as client:
        client.post("/v1/signals", json={"name": "Seats", "type": "event"})
        event = {"signal": "seats", "identity": {"type": "account", "id": "A1"}, "data": {}}
        client.post("/v1/events/batch", json={"events": [event]})
        until(lambda: client.get("/v1/profiles/account:A1").is_success)
        asked = client.delete("/v1/profiles/account:A1")
    assert asked.status_code == 202, asked.text
    page.reload()
    settle(page)
    expect(page.get_by_role("row").filter(has_text=asked.json()["id"])).to_be_visible()


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_fits_a_phone_is_accessible_and_stands_still(open_page: OpenPage, filled: Shown, tab: str) -> None:
    page = open_page(size=NARROW)
    visit(page, f"/ui/settings?tab={tab}")
    check_still(page)
    check_fits(page)
    check_accessible(page)
    page.emulate_media(color_scheme="dark")
    check_accessible(page)
    wide = open_page()
    visit(wide, f"/ui/settings?tab={tab}")
    check_keyboard(wide)


def test_hostile_names_stay_in_their_boxes(open_page: OpenPage, own: Shown) -> None:
    names = ["<img src=x onerror=alert(1)>", "\u202e" + "evil" * 49, "x" * 200, "{{constructor}}"]
    with keyed(own.url, own.key) as client:
        for name in names:
            assert client.post("/v1/keys", json={"name": name}).status_code == 201
    page = open_page(own, size=NARROW)
    for tab in ("keys", "audit"):
        visit(page, f"/ui/settings?tab={tab}")
        for name in names:
            expect(page.get_by_role("table")).to_contain_text(name)
        check_fits(page)


def test_about_tells_the_version_and_leads_on(page: Page, filled: Shown) -> None:
    visit(page, "/ui/settings?tab=about")
    version = _asked(filled.url, filled.key, "/openapi.json")["info"]["version"]
    expect(page.get_by_role("main")).to_contain_text(version)
    expect(page.get_by_role("main").get_by_role("link", name="API reference")).to_have_attribute("href", "/docs")
