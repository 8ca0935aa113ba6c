"""What must hold of every page of the dashboard, whatever it shows."""

from contextlib import suppress
from functools import cache
from typing import Any

from playwright.sync_api import Page, TimeoutError

from browsing import ROOT, overflow, settle, shifts
from tools import lack

AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"
MOST_SHIFT = 0.02
"""Of the window, over all that moves while a page loads (a tenth is what the web calls good)."""
GRAVE = ("serious", "critical")
MOST_TABS = 250
FOCUS_MS = 2_000


@cache
def _axe() -> str:
    if not AXE.exists():
        lack("axe-core is not installed: npm ci in ui/")
    return AXE.read_text()


_AXE_RUN = "async options => (await axe.run(document, options)).violations"


def check_accessible(page: Page) -> None:
    """axe finds nothing serious, light and then dark: only colours differ between these.

    It is evaluated from outside, so that the page's policy stays as it is.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_axe())
    found = page.evaluate(_AXE_RUN, {"resultTypes": ["violations"]})
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("() => document.documentElement.dataset.mantineColorScheme === 'dark'")
    found += page.evaluate(_AXE_RUN, {"resultTypes": ["violations"], "runOnly": ["color-contrast"]})
    grave = [_told(each) for each in found if each["impact"] in GRAVE]
    assert not grave, "\n".join([page.url, *grave])


def _told(violation: dict[str, Any]) -> str:
    """Each different fault once, with the first element that has it."""
    first = {node["failureSummary"].partition("\n")[2].strip(): node["html"][:200] for node in violation["nodes"][::-1]}
    nodes = [f"  {fault}\n    {html}" for fault, html in first.items()]
    return "\n".join([f"{violation['impact']}: {violation['id']}, {len(violation['nodes'])} times", *nodes[:8]])


def check_fits(page: Page) -> None:
    """Nothing makes the page scroll sideways."""
    assert not (wide := overflow(page)), "\n".join([page.url, *wide])


def check_still(page: Page) -> None:
    """Nothing moved while it was loading."""
    found = shifts(page)
    total = sum(each["value"] for each in found)
    assert total < MOST_SHIFT, "\n".join([f"{page.url}: shifted by {total:.3f}", *map(str, found)])


def check_heading(page: Page, heading: str | None) -> None:
    """One h1, with the page's name; a title that is not the address; one main, and one way around."""
    assert page.locator("h1").count() == 1, page.locator("h1").all_inner_texts()
    said = page.locator("main#main h1").inner_text()
    assert said.strip() and heading in (None, said.strip())
    assert "headwater" in page.title().lower()
    assert page.locator("main").count() == 1


# --- the keyboard ------------------------------------------------------------------------------------------------

_PREPARE = """
() => {
  window.headwaterTestReached = new WeakSet()
  window.headwaterTestShown = element => element.labels?.length ? element.labels[0] : element
  window.headwaterTestLook = element => {
    const looks = [], around = [element.nextElementSibling, ...(element.labels ?? [])].filter(Boolean)
    for (let each = element, up = 0; each && up < 4; each = each.parentElement, up++) around.push(each)
    for (const each of around) {
      for (const pseudo of [null, "::before", "::after"]) {
        const { outlineStyle, outlineWidth, outlineColor, boxShadow, borderColor, backgroundColor } =
          getComputedStyle(each, pseudo)
        const outline = outlineStyle === "none" ? "none" : outlineStyle + outlineWidth + outlineColor
        looks.push([outline, boxShadow, borderColor, backgroundColor])
      }
    }
    return JSON.stringify(looks)
  }
}
"""
_STEP = """
() => {
  const last = window.headwaterTestLast
  const unmarked = last && last.element.isConnected && last.element !== document.activeElement
    && headwaterTestLook(last.element) === last.look
    ? (last.element.outerHTML ?? "").slice(0, 200) : null
  const element = document.activeElement
  const here = element && element !== document.body && element !== document.documentElement
  window.headwaterTestLast = here ? { element, look: headwaterTestLook(element) } : null
  if (!here) return { end: true, unmarked }
  const again = last?.element !== element && headwaterTestReached.has(element)  // a date is several stops
  headwaterTestReached.add(element)
  const { width, height, right, bottom, left, top } = headwaterTestShown(element).getBoundingClientRect()
  const seen = width > 0 && height > 0 && right > 0 && bottom > 0 && left < innerWidth && top < innerHeight
  return { end: false, again, unmarked, seen, html: element.outerHTML.slice(0, 200) }
}
"""
_MISSED = """
() => {
  const can = "a[href], button, input, select, textarea, summary, [tabindex]"
  const group = element => element.type === "radio" && [...document.getElementsByName(element.name)]
  return [...document.querySelectorAll(can)].filter(element =>
    element.tabIndex >= 0 && !element.disabled && element.checkVisibility({ visibilityProperty: true })
    && !element.closest("[inert], [aria-hidden='true']") && !headwaterTestReached.has(element)
    && !(group(element) || []).some(each => headwaterTestReached.has(each))
  ).map(element => element.outerHTML.slice(0, 200))
}
"""


_NOWHERE = "() => document.activeElement === null || document.activeElement === document.body"


def check_keyboard(page: Page) -> None:
    """Tab reaches all there is to use, shows where it is, and first offers to skip to what the page is about."""
    page.evaluate(_PREPARE)
    steps = list(_tabs(page))
    unmarked = [step["unmarked"] for step in steps if step["unmarked"]]
    assert not unmarked, "\n".join([f"{page.url}: looks the same with the focus and without:", *unmarked])
    hidden = [step["html"] for step in steps if not step["end"] and not step["seen"]]
    assert not hidden, "\n".join([f"{page.url}: has the focus and is out of sight:", *hidden])
    missed = page.evaluate(_MISSED)
    assert not missed, "\n".join([f"{page.url}: Tab never comes to {len(missed)}:", *missed[:5]])


def _tabs(page: Page) -> Any:
    """Every stop of the Tab key, until it has left the page or come round."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate(_NOWHERE):  # what had the focus may just be replaced by the real thing: or this is the end
            with suppress(TimeoutError):
                page.wait_for_function("() => document.activeElement !== document.body", timeout=FOCUS_MS)
        step = page.evaluate(_STEP)
        yield step
        if step["end"] or step["again"]:
            return
    raise AssertionError(f"{page.url}: Tab does not come round")


_PAST_THE_NAVIGATION = """
() => {
  const main = document.querySelector("main"), now = document.activeElement
  return main.contains(now) || !main.querySelector("a[href], button, input, select, textarea, summary, [tabindex='0']")
}
"""


def check_skip_link(page: Page) -> None:
    """The first stop jumps over the navigation."""
    page.keyboard.press("Tab")
    first = page.evaluate("() => document.activeElement.textContent")
    assert first.lower().startswith("skip to"), first
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(_PAST_THE_NAVIGATION), page.evaluate("() => document.activeElement.outerHTML.slice(0, 200)")
    settle(page)
