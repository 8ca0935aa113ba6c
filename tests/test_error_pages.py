"""Every error has a page, every page an error; and what a page shows is what a server answers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result
from typer.testing import CliRunner

from harness import Server
from headwater import web
from headwater.cli.explain import _FOLDER, codes, index, page_of
from headwater.cli.main import app
from headwater.dialects import DIALECTS
from headwater.errors import RequestError
from headwater.outcomes import Reason
from headwater.rules.hints import CODES
from headwater.web.completion import calls
from headwater.wiring import described
from wire.client import Client
from wire.goldens import parse
from wire.scene import Scene
from wire.workspaces import new_workspace

BIK = "/integrations/bikPlatformFunctions-events/sendEvents"
PIECE = re.compile(r"<!-- (.*?) -->|```http\n(.*?)```", re.DOTALL)


SOURCES = "".join(path.read_text() for path in Path(web.__file__).parent.glob("*.py"))


def erring(error: type[Exception]) -> Iterator[type[Exception]]:
    yield error
    for below in error.__subclasses__():
        yield from erring(below)


def statuses() -> set[str]:
    """Of the error tree, the API's document, and the dialects' own words."""
    raised = {str(error.status) for error in erring(RequestError) if hasattr(error, "status")} | {"503"}
    told = {status for *_, call in calls(described.document()) for status in call["responses"] if status >= "4"}
    known = {str(status) for status in (405, 408, 431) for each in DIALECTS if each.error(status).body}
    return (raised | told | known) - {"default"}


def test_every_code_has_a_page_and_every_page_is_of_a_code() -> None:
    wanted = set(CODES) | set(Reason) | statuses()
    lacking, left_over = wanted - set(codes()), set(codes()) - wanted
    assert not lacking, f"write src/headwater/cli/explained/NAME.md, as the others are, for each of {sorted(lacking)}"
    assert not left_over, f"nothing answers {sorted(left_over)} any more"


def test_every_page_says_the_same_things() -> None:
    for code in codes():
        headings = re.findall(r"^#+ .*$", page_of(code), re.MULTILINE)
        assert headings == [f"# `{code}`", "## Example", "## Why it happens", "## What to do", "## Replay"], code
        assert f"[`{code}`]({code}.md)" in index()


def test_what_pages_point_at_is_there() -> None:
    for code in codes():
        for link in re.findall(r"\]\((\w+)\.md\)", page_of(code)):
            assert link in codes(), (code, link)


DEEP = 20_000


def event(data: str) -> bytes:
    """One, whose property `x` is this JSON."""
    fields = '"email": "ada@example.com", "eventName": "pageViewed", "eventProperties"'
    return f'{{"events": [{{{fields}: {{"x": {data}}}}}]}}'.encode()


SENT = {
    "too_large": (BIK, lambda: event('"%s"' % ("x" * 300_000)), {}),
    "nested": (BIK, lambda: event("[" * DEEP + "]" * DEEP), {}),
    "413": ("/v1/events/batch", lambda: b" " * (6 * 1024 * 1024), {}),
    "431": ("/v1/events/batch", lambda: b"{}", {"Cookie": "x" * 200_000}),
}
"""What is too long to be shown on a page: where it goes, the body, headers."""


class Play:
    """One page, read from its beginning: what it sets up, sends and shows."""

    def __init__(self, code: str, client: Client) -> None:
        self._text = (_FOLDER / f"{code}.md").read_text("utf-8")
        self._client = client
        self._golden = f"=== {code}\nsource: its page\n"
        self._asks, self._told = False, ""
        self.shown = 0

    def play(self) -> None:
        for directive, block in PIECE.findall(self._text):
            if directive.startswith(("signal: ", "schema: ")):
                self._golden += f"{directive}\n"
            elif directive:
                self._told = directive
            elif block.startswith("HTTP/1.1"):
                self._answer(block)
            else:
                self._asks = block.startswith(("GET", "POST /v1/rejected/replay"))
                self._golden += "\n" + block.replace("$KEY", "<key>")
        if "\n-->" in self._golden:
            Scene(self._client, parse(self._golden)[0]).play()

    def _answer(self, block: str) -> None:
        """Compares it at once where its page names what it is, else when the page is played."""
        first, _, rest = block.partition("\n")
        status, (kind, _, what) = int(first.split()[1]), self._told.partition(": ")
        self.shown, self._told = self.shown + 1, ""
        if kind == "sent":
            self._sent(what, status, rest)
        elif kind:
            assert what.endswith(f" {status}")
            self._worded(kind, what.split()[0], status, body_of(rest))
        else:
            # What was just sent is seen, and can be replayed, a moment later.
            self._golden += f"\n--> {status}{' eventually' if self._asks else ''}\n{rest}"

    def _worded(self, kind: str, dialect: str, status: int, shown: Any) -> None:
        """`usual`: in the dialect's own words; `worded`: in those that the source has for it."""
        message = "" if kind == "usual" else shown["error"]
        assert message in SOURCES
        speaks = next(each for each in DIALECTS if each.name == dialect)
        assert shown == msgspec.json.decode(speaks.error(status, message).body)

    def _sent(self, what: str, status: int, rest: str) -> None:
        path, body, headers = SENT[what]
        given = [("Authorization", f"Bearer {self._client.key}"), *headers.items()]
        answer = self._client.send("POST", path, given, body())
        assert answer.status == status and answer.json == body_of(rest)


def body_of(rest: str) -> Any:
    return json.loads(rest.partition("\n\n")[2] or rest)


@pytest.mark.parametrize("code", codes())
def test_a_page_shows_what_is_answered(code: str, server: Server) -> None:
    client = new_workspace(server)
    play = Play(code, client)
    try:
        play.play()
    finally:
        client.close()
    assert play.shown, "a page has an example with its answer"


def test_the_command_line_explains() -> None:
    def ask(*words: str) -> Result:
        return CliRunner().invoke(app, ["explain", *words])

    told = ask("schema_violation")
    assert told.exit_code == 0 and "quarantine" in told.output and "<!--" not in told.output
    assert all(code in ask().output for code in codes())
    assert ask("requird").exit_code == 2 and "did you mean required" in ask("requird").output
    assert "lists those there are" in ask("../../etc/passwd").output
