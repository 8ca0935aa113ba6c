"""Text that would harm who took it for more than text, in every place the API lets it into: shown on every page."""

from collections.abc import Callable, Sequence
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from browsing import NARROW, WIDE, OpenPage, Watches, settle, visit
from hostile import ANY, MARK, TEXTS, Attacked, attacked
from pagechecks import check_fits
from shown import LISTS, Place, Shown
from tools import sampled

FILTERS = ("signal", "status", "lane", "identity", "reason", "from", "to", "q", "type", "event", "name", "cursor")
_BORN = f"""
() => {{
  const born = document.querySelectorAll(
    "[{MARK}], hostile-element, iframe, object, embed, base, [onerror], [onload], [onclick], link[href*='hostile']")
  const led = [...document.querySelectorAll("[href], [src], [action], [formaction]")].filter(each => {{
    const url = new URL(each.href?.baseVal ?? each.href ?? each.src ?? each.action, location.href)
    return url.origin !== location.origin && !(each.tagName === "IMG" && url.protocol === "data:")
  }})
  const polluted = "headwaterFired" in window || Object.keys(Object.prototype).length > 0
  return [...born, ...led].map(each => each.outerHTML.slice(0, 200))
    .concat(polluted ? ["window or Object changed"] : [])
}}
"""


@pytest.fixture(scope="module")
def _held() -> dict[str, tuple[Shown, Attacked]]:
    return {}


@pytest.fixture
def victim(_held: dict[str, tuple[Shown, Attacked]], new_workspace: Callable[..., Shown]) -> tuple[Shown, Attacked]:
    """A workspace full of it, made once for all tests of this file. Its name is one of the texts, too."""
    if "it" not in _held:
        made = new_workspace(name=TEXTS["image"] + TEXTS["backwards"])
        _held["it"] = made, attacked(made.url, made.key)
    return _held["it"]


def some(texts: Sequence[str], every: int, first: int = 0) -> Sequence[str]:
    """One in so many; of all of them, the share that there is time for."""
    return texts[first % every :: every] if every > 1 else sampled(texts)


def check_harmless(page: Page) -> None:
    """Nothing of what is shown has become more than text, narrow and wide."""
    for size in (WIDE, NARROW):
        page.set_viewport_size({"width": size.width, "height": size.height})
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))")
        check_fits(page)
        born = page.evaluate(_BORN)
        assert not born, "\n".join([page.url, *born])


EVERY = pytest.mark.parametrize(
    "every", [pytest.param(5, id="some"), pytest.param(1, id="all", marks=pytest.mark.torture)]
)
"""One in so many of the texts: all of them take minutes."""
OPENABLE = "main [role=tab], main [aria-expanded=false], main [aria-haspopup], main tr[tabindex]"
MOST_OPENED = 12
OPENED = 8
"""Of so many details one is opened as far as it goes."""


def open_all(page: Page) -> None:
    """Opens whatever can be opened, one after the other: tabs, lists of choices, details, events; looks at each."""
    page.set_viewport_size({"width": WIDE.width, "height": WIDE.height})
    for number in range(min(page.locator(OPENABLE).count(), MOST_OPENED)):
        found = page.locator(OPENABLE).nth(number)
        if found.is_visible() and found.is_enabled():
            found.click(force=True)  # a row of Live moves on while one looks whether it stands still
            settle(page)
            check_harmless(page)
            page.keyboard.press("Escape")
            page.set_viewport_size({"width": WIDE.width, "height": WIDE.height})


def test_the_texts_came_in(victim: tuple[Shown, Attacked]) -> None:
    done = victim[1]
    assert len(done.signals) == len(TEXTS) + 3
    assert len(done.cohorts) > len(TEXTS) and len(done.profiles) > 3 * len(ANY) and len(done.backfills) > 5


@pytest.mark.parametrize("place", LISTS, ids=lambda place: place.name)
def test_every_list_shows_them_as_text(open_page: OpenPage, victim: tuple[Shown, Attacked], place: Place) -> None:
    page = open_page(victim[0])
    visit(page, place.path)
    check_harmless(page)
    open_all(page)


@EVERY
@pytest.mark.parametrize("kind", ["signals", "cohorts", "backfills", "profiles", "events", "builder"])
def test_every_detail_shows_them_as_text(
    open_page: OpenPage, victim: tuple[Shown, Attacked], kind: str, every: int
) -> None:
    page = open_page(victim[0])
    for number, path in enumerate(some(victim[1].paths(kind), every)):
        visit(page, path)
        check_harmless(page)
        if number % OPENED == 0:
            open_all(page)


@EVERY
@pytest.mark.parametrize("place", LISTS, ids=lambda place: place.name)
def test_addresses_are_harmless(
    open_page: OpenPage, victim: tuple[Shown, Attacked], watch_of: Watches, place: Place, every: int
) -> None:
    """A link that somebody was sent: the texts as filters and as names of what is not there."""
    page = open_page(victim[0])
    watch_of[page.context].expect("status of 40[04]")
    for text in some([*TEXTS.values()], every, LISTS.index(place)):
        word = quote(text, safe="")
        visit(page, f"{place.path}?{'&'.join(f'{name}={word}' for name in FILTERS)}#{word}")
        check_harmless(page)
