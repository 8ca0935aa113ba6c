"""Cohorts in the dashboard: built by hand and by the keyboard, looked at live, explained, exported."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from browsing import NARROW, OpenPage, Watch, Watches, settle, visit
from harness import keyed
from headwater.clock import now_ms, to_iso
from pagechecks import check_accessible, check_fits
from shown import Shown

NEW = "/ui/cohorts/new"
EVENTS = "/integrations/bikPlatformFunctions-events/sendEvents"


def told(answer: httpx.Response) -> Any:
    assert answer.is_success, f"{answer.request.url}: {answer.status_code} {answer.text}"
    return answer.json()


def previewed(of: Shown, definition: Any) -> int:
    with keyed(of.url, of.key) as client:
        return int(told(client.post("/v1/cohorts/preview", json={"definition": definition}))["size"])


def created(of: Shown, definition: Any) -> dict[str, Any]:
    with keyed(of.url, of.key) as client:
        name = f"made {uuid4().hex[:8]}"
        return dict(told(client.post("/v1/cohorts", json={"name": name, "definition": definition})))


def add(group: Page | Locator, page: Page, kind: str) -> None:
    """Adds a condition by the last button of a group."""
    group.get_by_role("button", name="Add condition").last.click()
    page.get_by_role("menuitem", name=kind).click()


def choose(row: Locator, page: Page, label: str, signal: str) -> None:
    row.get_by_role("combobox", name=label, exact=True).fill(signal)
    page.get_by_role("option", name=signal).first.click()


def row(page: Page, begins: str) -> Locator:
    """The condition whose sentence begins so."""
    return page.locator(f'fieldset[aria-label^="Condition: {begins}"]')


def in_json(page: Page) -> Any:
    page.get_by_role("tab", name="JSON").click()
    definition = json.loads(page.get_by_label("Definition").input_value())
    page.get_by_role("tab", name="Builder").click()
    return definition


def shown_size(page: Page, region: str, size: int) -> None:
    expect(page.get_by_role("region", name=region).locator(f'[data-size="{size}"]')).to_be_visible()


WANTED = {
    "subject": "person",
    "where": {
        "all": [
            {
                "performed": "purchasedAProduct",
                "count": {">=": 2},
                "within": "60d",
                "filter": {"itemPrice": {">=": 500}, "category": {"in": ["shirt", "kurta"]}},
            },
            {
                "any": [
                    {"state": "loyalty-tier", "is": "gold"},
                    {"not": {"performed": "usedAPromoCode"}},
                ]
            },
        ]
    },
}


def test_a_nested_cohort_is_built_by_hand_and_saved(page: Page, filled: Shown) -> None:
    visit(page, NEW)
    add(page, page, "Did something")
    bought = row(page, "did")
    choose(bought, page, "Signal", "purchasedAProduct")
    bought.get_by_role("button", name="how often").click()
    bought.get_by_label("Number for the count").fill("2")
    bought.get_by_role("button", name="when").click()
    bought.get_by_label("How long", exact=True).fill("60")
    bought.get_by_role("button", name="where").click()
    expect(bought.get_by_label("Property")).to_be_focused()
    page.keyboard.type("itemPrice")
    bought.get_by_label("How it compares").select_option("is at least")
    expect(bought.get_by_label("Type of the value")).to_have_value("number")  # as recent events have it
    expect(page.get_by_role("region", name="Preview")).to_contain_text("1 condition is not complete")
    bought.get_by_label("Value", exact=True).fill("500")
    bought.get_by_role("button", name="and where").click()
    page.keyboard.type("category")
    bought.get_by_label("How it compares").last.select_option("is one of")
    for value in ("shirt", "kurta"):
        bought.get_by_label("Value", exact=True).last.fill(value)
        page.keyboard.press("Enter")

    add(page, page, "Any or all of a group")
    group = page.get_by_role("group", name="Group: any of")
    add(group, page, "Is in a state")
    choose(group, page, "State", "loyalty-tier")
    group.get_by_label("Value", exact=True).fill("gold")
    add(group, page, "Did something")
    promo = row(page, "did …")
    promo.get_by_label("Whether it must hold or must not").select_option("did not do")
    choose(row(page, "not did …"), page, "Signal", "usedAPromoCode")

    expected = previewed(filled, WANTED)
    shown_size(page, "Preview", expected)
    expect(page.get_by_role("region", name="In words")).to_contain_text(
        "People who did purchasedAProduct at least 2 times in the last 60 days where itemPrice ≥ 500 and category is "
        "one of “shirt”, “kurta”, and (have a loyalty-tier that is “gold”, or did not do usedAPromoCode)."
    )
    assert in_json(page) == WANTED

    name = f"Built {uuid4().hex[:6]}"
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create cohort").click()
    page.wait_for_url(lambda url: "/cohorts/coh_" in url)
    settle(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    shown_size(page, "Size", expected)
    with keyed(filled.url, filled.key) as client:
        made = told(client.get(f"/v1/cohorts/{page.url.rsplit('/', 1)[1].split('?')[0]}"))
    assert (made["definition"], made["size"], made["name"]) == (WANTED, expected, name)


def test_a_simple_cohort_is_made_by_the_keyboard_alone(page: Page, filled: Shown) -> None:
    visit(page, NEW)
    press, type_ = page.keyboard.press, page.keyboard.type
    page.get_by_role("button", name="Add condition").focus()
    press("Enter")
    expect(page.get_by_role("menuitem", name="Did something")).to_be_visible()
    for _ in range(6):
        if page.evaluate("() => document.activeElement.textContent.startsWith('Did something')"):
            break
        press("ArrowDown")
    press("Enter")
    expect(page.get_by_role("combobox", name="Signal", exact=True)).to_be_focused()
    type_("ordered")
    expect(page.get_by_role("option", name="ordered")).to_be_visible()
    press("ArrowDown")
    press("Enter")
    expect(row(page, "did ordered")).to_be_visible()
    name = f"Typed {uuid4().hex[:6]}"
    for _ in range(40):
        press("Tab")
        if page.evaluate("() => document.activeElement.id === document.querySelector('[aria-label=Save] input').id"):
            break
    type_(name)
    press("Enter")
    page.wait_for_url(lambda url: "/cohorts/coh_" in url)
    settle(page)
    with keyed(filled.url, filled.key) as client:
        made = next(each for each in told(client.get("/v1/cohorts"))["data"] if each["name"] == name)
    assert made["definition"] == {"subject": "person", "where": {"all": [{"performed": "ordered"}]}}
    shown_size(page, "Size", made["size"])


def test_rows_are_moved_copied_grouped_removed_and_all_of_it_undone(page: Page) -> None:
    visit(page, NEW)
    page.get_by_role("button", name="Regulars gone quiet").click()
    first = in_json(page)
    performed = [each.get("performed") or each["not"]["performed"] for each in first["where"]["all"]]
    assert performed == ["ordered", "pageViewed", "ordered"]

    seen = row(page, "not did pageViewed")
    seen.get_by_role("button", name="Move up").click()
    expect(seen.get_by_role("button", name="Move up")).to_be_focused()
    seen.get_by_role("button", name="Duplicate").click()
    expect(seen.nth(1).get_by_role("combobox", name="Signal", exact=True)).to_be_focused()
    seen.nth(1).get_by_role("button", name="Put into a group").click()
    group = page.get_by_role("group", name="Group: all of").last
    expect(group.get_by_label("How many of these must hold").first).to_be_focused()
    group.get_by_label("How many of these must hold").first.select_option("none of")
    group = page.get_by_role("group", name="Group: none of")
    row(page, "did ordered").get_by_role("button", name="Move up").click()  # into the group, which comes before it
    seen.first.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("group", name="Group: none of").get_by_label("How many of these must hold")).to_be_focused()
    quiet = {"not": {"performed": "pageViewed", "within": "30d"}}
    changed = in_json(page)
    assert changed["where"]["all"] == [
        {"not": {"any": [quiet, {"performed": "ordered", "count": {">=": 3}}]}},
        {"not": {"performed": "ordered", "within": "30d"}},
    ]

    page.get_by_label("How many of these must hold").first.focus()
    for _ in range(6):
        page.keyboard.press("Control+z")
    assert in_json(page) == first
    page.get_by_label("How many of these must hold").first.focus()
    for _ in range(6):
        page.keyboard.press("Control+Shift+z")
    assert in_json(page) == changed


def test_every_cohort_of_the_demo_is_the_same_in_the_builder(page: Page, filled: Shown) -> None:
    with keyed(filled.url, filled.key) as client:
        cohorts = told(client.get("/v1/cohorts"))["data"]
    known = [each for each in cohorts if not each["name"].startswith(("made ", "Built ", "Typed "))]
    assert len(known) >= 11
    for each in known:
        visit(page, f"{NEW}?from={each['id']}")
        assert in_json(page) == each["definition"], each["name"]
        shown_size(page, "Preview", previewed(filled, each["definition"]))


def test_a_fault_is_marked_at_its_row(page: Page, watch: Watch) -> None:
    watch.expect("400")
    visit(page, NEW)
    page.get_by_role("tab", name="JSON").click()
    definition = {
        "subject": "person",
        "where": {
            "all": [
                {"performed": "ordered"},
                {"any": [{"performed": "addToCart"}, {"performed": "ordred", "count": {">=": 1}}]},
            ]
        },
    }
    page.get_by_label("Definition").fill(json.dumps(definition))
    expect(page.get_by_role("alert")).to_contain_text("definition.where.all[1].any[1].performed")
    page.get_by_role("tab", name="Builder").click()
    wrong = row(page, "did ordred")
    expect(wrong.get_by_role("alert")).to_have_text("there is no signal 'ordred', did you mean 'ordered'?")
    expect(page.get_by_role("alert")).to_have_count(1)
    wrong.get_by_label("Number for the count").fill("1e15")
    choose(wrong, page, "Signal", "ordered")
    fixed = row(page, "did ordered").last
    expect(fixed.get_by_role("alert")).to_have_text("must be a number of less than 1e15")
    fixed.get_by_label("Number for the count").fill("1")
    expect(page.get_by_role("alert")).to_have_count(0)

    page.get_by_role("tab", name="JSON").click()
    page.get_by_label("Definition").fill(
        '{"subject": "person", "where": {"all": [{"performed": "ordered", "often": 3}]}}'
    )
    expect(page.get_by_role("alert")).to_contain_text("where.all[0].often: 'often' is not known here")


def test_somebody_enters_before_ones_eyes(page: Page, filled: Shown) -> None:
    word = uuid4().hex[:10]
    where = {"performed": "keywordSearched", "filter": {"keyword": {"=": word}}}
    cohort = created(filled, {"subject": "person", "where": where})
    assert cohort["size"] == 0
    visit(page, f"/ui/cohorts/{cohort['id']}?tab=changes")
    shown_size(page, "Size", 0)
    expect(page.locator("main")).to_contain_text("Nobody has entered or left")
    event = {
        "name": "Ada",
        "email": f"{word}@enters.example",
        "eventName": "keywordSearched",
        "eventProperties": {"keyword": word},
        "createdAt": to_iso(now_ms()),
    }
    with keyed(filled.url, filled.key) as client:
        told(client.post(EVENTS, json={"events": [event]}))
    shown_size(page, "Size", 1)
    changes = page.get_by_role("list", name="Changes, newest first")
    expect(changes).to_contain_text(f"email:{word}@enters.example")
    expect(changes).to_contain_text("entered")
    with keyed(filled.url, filled.key) as client:
        [change] = told(client.get(f"/v1/cohorts/{cohort['id']}/changes"))["data"]
    link = changes.get_by_role("link", name="by an event")
    expect(link).to_have_attribute("href", f"/ui/events/{change['event_id']}")
    expect(page.get_by_role("img", name="1 entered and 0 left")).to_be_visible()


def test_why_one_is_in_and_another_out(page: Page, filled: Shown) -> None:
    cohort = created(filled, WANTED)
    visit(page, f"/ui/cohorts/{cohort['id']}")
    page.get_by_role("button", name="Why is").first.click()
    tree = page.get_by_role("list", name="Conditions")
    expect(page.get_by_text("In the cohort", exact=True)).to_be_visible()
    expect(tree.locator("> li")).to_have_attribute("data-holds", "true")
    inside = page.get_by_label("Who", exact=True).input_value()
    with keyed(filled.url, filled.key) as client:
        said = told(client.get(f"/v1/cohorts/{cohort['id']}/members/{inside}"))
    assert said["member"]
    expect(tree.locator("li[data-holds]")).to_have_count(2 + len(said["explain"]))
    expect(tree).to_contain_text(f"found: {said['explain'][0]['observed']} times")

    page.get_by_label("Who", exact=True).fill("account:nobody-was-ever-here")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_text("Not in the cohort", exact=True)).to_be_visible()
    expect(tree.locator("> li")).to_have_attribute("data-holds", "false")
    expect(tree).to_contain_text("found: 0 times")
    expect(page.locator("main")).to_contain_text("so it is no person here")


@pytest.mark.parametrize("ending", ["csv", "ndjson"])
def test_an_export_has_every_member(page: Page, filled: Shown, ending: str) -> None:
    cohort = created(filled, {"subject": "person", "where": {"performed": "purchasedAProduct"}})
    assert cohort["size"] > 50  # a page of members
    visit(page, f"/ui/cohorts/{cohort['id']}")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as started:
        page.get_by_role("menuitem", name=ending.upper()).click()
    assert started.value.suggested_filename == f"{cohort['id']}.{ending}"
    lines = started.value.path().read_text().splitlines()
    assert len(lines) == cohort["size"] + (ending == "csv")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="More").click()
    expect(page.get_by_role("rowheader")).to_have_count(min(cohort["size"], 100))


def test_a_cohort_is_renamed_and_deleted(page: Page, filled: Shown, watch: Watch) -> None:
    cohort = created(filled, {"subject": "account", "where": {"performed": "invoice-paid"}})
    visit(page, f"/ui/cohorts/{cohort['id']}")
    page.get_by_role("button", name="Rename").click()
    name = f"Renamed {uuid4().hex[:6]}"
    page.get_by_role("dialog").get_by_label("Name").fill(name)
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Delete")).to_be_disabled()
    dialog.get_by_label("Type").fill(name)
    watch.expect("404")  # what the page still asks while it goes away
    dialog.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/ui/cohorts")
    expect(page.get_by_role("link", name=name)).to_have_count(0)
    with keyed(filled.url, filled.key) as client:
        assert client.get(f"/v1/cohorts/{cohort['id']}").status_code == 404


def test_the_list_is_live(page: Page, filled: Shown) -> None:
    visit(page, "/ui/cohorts")
    word = uuid4().hex[:10]
    cohort = created(
        filled, {"subject": "account", "where": {"performed": "invoice-paid", "filter": {"a": {"=": word}}}}
    )
    line = page.get_by_role("row", name=cohort["name"])
    expect(line).to_contain_text(f"Every account that did invoice-paid where a = “{word}”.")
    expect(line.locator('[data-size="0"]')).to_be_visible()
    with keyed(filled.url, filled.key) as client:
        event = {"signal": "invoice-paid", "identity": {"type": "account", "id": word}, "data": {"a": word}}
        told(client.post("/v1/events/batch", json={"events": [event]}))
    expect(line.locator('[data-size="1"]')).to_be_visible()


def test_who_may_only_read_can_try_but_not_save(open_page: OpenPage, filled: Shown, watch_of: Watches) -> None:
    with keyed(filled.url, filled.key) as client:
        key = told(client.post("/v1/keys", json={"name": "looks", "scopes": ["read"]}))["key"]
    page = open_page(Shown(filled.url, key, {}))
    visit(page, NEW)
    page.get_by_role("button", name="Cart left behind").click()
    shown_size(page, "Preview", previewed(filled, in_json(page)))
    expect(page.get_by_role("button", name="Create cohort")).to_be_disabled()
    expect(page.get_by_role("region", name="Save")).to_contain_text("scope admin")


def test_a_full_builder_fits_a_phone_and_is_accessible(phone: Page, filled: Shown) -> None:
    cohort = created(filled, WANTED)
    visit(phone, f"{NEW}?from={cohort['id']}")
    shown_size(phone, "Preview", previewed(filled, WANTED))
    check_fits(phone)
    check_accessible(phone)
    phone.emulate_media(color_scheme="dark")
    check_accessible(phone)
    for tab in ("Why in or out?", "Definition"):
        visit(phone, f"/ui/cohorts/{cohort['id']}")
        phone.get_by_role("tab", name=tab).click()
        check_fits(phone)
        check_accessible(phone)


def test_a_template_is_offered_where_its_signals_are(open_page: OpenPage, empty: Shown, page: Page) -> None:
    visit(page, NEW)
    expect(page.get_by_role("region", name="Templates").get_by_role("button")).to_have_count(12)
    bare = open_page(empty, NARROW)
    visit(bare, "/ui/cohorts")
    bare.get_by_role("link", name="Build the first one").click()
    expect(bare.get_by_role("heading", level=1)).to_have_text("New cohort")
    settle(bare)
    expect(bare.get_by_role("region", name="Templates")).to_have_count(0)
