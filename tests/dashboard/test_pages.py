"""Every page, full of data: what must hold of all of them, in a wide window and a narrow one, light and dark."""

import re

import pytest
from playwright.sync_api import Page

from browsing import NARROW, WIDE, OpenPage, Size, Watches, visit
from pagechecks import check_accessible, check_fits, check_heading, check_keyboard, check_skip_link, check_still
from shown import DETAILS, LISTS, SIGN_IN, Place, Shown

ALL = (*LISTS, *DETAILS)
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])


@SIZES
@pytest.mark.parametrize("place", ALL, ids=lambda place: place.name)
def test_every_page_is_accessible_fits_and_stands_still(
    open_page: OpenPage, filled: Shown, place: Place, size: Size
) -> None:
    page = open_page(size=size)
    visit(page, place.of(filled.facts))
    check_heading(page, place.heading)
    check_fits(page)
    check_still(page)
    check_accessible(page)


@SIZES
def test_the_sign_in_page_is_accessible_fits_and_stands_still(
    open_page: OpenPage, watch_of: Watches, size: Size
) -> None:
    page = open_page(size=size, signed_in=False)
    watch_of[page.context].expect("401")
    visit(page, SIGN_IN.path)
    check_heading(page, "Sign in")
    check_fits(page)
    check_still(page)
    check_keyboard(page)
    check_accessible(page)


_BACKGROUNDS = """
window.headwaterTestBackgrounds = new Set()
requestAnimationFrame(function look() {
  if (document.body) headwaterTestBackgrounds.add(getComputedStyle(document.body).backgroundColor)
  requestAnimationFrame(look)
})
"""


def _is_dark(colour: str) -> bool:
    """Also where nothing is painted yet: then the browser's own background shows, dark for `color-scheme: dark`."""
    red, green, blue, *alpha = [float(part) for part in re.findall(r"[0-9.]+", colour)]
    return alpha == [0] or max(red, green, blue) < 80


@pytest.mark.parametrize("place", [LISTS[0], DETAILS[0]], ids=lambda place: place.name)
def test_a_dark_page_is_dark_from_its_first_moment(open_page: OpenPage, filled: Shown, place: Place) -> None:
    page = open_page(scheme="dark")
    page.add_init_script(_BACKGROUNDS)
    visit(page, place.of(filled.facts))
    seen = page.evaluate("() => [...headwaterTestBackgrounds]")
    assert seen and all(_is_dark(colour) for colour in seen), seen


@pytest.mark.parametrize("place", ALL, ids=lambda place: place.name)
def test_every_page_works_by_the_keyboard(page: Page, filled: Shown, place: Place) -> None:
    visit(page, place.of(filled.facts))
    check_skip_link(page)
    page.reload()
    visit(page, place.of(filled.facts))
    check_keyboard(page)
