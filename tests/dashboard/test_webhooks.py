"""The main way through Webhooks: made, its secret kept, tried, looked at, replayed, paused, resumed, deleted."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from browsing import NARROW, OpenPage, Watches, settle, visit
from harness import keyed, until
from pagechecks import check_accessible, check_fits
from shown import Shown

HOOK = "https://hooks.invalid/headwater"


def _secret(page: Page) -> str:
    """What the dialog shows, which only goes once one says that it was copied."""
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It is shown this once")
    dialog.get_by_role("button", name="Copy secret").click()
    secret = str(page.evaluate("() => navigator.clipboard.readText()"))
    page.keyboard.press("Escape")
    expect(dialog).to_contain_text(secret)
    dialog.get_by_label("I have copied the secret").check()
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_have_count(0)
    assert secret.startswith("whsec_") and secret not in page.content()
    return secret


def test_a_webhooks_life(open_page: OpenPage, new_workspace: Callable[..., Shown], watch_of: Watches) -> None:
    own = new_workspace(preset=None)
    page = open_page(own, size=NARROW)
    watch_of[page.context].expect("400")
    visit(page, "/ui/webhooks")
    expect(page.get_by_text("No webhooks yet")).to_be_visible()
    page.get_by_role("button", name="New webhook").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("URL").fill("https://127.0.0.1/")
    dialog.get_by_role("button", name="Create webhook").click()
    expect(dialog).to_contain_text("must lead to a public address")
    dialog.get_by_label("URL").fill(HOOK)
    dialog.get_by_label("Description").fill("CRM")
    dialog.get_by_label("events.rejected").check()
    check_accessible(page)
    dialog.get_by_role("button", name="Create webhook").click()
    expect(dialog).to_contain_text("It is shown this once")
    check_accessible(page)
    first = _secret(page)
    page.wait_for_url("**/ui/webhooks/wh_*")
    settle(page)
    id_ = page.url.rpartition("/")[2]

    page.get_by_role("button", name="Send a ping").click()
    row = page.get_by_role("row").filter(has_text="ping")
    expect(row).to_contain_text("failed")
    row.get_by_role("button", name="ping").click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("its host cannot be resolved")
    expect(drawer).to_contain_text('"type": "ping"')
    check_accessible(page)
    drawer.get_by_role("button", name="Replay").click()
    with keyed(own.url, own.key) as client:
        (ping,) = client.get(f"/v1/webhooks/{id_}/deliveries").json()["data"]
        path = f"/v1/webhooks/{id_}/deliveries/{ping['id']}"
        until(lambda: len(client.get(path).json()["log"]) == 2, 30, "it was sent again")
    page.get_by_role("button", name="Close the delivery").click()

    page.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.get_by_text("It is paused")).to_be_visible()
    check_fits(page)
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    expect(page.get_by_text("It is paused")).to_have_count(0)
    page.get_by_role("button", name="Rotate secret").click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    assert _secret(page) != first
    expect(page.get_by_text("two sign, the old one until")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No webhooks yet")).to_be_visible()
