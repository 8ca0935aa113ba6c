"""Every page of a workspace in which nothing is yet: it says so, and how to begin."""

import pytest
from playwright.sync_api import expect

from browsing import NARROW, WIDE, OpenPage, Size, visit
from pagechecks import check_accessible, check_fits, check_heading, check_keyboard, check_still
from shown import LISTS, Place, Shown

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
FED = [place for place in LISTS if place.name in ("live", "profiles", "backfills")]
"""What shows nothing until events come: so they tell how to send one."""
NEW = Place("cohort-new", "/ui/cohorts/new")


@SIZES
@pytest.mark.parametrize("place", [*LISTS, NEW], ids=lambda place: place.name)
def test_every_page_is_whole_without_data(open_page: OpenPage, empty: Shown, place: Place, size: Size) -> None:
    page = open_page(empty, size)
    visit(page, place.path)
    check_heading(page, place.heading)
    check_fits(page)
    check_still(page)
    check_keyboard(page)
    check_accessible(page)


@pytest.mark.parametrize("place", FED, ids=lambda place: place.name)
def test_an_empty_page_says_how_to_send_a_first_event(open_page: OpenPage, empty: Shown, place: Place) -> None:
    page = open_page(empty)
    visit(page, place.path)
    expect(page.locator("main")).to_contain_text("curl")
    expect(page.locator("main")).to_contain_text(empty.url)
