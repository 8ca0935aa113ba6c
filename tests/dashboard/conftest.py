"""Chromium, signed in, before workspaces of the shared server; and what every test of a page must not see."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page

import shown
from browsing import BUILT, NARROW, WIDE, OpenPage, Scheme, Size, Watch, Watches, chromium, open_context, sign_in
from harness import Server
from shown import Shown
from tools import lack


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of a file, not of the session: what follows in the same process may want an event loop of its own."""
    if not BUILT.exists():
        lack("the dashboard is not built: see ui/")
    with chromium() as started:
        yield started


def _workspace(server: Server, **body: Any) -> str:
    """The key of a new workspace."""
    with server.client() as operator:
        answer = operator.post("/v1/workspaces", json={"name": f"seen-{uuid4().hex[:8]}", **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["api_key"])


@pytest.fixture(scope="session")
def filled(server: Server) -> Shown:
    """A workspace full of the demo. Who changes something in it makes that thing first."""
    return shown.filled(server.url, _workspace(server))


@pytest.fixture(scope="session")
def empty(server: Server) -> Shown:
    """A workspace in which nothing is, not even a signal."""
    return Shown(server.url, _workspace(server, preset=None), {})


@pytest.fixture
def new_workspace(server: Server) -> Callable[..., Shown]:
    """Makes a workspace of the test's own, with the preset unless `preset=None`."""
    return lambda **body: Shown(server.url, _workspace(server, **body), {})


@pytest.fixture(scope="session")
def _states() -> dict[str, Any]:
    """What the browser keeps of who has signed in, by key."""
    return {}


@pytest.fixture
def watch_of() -> Watches:
    """What went wrong in each window of this test."""
    return {}


@pytest.fixture
def open_page(browser: Browser, filled: Shown, _states: dict[str, Any], watch_of: Watches) -> Iterator[OpenPage]:
    """Opens windows: `open_page(workspace=filled, size=WIDE, scheme="light", signed_in=True)`.

    When the test has ended, nothing may have gone wrong in any of them.
    """

    def open_(workspace: Shown = filled, size: Size = WIDE, scheme: Scheme = "light", signed_in: bool = True) -> Page:
        if signed_in and workspace.key not in _states:
            _states[workspace.key] = sign_in(browser, workspace.url, workspace.key)
        state = _states[workspace.key] if signed_in else None
        context, watch_of_it = open_context(browser, workspace.url, size, scheme, state)
        watch_of[context] = watch_of_it
        return context.new_page()

    yield open_
    for context in watch_of:
        context.close()
    faults = [fault for watch in watch_of.values() for fault in watch.faults]
    assert faults == [], "\n".join(["what went wrong in the page:", *faults])


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """1440 px wide, light, signed in to `filled`."""
    return open_page()


@pytest.fixture
def phone(open_page: OpenPage) -> Page:
    """380 px wide, light, signed in to `filled`."""
    return open_page(size=NARROW)


@pytest.fixture
def watch(page: Page, watch_of: Watches) -> Watch:
    """Of `page`: `watch.expect("404")` where a fault is what the test wants."""
    return watch_of[page.context]


@pytest.fixture
def signed_out(open_page: OpenPage, watch_of: Watches) -> Page:
    """1440 px wide, not signed in: that it is told 401 is no fault."""
    opened = open_page(signed_in=False)
    watch_of[opened.context].expect("401")
    return opened
