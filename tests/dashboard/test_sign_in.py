"""Signing in and out as people do, and what other tabs see of it."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from browsing import OpenPage, Watches, visit
from harness import keyed
from shown import Shown


def name_of(shown: Shown) -> str:
    with keyed(shown.url, shown.key) as client:
        return str(client.get("/v1/workspace").json()["name"])


def link_of(shown: Shown) -> str:
    with keyed(shown.url, shown.key) as client:
        return str(client.post("/v1/session/links").json()["url"])


def token_of(shown: Shown) -> str:
    """What stands behind the `#` of a new link."""
    return link_of(shown).partition("#")[2]


def test_a_bad_key_is_told_and_a_good_one_leads_to_where_one_wanted(signed_out: Page, filled: Shown) -> None:
    signed_out.goto("/ui/signals?q=order")
    signed_out.get_by_label("API key").fill("sk_wrong")
    signed_out.get_by_role("button", name="Sign in", exact=True).click()
    expect(signed_out.get_by_role("alert")).to_contain_text("That did not sign you in")
    signed_out.get_by_label("API key").fill(filled.key)
    signed_out.get_by_role("button", name="Sign in", exact=True).click()
    expect(signed_out.get_by_role("heading", level=1)).to_have_text("Signals")
    assert signed_out.url.endswith("/ui/signals?q=order")


def test_a_link_signs_in_once(signed_out: Page, filled: Shown, open_page: OpenPage, watch_of: Watches) -> None:
    path = f"/ui/sign-in#{token_of(filled)}"
    signed_out.goto(path)
    expect(signed_out.get_by_role("heading", level=1)).to_have_text("Live")
    assert "#" not in signed_out.url
    again = open_page(signed_in=False)
    watch_of[again.context].expect("401")
    again.goto(path)
    expect(again.get_by_role("alert")).to_contain_text("That did not sign you in")
    assert "#" not in again.url


def test_a_link_pasted_on_the_sign_in_page_signs_in(signed_out: Page, filled: Shown) -> None:
    """The browser stays on the page then: only what stands behind the `#` has changed."""
    signed_out.goto("/ui/sign-in")
    expect(signed_out.get_by_label("API key")).to_be_visible()
    signed_out.goto(f"/ui/sign-in#{token_of(filled)}")
    expect(signed_out.get_by_role("heading", level=1)).to_have_text("Live")


def test_a_link_opened_over_another_session_is_the_links(
    page: Page, filled: Shown, new_workspace: Callable[..., Shown]
) -> None:
    other = new_workspace()
    for _ in range(3):
        for shown in (other, filled):
            page.goto("/ui/settings")
            page.goto(f"/ui/sign-in#{token_of(shown)}")
            expect(page.get_by_role("heading", level=1)).to_have_text("Live")
            expect(page.get_by_role("banner")).to_contain_text(name_of(shown))
            told = page.evaluate("async () => (await (await fetch('/v1/session')).json()).workspace.name")
            assert told == name_of(shown)


def test_other_tabs_follow(page: Page, filled: Shown, new_workspace: Callable[..., Shown], watch_of: Watches) -> None:
    other = new_workspace()
    visit(page, "/ui/signals")
    tab = page.context.new_page()
    tab.goto(f"/ui/sign-in#{token_of(other)}")
    expect(tab.get_by_role("banner")).to_contain_text(name_of(other))
    expect(page.get_by_role("banner")).to_contain_text(name_of(other))
    watch_of[page.context].expect("401")
    tab.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    expect(tab.get_by_label("API key")).to_be_visible()


def test_a_revoked_key_ends_what_it_began(signed_out: Page, new_workspace: Callable[..., Shown]) -> None:
    shown = new_workspace()
    with keyed(shown.url, shown.key) as client:
        made = client.post("/v1/keys", json={"name": "guest", "scopes": ["read"]}).json()
        signed_out.goto("/ui/sign-in")
        signed_out.get_by_label("API key").fill(made["key"])
        signed_out.get_by_role("button", name="Sign in", exact=True).click()
        expect(signed_out.get_by_role("heading", level=1)).to_have_text("Live")
        assert client.delete(f"/v1/keys/{made['id']}").status_code == 204
    signed_out.goto("/ui/cohorts")
    expect(signed_out.get_by_label("API key")).to_be_visible()
