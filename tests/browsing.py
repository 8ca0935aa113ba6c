"""Real Chromium before a real headwater: how tests, screenshots and benches open the dashboard, and what they mind."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tools import need

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "src" / "headwater" / "dashboard" / "index.html"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SECONDS = 15.0
"""The longest a page may take to show what was asked for."""

Seen = dict[str, Any]
Scheme = Literal["light", "dark"]


class Size(NamedTuple):
    """Of a window, in CSS pixels."""

    width: int
    height: int


BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first that is there. The first of all has no windows and menus of its own to draw: a quarter of the work."""
WIDE, NARROW = Size(1440, 900), Size(380, 800)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium without a window, until the end of the block.

    While it is open, this thread has an event loop of playwright's, and no other one can run in it.
    """
    path = need(*BROWSERS)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        expect.set_options(timeout=SECONDS * 1000)
        try:
            yield browser
        finally:
            browser.close()


# --- what goes wrong in a page -----------------------------------------------------------------------------------

_REPORT = """
addEventListener("securitypolicyviolation", event => {
  const by = `${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`
  window.headwaterTestViolation(by)
}, true)
window.headwaterTestShifts = []
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue
    const moved = entry.sources.map(({ node, previousRect: a, currentRect: b }) => {
      const element = node instanceof Element ? node : node?.parentElement
      const name = element ? `${element.tagName}.${String(element.className)}`.slice(0, 90) : "?"
      return `${name} from ${a.x},${a.y} ${a.width}x${a.height} to ${b.x},${b.y} ${b.width}x${b.height}`
    })
    window.headwaterTestShifts.push({ value: entry.value, at: entry.startTime, moved })
  }
}).observe({ type: "layout-shift", buffered: true })
"""


class Watch:
    """Everything that goes wrong in the pages of a context: `faults` must be empty when a test ends.

    Errors on the console and of scripts, breaches of the content security policy, dialogs, answers of 500 and more,
    requests that failed or went to any other host.
    """

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.faults: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        self._host = urlsplit(origin).netloc
        context.expose_binding("headwaterTestViolation", lambda _, by: self._fault(f"policy violation: {by}"))
        context.add_init_script(_REPORT)
        context.on("console", self._console)
        context.on("weberror", lambda error: self._fault(f"page error: {error.error}"))
        context.on("dialog", self._dialog)
        context.on("request", self._request)
        context.on("response", self._response)
        context.on("requestfailed", self._failed)

    def expect(self, pattern: str) -> None:
        """A fault in whose text this is found is no fault, from now on and before."""
        self._expected.append(re.compile(pattern))
        self.faults[:] = [fault for fault in self.faults if not self._is_expected(fault)]

    def _fault(self, text: str) -> None:
        if not self._is_expected(text):
            self.faults.append(text)

    def _is_expected(self, text: str) -> bool:
        return any(pattern.search(text) for pattern in self._expected)

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self._fault(f"console: {message.text} ({message.location.get('url', '')})")

    def _dialog(self, dialog: Any) -> None:
        self._fault(f"dialog: {dialog.type} {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self._host:
            self._fault(f"request to another host: {request.method} {request.url}")

    def _response(self, response: Any) -> None:
        if response.status >= 500:
            self._fault(f"answer {response.status}: {response.request.method} {response.url}")

    def _failed(self, request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # a page that goes away takes its questions back
            self._fault(f"request failed: {request.failure} {request.method} {request.url}")


Watches = dict[BrowserContext, Watch]
"""What went wrong in each window of a test."""
OpenPage = Callable[..., Page]
"""`open_page(workspace=filled, size=WIDE, scheme="light", signed_in=True)`."""


# --- opening and waiting -----------------------------------------------------------------------------------------


def open_context(
    browser: Browser, origin: str, size: Size = WIDE, scheme: Scheme = "light", state: Any = None
) -> tuple[BrowserContext, Watch]:
    """A window of its own, watched. `state`: what `sign_in` gave; None: signed out. `scheme`: light or dark."""
    context = browser.new_context(
        base_url=origin,
        viewport={"width": size.width, "height": size.height},
        color_scheme=scheme,
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="UTC",
        storage_state=state,
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(SECONDS * 1000)
    return context, Watch(context, origin)


def sign_in(browser: Browser, origin: str, key: str) -> Any:
    """Signs in as people do; gives the cookies of it, for `open_context`."""
    context, watch = open_context(browser, origin)
    watch.expect("401")
    page = context.new_page()
    page.goto("/ui/sign-in")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
    settle(page)
    state = context.storage_state()
    context.close()
    assert watch.faults == []
    return state


_SETTLED = """
() => document.querySelector("main h1")?.textContent
  && ![...document.querySelectorAll('[aria-busy="true"], .mantine-Skeleton-root[data-visible]')]
    .some(each => each.checkVisibility())
"""


def settle(page: Page) -> None:
    """Returns when the page shows its heading and nothing in it is still loading."""
    until_true(page, _SETTLED, "an h1 in main, and nothing with aria-busy or a skeleton")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


def until_true(page: Page, question: str, what: str, seconds: float = SECONDS) -> None:
    """Asks a JavaScript function until it is true, twice in a row: one loading may follow another."""
    held = 0
    for _ in range(round(seconds / 0.05)):
        held = held + 1 if page.evaluate(question) else 0
        if held == 3:
            return
        page.wait_for_timeout(50)
    body = page.locator("body").inner_text()[:2000]
    raise AssertionError(f"{page.url}: not within {seconds} s: {what}\n{body}")


def visit(page: Page, path: str) -> None:
    """Opens a page as one does who types its address, and waits until it has settled."""
    page.goto(path)
    settle(page)


def shifts(page: Page) -> list[Seen]:
    """Every layout shift since the page was opened: its `value`, `at` (ms), and what `moved`."""
    found: list[Seen] = page.evaluate("() => window.headwaterTestShifts")
    return found


def overflow(page: Page) -> list[str]:
    """What makes the page wider than its window: the elements, outermost first; empty when it is not."""
    found: list[str] = page.evaluate(_OVERFLOW)
    return found


_OVERFLOW = """
() => {
  const root = document.documentElement
  if (root.scrollWidth <= root.clientWidth) return []
  const wide = [...document.querySelectorAll("body *")].filter(each =>
    each.checkVisibility() && each.getBoundingClientRect().right > root.clientWidth + 0.5)
  const names = wide.slice(0, 8).map(each =>
    `${each.tagName}.${each.getAttribute("class")} ${each.textContent.slice(0, 40)}`.slice(0, 160))
  return [`${root.scrollWidth} px in a window of ${root.clientWidth}`, ...names]
}
"""
