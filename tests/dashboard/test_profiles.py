"""The main way through Profiles: found, looked at, taken apart, erased; each checked by the API."""

import re
from typing import Any

from playwright.sync_api import Page, expect

from browsing import OpenPage, visit
from harness import keyed, until
from shown import Shown

BIK = "/integrations/bikPlatformFunctions-events/sendEvents"


def send(shown: Shown, *events: dict[str, Any]) -> None:
    with keyed(shown.url, shown.key) as client:
        answer = client.post(BIK, json={"events": list(events)})
        assert answer.status_code == 200, answer.text
        until(lambda: not any(lane["events"] for lane in client.get("/v1/pipelines").json()["data"]), 30)


def ordered(name: str, order: str, **who: str) -> dict[str, Any]:
    return {"name": name, **who, "eventName": "ordered", "eventProperties": {"orderId": order}}


def profile(shown: Shown, key: str) -> Any:
    with keyed(shown.url, shown.key) as client:
        return client.get(f"/v1/profiles/{key}")


def test_somebody_is_found_by_the_beginning_of_an_address(page: Page, filled: Shown) -> None:
    person = filled.facts["person"]
    told = profile(filled, person).json()
    visit(page, "/ui/profiles")
    page.get_by_label("Find").fill(person.removeprefix("email:")[:8])
    row = page.get_by_role("row").filter(has_text=person)
    row.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(told["name"])
    expect(page.get_by_role("row").filter(has_text="Events")).to_contain_text(str(told["events"]))
    for cohort in told["cohorts"]:
        expect(page.get_by_role("link", name=cohort["name"])).to_be_visible()


def test_nobody_of_that_name(page: Page) -> None:
    visit(page, "/ui/profiles?q=nobody-at-all")
    expect(page.get_by_role("status")).to_contain_text("Nobody is known as nobody-at-all")
    expect(page.get_by_label("Find")).to_have_value("nobody-at-all")


def test_all_tabs_of_an_account(page: Page, filled: Shown) -> None:
    account = filled.facts["account"]
    told = profile(filled, account).json()
    visit(page, f"/ui/profiles/{account.replace(':', '%3A')}")
    events = page.get_by_title("The whole event")
    expect(events.first).to_be_visible()
    page.get_by_role("tab", name="states").click()
    for slug in told["states"]:
        expect(page.get_by_role("row").filter(has_text=slug).first).to_be_visible()
    page.get_by_role("tab", name="metrics").click()
    for slug in told["metrics"]:
        expect(page.get_by_role("heading", name=slug)).to_be_visible()
        expect(page.get_by_role("img", name=re.compile(f"^{slug} by"))).to_be_visible()
    page.go_back()
    expect(page.get_by_role("tab", name="states")).to_have_attribute("aria-selected", "true")


def test_two_people_taken_apart_again(open_page: OpenPage, new_workspace: Any) -> None:
    shown = new_workspace()
    send(shown, ordered("Ada", "1", email="ada@tab.example"), ordered("Bob", "2", phoneNumber="+19494572011"))
    send(shown, ordered("Ada", "3", email="ada@tab.example", phoneNumber="+19494572011"))
    page = open_page(shown)
    visit(page, "/ui/profiles/email%3Aada%40tab.example?tab=identities")
    page.get_by_role("button", name="Unmerge phone:+19494572011").click()
    page.get_by_role("dialog").get_by_role("button", name="Unmerge").click()
    expect(page.get_by_role("heading", name="Kept apart")).to_be_visible()
    expect(page.get_by_text("an unmerge cut the two apart")).to_be_visible()
    assert [each["id"] for each in profile(shown, "email:ada@tab.example").json()["identities"]] == ["ada@tab.example"]
    assert profile(shown, "phone:+19494572011").json()["name"] == "Bob"


def test_a_person_is_erased_only_when_typed(open_page: OpenPage, new_workspace: Any) -> None:
    shown = new_workspace()
    send(shown, ordered("Cy", "1", email="cy@tab.example"), ordered("Di", "2", email="di@tab.example"))
    page = open_page(shown)
    visit(page, "/ui/profiles/email%3Acy%40tab.example")
    page.get_by_role("button", name="Erase").click()
    dialog = page.get_by_role("dialog")
    erase = dialog.get_by_role("button", name="Erase for good")
    expect(erase).to_be_disabled()
    dialog.get_by_label(re.compile("Type")).fill("email:cy@tab.exampl")
    expect(erase).to_be_disabled()
    dialog.get_by_label(re.compile("Type")).fill("email:cy@tab.example")
    erase.click()
    page.wait_for_url("**/ui/settings?tab=erasures")
    until(lambda: profile(shown, "email:cy@tab.example").status_code == 404, 30)
    assert profile(shown, "email:di@tab.example").status_code == 200


def test_who_may_only_read_cannot_erase(open_page: OpenPage, filled: Shown) -> None:
    with keyed(filled.url, filled.key) as client:
        key = client.post("/v1/keys", json={"name": "looks only", "scopes": ["read"]}).json()["key"]
    page = open_page(Shown(filled.url, key, filled.facts))
    visit(page, f"/ui/profiles/{filled.facts['person'].replace(':', '%3A')}?tab=identities")
    expect(page.get_by_role("button", name="Erase")).to_be_disabled()
    expect(page.get_by_role("button", name=re.compile("^Unmerge")).first).to_be_disabled()
