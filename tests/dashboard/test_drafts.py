"""Unknown names become drafts by a switch in the settings; a draft is found, looked at and approved."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from browsing import NARROW, OpenPage, visit
from harness import keyed, until
from pagechecks import check_accessible, check_fits
from shown import Shown


@pytest.fixture
def own(new_workspace: Callable[..., Shown]) -> Shown:
    """A workspace that this test alone changes."""
    return new_workspace(preset=None)


def test_a_draft_is_let_in_and_approved(open_page: OpenPage, own: Shown) -> None:
    page = open_page(own)
    visit(page, "/ui/settings?tab=workspace")
    switch = page.get_by_role("switch", name="Make drafts of unknown signals")
    expect(switch).not_to_be_checked()
    switch.press("Space")
    expect(switch).to_be_checked()
    check_accessible(page)
    message = {"type": "track", "userId": "ada", "event": "Item Purchased"}
    with keyed(own.url, own.key) as client:
        assert client.post("/v1/batch", json={"batch": [message, message]}).status_code == 200
        until(lambda: client.get("/v1/rejected").json()["data"])

    visit(page, "/ui/signals")
    page.get_by_label("Active").select_option("draft")
    row = page.get_by_role("row").filter(has_text="Item Purchased")
    expect(row).to_contain_text("draft")
    row.get_by_role("link").click()
    expect(page.get_by_text("This signal waits for approval")).to_be_visible()
    check_accessible(page)
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    check_fits(page)
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("2 of 2 events that waited were taken")).to_be_visible()
    expect(page.get_by_text("This signal waits for approval")).to_have_count(0)
    with keyed(own.url, own.key) as client:
        until(lambda: client.get("/v1/profiles/user:ada").json().get("events") == 2)
        assert client.get("/v1/signals/item-purchased").json()["draft"] is False
