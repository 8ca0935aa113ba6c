"""Golden pairs: what goes over the wire and what must come back, in files that can be read beside the documents.

A file holds cases, a case one or more requests with their answers:

    === what the case shows
    source: bigmind 82-98
    signal: {"slug": "visits", "type": "event", "rate_limit": 1}
    schema: visits {"type": "object"}
    change: visits {"active": false}

    POST /v1/events/batch
    Authorization: Bearer <key>

    {"events": []}

    --> 400
    X-RateLimit-Limit: <absent>

    {"success": false, "error": "<text>"}

`source` names the lines of the seed document, or the part of the design. Every case runs in a workspace of its own,
where `signal`, `schema` and `change` are applied first, in order. A request's body is sent byte for byte. Words in
angle brackets stand for what cannot be known beforehand, see `Scene.fill` and `Scene.differs`. A JSON object with the
member "*" may have further members. `--> 200 eventually` asks again until the answer fits, for 20 seconds.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

METHODS = ("GET ", "POST ", "PUT ", "PATCH ", "DELETE ", "HEAD ", "OPTIONS ")


@dataclass
class Step:
    """One request and the answer it must get."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes | None
    status: int = 0
    eventually: bool = False
    expected_headers: list[tuple[str, str]] = field(default_factory=list)
    expected: Any = None


@dataclass
class Case:
    """Steps in one workspace."""

    name: str
    source: str = ""
    setup: list[tuple[str, str]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def counts(self) -> bool:
        """Whether its requests must fall into one minute, because they look at a quota."""
        names = {name for step in self.steps for name, _ in step.expected_headers}
        return "X-RateLimit-Remaining" in names or any(step.status == 429 for step in self.steps)


def load(folder: Path) -> list[Case]:
    """All cases of the folder's `.http` files."""
    return [case for path in sorted(folder.glob("*.http")) for case in parse(path.read_text("utf-8"))]


def parse(text: str) -> list[Case]:
    """The cases of one file."""
    return [_case(chunk) for chunk in ("\n" + text).split("\n=== ")[1:]]


def _case(chunk: str) -> Case:
    first, *lines = chunk.split("\n")
    case = Case(first.strip())
    for block in _blocks(lines):
        start = block[0]
        if start.startswith("--> "):
            _answer(case.steps[-1], block)
        elif start.startswith(METHODS):
            case.steps.append(_request(block))
        else:
            _directives(case, block)
    assert case.source and case.steps, f"{case.name}: a case has a source and a request"
    assert all(step.status for step in case.steps), f"{case.name}: a request without an answer"
    return case


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in lines:
        if line.startswith(("--> ", *METHODS)) and block:
            yield block
            block = []
        if block or line.strip():
            block.append(line)
    if block:
        yield block


def _directives(case: Case, block: list[str]) -> None:
    for line in filter(str.strip, block):
        word, _, rest = line.partition(": ")
        if word == "source":
            case.source = rest
        elif word in {"signal", "schema", "change"}:
            case.setup.append((word, rest))
        else:
            raise ValueError(f"{case.name}: {line!r}")


def _head_and_body(block: list[str]) -> tuple[list[tuple[str, str]], str]:
    end = next((n for n, line in enumerate(block) if not line.strip()), len(block))
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in block[1:end])]
    return headers, "\n".join(block[end + 1 :]).strip("\n")


def _request(block: list[str]) -> Step:
    method, path = block[0].split(" ", 1)
    headers, body = _head_and_body(block)
    return Step(method, path.strip(), headers, body.encode() if body else None)


def _answer(step: Step, block: list[str]) -> None:
    words = block[0].split()
    step.status, step.eventually = int(words[1]), "eventually" in words
    step.expected_headers, body = _head_and_body(block)
    step.expected = json.loads(body) if body else None
