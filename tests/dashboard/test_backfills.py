"""The main way through Backfills: made, a file uploaded by its mapping, previewed, released, reverted."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from browsing import NARROW, OpenPage, settle, visit
from harness import keyed, until
from pagechecks import check_accessible, check_fits
from shown import Shown

ROWS, WRONG = 2_500, 20
COLUMNS = ("mail", "phone", "order", "price", "at", "note")
MAPPING = {
    "columns": {
        "mail": "email",
        "phone": "phoneNumber",
        "order": "eventProperties.orderId",
        "price": "eventProperties.itemPrice:number",
        "at": "createdAt:seconds",
        "note": "eventProperties.note",
    },
    "set": {"eventName": "ordered"},
}


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """A file of orders, of which some have no number where the price stands, and some no order."""
    path = tmp_path / "orders of 2025.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(ROWS):
            wrong = number % (ROWS // WRONG) == 7
            mail, phone = f"Buyer{number % 300}@Upload.example", f"+9198{number % 300:08d}"
            price = "1,204" if wrong and number % 2 else f"{number}.50"
            order = "" if wrong and not number % 2 else f"o-{number}"
            writer.writerow((mail, phone, order, price, 1735689600 + number * 3600, f'says "{number}",\nand 007 ✓'))
    return path


def uploaded(page: Page) -> None:
    expect(page.get_by_role("status").filter(has_text="All is sent")).to_be_visible(timeout=40_000)


def backfill(shown: Shown, id: str) -> Any:
    with keyed(shown.url, shown.key) as client:
        return client.get(f"/v1/backfills/{id}").json()


def id_of(page: Page) -> str:
    page.wait_for_url(re.compile("/ui/backfills/bf_"))
    settle(page)
    return page.url.rpartition("/")[2]


def new_backfill(page: Page, name: str, hold: bool) -> str:
    visit(page, "/ui/backfills")
    page.get_by_role("button", name="New backfill").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    if hold:
        dialog.get_by_label("Hold its events").check()
    dialog.get_by_role("button", name="Create backfill").click()
    return id_of(page)


def map_all(page: Page, mapping: dict[str, Any]) -> None:
    page.get_by_role("button", name="Load mapping").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Mapping as JSON").fill(json.dumps(mapping))
    dialog.get_by_role("button", name="Load", exact=True).click()
    expect(dialog).to_be_hidden()


def test_a_held_upload_released_and_reverted(open_page: OpenPage, new_workspace: Any, orders: Path) -> None:
    shown = new_workspace()
    page = open_page(shown)
    id = new_backfill(page, "orders of 2025", hold=True)
    assert backfill(shown, id)["held"]
    file = page.get_by_label("File to upload")
    file.set_input_files(orders)
    # What the names of the columns say; what none says is chosen.
    expect(page.get_by_label("Field for mail")).to_have_value("email")
    expect(page.get_by_label("Type for price")).to_have_value("string")  # "1,204" is among the first
    expect(page.get_by_label("Type for at")).to_have_value("seconds")
    page.get_by_label("Type for price").select_option("number")
    page.get_by_label("The signal of every event").select_option("ordered")
    expect(page.get_by_text("headwater import 'orders of 2025.csv'")).to_be_visible()
    page.get_by_role("button", name="Send all events").click()
    uploaded(page)
    expect(page.get_by_text("2,480 of 2,500 rows were taken")).to_be_visible()
    until(lambda: backfill(shown, id)["events"] == ROWS - WRONG, 30)
    assert_refused(page, id)

    page.get_by_role("button", name="Another file").click()
    file.set_input_files(orders)
    map_all(page, MAPPING)
    page.get_by_role("button", name="Send all events").click()
    uploaded(page)
    expect(page.get_by_text("2,480 of 2,500 rows were taken")).to_be_visible()
    with keyed(shown.url, shown.key) as client:
        until(lambda: not any(lane["events"] for lane in client.get("/v1/pipelines").json()["data"]), 30)
    assert backfill(shown, id)["events"] == ROWS - WRONG
    assert known(shown) == 404

    page.get_by_role("button", name="Look at what it changes").click()
    expect(page.get_by_role("heading", name="What it would change")).to_be_visible()
    expect(page.get_by_text("profiles its events name").locator("xpath=preceding-sibling::*")).to_have_text("300")
    expect(page.get_by_role("table", name="Events by signal and day")).to_contain_text("2025-")

    page.get_by_role("button", name="Release").click()
    page.get_by_role("dialog").get_by_role("button", name="Release").click()
    expect(page.get_by_text("It is held")).to_be_hidden()
    until(lambda: known(shown) == 200, 30)

    page.get_by_role("button", name="Revert").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Revert for good")).to_be_disabled()
    dialog.get_by_label(re.compile("Type")).fill("orders of 2025")
    dialog.get_by_role("button", name="Revert for good").click()
    expect(page.get_by_text("It is reverted")).to_be_visible(timeout=30_000)
    until(lambda: known(shown) == 404, 30)
    expect(page.get_by_role("button", name="Revert")).to_be_hidden()
    visit(page, "/ui/backfills")
    expect(page.get_by_role("row").filter(has_text="orders of 2025")).to_contain_text("reverted")


def known(shown: Shown) -> int:
    """Whether somebody of the file has a profile."""
    with keyed(shown.url, shown.key) as client:
        return int(client.get("/v1/profiles/email:buyer8@upload.example").status_code)


def assert_refused(page: Page, id: str) -> None:
    """The page counts them, and gives all of them as they were, with what was wrong."""
    expect(page.get_by_role("heading", name="20 rows were refused")).to_be_visible()
    expect(page.get_by_role("table", name="The first refused rows").get_by_role("row")).to_have_count(11)
    with page.expect_download() as given:
        page.get_by_role("button", name="Download refused rows").click()
    assert given.value.suggested_filename == f"orders of 2025.csv.{id}.refused.csv"
    text = Path(given.value.path()).read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert list(rows[0]) == [*COLUMNS, *(f"refused_{name}" for name in MARKS)]
    wrong = [number for number in range(ROWS) if number % (ROWS // WRONG) == 7]
    # Every row before has two lines.
    assert sorted(int(row["refused_line"]) for row in rows) == [2 + 2 * number for number in wrong]
    for row in rows:
        number = (int(row["refused_line"]) - 2) // 2
        assert row["note"] == f'says "{number}",\nand 007 ✓'
        expected = ("column", "eventProperties.itemPrice") if number % 2 else ("schema", "eventProperties.orderId")
        assert (row["refused_code"], row["refused_path"]) == expected, row
        assert row["refused_message"]


MARKS = ("line", "code", "path", "message", "hint", "text")

HEAD = b'mail,phone,order,price,at,note,"sku.raw"\r\n'
UGLY = HEAD + (
    b'"A, ""the"" B@x.example",+919812345678,007,1.10,1735689600.123,"two\r\nlines",s\r\n'
    b"ada@x.example,,123456789012345678901234567890,1e5,-1.5,,\r\n"
    b'zo\xc3\xab@x.example,+1 (949) 457-2011, 7 ,-0.0,1e9,"\xf0\x9f\x8c\x8a \xe2\x80\xae \\ \t",""\r\n'
    b"\r\n"
    b"many@x.example,1,2,3,4,5,6,7,8\r\n"
    b'mis"quoted@x.example,,"o""1",12345678901234567890.123456789,1735689600,"{""a"": [1.0, 2]}", \r\n'
)
WORSE = HEAD.replace(b",", b";") + (
    b'"text"behind;1;2;"3\r\nlines";4;5;6\r\n'
    b'ok@x.example;+919812345678;"a;b";1,5;1;tab\there;"\xff"\r\n'
    b'fine@x.example;;"1\n2\r3";.5;12e8;" ";x\n'
    b"e\xcc\x81@x.example;;9;1E+2;0;nul\x00;x\r"
    b'never@x.example;;"closed;1;2;3;4\r\nand on\n'
)
"""Another delimiter, all three ends of lines, a byte that is no UTF-8, text behind a quote, a quote without end."""
MAPPINGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("bik", MAPPING | {"rest": "eventProperties"}),
    ("bik", {"columns": {"mail": ["email", "name"], "note": {"path": ["eventProperties", "a.b"], "type": "string"}},
             "set": {"eventName": "ordered", "eventProperties.big:number": "12345678901234567890.10"}}),
    ("bigmind", {"columns": {"order": "identity.id", "price": "data.price:number", "at": "timestamp:milliseconds",
                             "note": "data.note:json", "mail": "reference"},
                 "set": {"signal": "ordered", "identity.type": "deal", "version": "3", "data.on:boolean": "YES"}}),
)  # fmt: skip


def dry_run(path: Path, dialect: str, mapping: dict[str, Any]) -> tuple[list[str], set[int]]:
    """What `headwater import` would send of the first five rows, and the lines that it finds wrong."""
    (path.parent / "mapping.json").write_text(json.dumps(mapping))
    command = [sys.executable, "-m", "headwater", "import", str(path), "--dialect", dialect, "--dry-run", "5"]
    command += ["--mapping", str(path.parent / "mapping.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 3), done.stderr
    return done.stdout.splitlines(), {int(line) for line in re.findall(r"^line (\d+):", done.stderr, re.MULTILINE)}


@pytest.mark.parametrize("content", [UGLY, WORSE], ids=["ugly", "worse"])
def test_the_preview_is_that_of_the_command(
    open_page: OpenPage, new_workspace: Any, tmp_path: Path, content: bytes
) -> None:
    """Digit for digit, row for row, and wrong where it is wrong."""
    shown = new_workspace()
    page = open_page(shown)
    path = tmp_path / "ugly.csv"
    path.write_bytes(content)
    new_backfill(page, "ugly", hold=False)
    page.get_by_label("File to upload").set_input_files(path)
    for dialect, mapping in MAPPINGS:
        page.get_by_label("Dialect").select_option(dialect)
        map_all(page, mapping)
        settle(page)
        events, wrong = dry_run(path, dialect, mapping)
        found = page.get_by_role("region", name=re.compile(r"^Line \d+$"))
        until_shown(page, found, events)
        assert wrong <= {line_of(section) for section in found.all() if section.get_by_role("alert").count()}, dialect


def until_shown(page: Page, found: Locator, events: list[str]) -> None:
    expected = [digits(event) for event in events]
    for _ in range(50):
        if shown_of(found) == expected:
            return
        page.wait_for_timeout(100)
    assert shown_of(found) == expected


def shown_of(found: Locator) -> list[Any]:
    return [digits(text) for text in map(event_of, found.all()) if text.startswith("{")]


def event_of(section: Locator) -> str:
    return section.locator("pre").inner_text()


def line_of(section: Locator) -> int:
    return int((section.get_attribute("aria-label") or "").removeprefix("Line "))


def digits(text: str) -> Any:
    """JSON with its numbers as they are written."""
    return json.loads(text, parse_int=lambda each: ["number", each], parse_float=lambda each: ["number", each])


def test_events_of_a_crm_as_ndjson(open_page: OpenPage, new_workspace: Any, tmp_path: Path) -> None:
    shown = new_workspace(preset=None)
    with keyed(shown.url, shown.key) as client:
        assert (
            client.post("/v1/signals", json={"name": "Visited", "type": "event", "rate_limit": None}).status_code == 201
        )
    path = tmp_path / "visits.ndjson"
    lines = [
        json.dumps(
            {"signal": "visited", "identity": {"type": "account", "id": f"a{number}"}, "data": {"page": number},
             "timestamp": "2025-03-01T10:00:00Z", "reference": f"r{number}"}
        )
        for number in range(230)
    ]  # fmt: skip
    path.write_text("\n".join([*lines, "{not json", '["an array"]', ""]))
    page = open_page(shown)
    visit(page, "/ui/backfills")
    page.get_by_role("button", name="Upload a file").click()
    page.get_by_role("dialog").get_by_label("File to upload").set_input_files(path)
    expect(page.get_by_role("dialog").get_by_label("Name")).to_have_value("visits")
    page.get_by_role("dialog").get_by_role("button", name="Create backfill").click()
    id = id_of(page)
    page.get_by_label("Dialect").select_option("bigmind")
    expect(page.get_by_label("Format")).to_have_value("ndjson")
    page.get_by_role("button", name="Send all events").click()
    uploaded(page)
    expect(page.get_by_text("230 of 232 rows were taken")).to_be_visible()
    until(lambda: backfill(shown, id)["events"] == 230, 30)
    with page.expect_download() as given:
        page.get_by_role("button", name="Download refused rows").click()
    refused = [json.loads(line) for line in Path(given.value.path()).read_text().splitlines()]
    assert [(each["refused"]["line"], each["refused"]["code"]) for each in refused] == [(231, "json"), (232, "type")]
    assert refused[0]["text"] == "{not json"


def test_a_rate_limit_is_waited_for(open_page: OpenPage, new_workspace: Any, tmp_path: Path, watch_of: Any) -> None:
    shown = new_workspace()
    with keyed(shown.url, shown.key) as client:
        assert client.patch("/v1/signals/ordered", json={"rate_limit": 50}).status_code == 200
    path = tmp_path / "orders.csv"
    path.write_text("mail,order\n" + "".join(f"b{number}@limit.example,o{number}\n" for number in range(60)))
    page = open_page(shown)
    watch_of[page.context].expect("429")
    id = new_backfill(page, "limited", hold=False)
    page.get_by_label("File to upload").set_input_files(path)
    page.get_by_label("The signal of every event").select_option("ordered")
    page.get_by_role("button", name="Send all events").click()
    expect(page.get_by_text(re.compile(r"waiting \d+ s: rate limit of ordered"))).to_be_visible()
    until(lambda: (backfill(shown, id)["events"] or 0) >= 50, 30)
    with keyed(shown.url, shown.key) as client:  # rather than a minute
        assert client.patch("/v1/signals/ordered", json={"rate_limit": None}).status_code == 200
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Another file").click()
    page.get_by_label("File to upload").set_input_files(path)
    page.get_by_label("The signal of every event").select_option("ordered")
    page.get_by_role("button", name="Send all events").click()
    uploaded(page)
    until(lambda: backfill(shown, id)["events"] == 60, 30)


def test_no_backfills_yet_and_on_a_phone(open_page: OpenPage, new_workspace: Any, orders: Path) -> None:
    shown = new_workspace()
    page = open_page(shown, size=NARROW)
    visit(page, "/ui/backfills")
    expect(page.get_by_role("heading", name="No backfills yet")).to_be_visible()
    expect(page.get_by_text("Headwater-Backfill")).to_be_visible()
    new_backfill(page, "from a phone", hold=False)
    page.get_by_label("File to upload").set_input_files(orders)
    expect(page.get_by_role("button", name="Send all events")).to_be_visible()
    settle(page)
    check_accessible(page)
    check_fits(page)
    page.get_by_role("button", name="Load mapping").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    check_accessible(page)


def test_who_may_only_read_changes_nothing(open_page: OpenPage, filled: Shown) -> None:
    with keyed(filled.url, filled.key) as client:
        key = client.post("/v1/keys", json={"name": "looks only", "scopes": ["read"]}).json()["key"]
    page = open_page(Shown(filled.url, key, filled.facts))
    visit(page, f"/ui/backfills/{filled.facts['backfill']}")
    for verb in ("Close", "Revert"):
        expect(page.get_by_role("button", name=verb, exact=True)).to_be_disabled()
