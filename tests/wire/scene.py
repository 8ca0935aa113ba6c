"""One golden case being played: a workspace, a moment, and what the words in angle brackets mean there."""

import base64
import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from wire.client import Answer, Client
from wire.goldens import Case, Step

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
WORD = re.compile(r"<([^<>]+)>")


class Scene:
    """Plays one case with a client of a fresh workspace."""

    def __init__(self, client: Client, case: Case) -> None:
        self.client = client
        self.case = case
        self.now = datetime.now(UTC)
        self.signals: dict[str, str] = {}
        self.last = Answer(0, {}, b"")
        """The last answer that had a body."""

    def play(self) -> None:
        for kind, rest in self.case.setup:
            self._prepare(kind, rest)
        if self.case.counts:
            leave_room_in_minute(10)
        for step in self.case.steps:
            self._play(step)

    def _prepare(self, kind: str, rest: str) -> None:
        slug, _, text = rest.partition(" ")
        if kind == "signal":
            wanted = json.loads(rest)
            answer = self.client.call("POST", "/v1/signals", {"name": wanted["slug"], **wanted})
            self.signals[wanted["slug"]] = answer.json.get("id", "")
        elif kind == "schema":
            answer = self.client.call("POST", f"/v1/signals/{slug}/versions", {"schema": json.loads(text)})
        else:
            answer = self.client.call("PATCH", f"/v1/signals/{slug}", json.loads(text))
        assert answer.status in {200, 201}, f"{kind} {rest}: {answer}"

    def _play(self, step: Step) -> None:
        give_up = time.monotonic() + (20 if step.eventually else 0)
        path = self.fill(step.path)
        headers = [(name, self.fill(value)) for name, value in step.headers]
        body = step.body and self.fill(step.body.decode()).encode()
        while True:
            answer = self.client.send(step.method, path, headers, body)
            fault = self._fault(step, answer)
            if fault is None or time.monotonic() > give_up:
                break
            time.sleep(0.05)
        assert fault is None, f"{step.method} {path}: {fault}\n  sent {body!r}\n  got {answer}"
        self.last = answer if answer.body else self.last

    def _fault(self, step: Step, answer: Answer) -> str | None:
        if answer.status != step.status:
            return f"status {answer.status}, not {step.status}"
        fault = wire_fault(answer) if step.method == "POST" else None
        for name, wanted in step.expected_headers:
            fault = fault or self._header_fault(answer, name, wanted)
        if fault or step.expected is None:
            return fault
        return self.differs(step.expected, answer.json, "body")

    def _header_fault(self, answer: Answer, name: str, wanted: str) -> str | None:
        got = answer.headers.get(name.lower())
        if wanted == "<absent>" or got is None:
            return None if wanted == "<absent>" and got is None else f"{name} is {got!r}, not {wanted}"
        return self._differs(wanted, got, name)

    def fill(self, text: str) -> str:
        """Replaces the words of a request: <key>, <now -3h>, <signal slug>, <header name>, <last data.0.id>, …"""
        return WORD.sub(lambda match: self._word(match[1]) or match[0], text)

    def _word(self, word: str) -> str | None:
        key = self.client.key or ""
        forms = {"key": key, "key as user": f"{key}:", "key as user with password": f"{key}:secret"}
        forms |= {"key as password": f"user:{key}", "key alone": key, "user without key": "user:secret"}
        if word == "key":
            return key
        if word in forms:
            return base64.b64encode(forms[word].encode()).decode()
        if word == "now" or word.startswith("now "):
            return self._moment(word.removeprefix("now").strip())
        if word.startswith("signal "):
            return self.signals[word.removeprefix("signal ")]
        if word.startswith("header "):
            return self.last.headers[word.removeprefix("header ").lower()]
        return self._from_last(word.removeprefix("last ")) if word.startswith("last ") else None

    def _moment(self, shift: str) -> str:
        seconds = int(shift[:-1]) * UNITS[shift[-1]] if shift else 0
        moment = self.now + timedelta(seconds=seconds)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _from_last(self, path: str) -> str:
        value = self.last.json
        for part in path.split("."):
            value = value[int(part)] if part.isdigit() else value[part]
        return str(value)

    def differs(self, wanted: Any, got: Any, path: str) -> str | None:
        """Where an answer is not the golden one; None when it is. Members must come in the documented order."""
        if isinstance(wanted, str):
            return self._differs(wanted, got, path)
        if isinstance(wanted, dict) and isinstance(got, dict):
            return self._object_differs(wanted, got, path)
        if isinstance(wanted, list) and isinstance(got, list):
            faults = [self.differs(w, g, f"{path}[{n}]") for n, (w, g) in enumerate(zip(wanted, got, strict=False))]
            if len(wanted) != len(got):
                return f"{path} has {len(got)} items, not {len(wanted)}: {got}"
            return next(filter(None, faults), None)
        same = type(wanted) is type(got) and wanted == got
        return None if same else f"{path} is {got!r}, not {wanted!r}"

    def _object_differs(self, wanted: dict[str, Any], got: dict[str, Any], path: str) -> str | None:
        names = [name for name in wanted if name != "*"]
        present = [name for name in names if name in got] if "*" in wanted else list(got)
        if present != names:
            return f"{path} has {present}, not {names}"
        faults = (self._member_differs(wanted[name], got, name, path) for name in names)
        return next(filter(None, faults), None)

    def _member_differs(self, wanted: Any, got: dict[str, Any], name: str, path: str) -> str | None:
        if isinstance(wanted, str) and wanted.startswith("<same as "):
            other = got[wanted[9:-1]]
            return None if got[name] == other and other else f"{path}.{name} is {got[name]}, not {other}"
        return self.differs(wanted, got[name], f"{path}.{name}")

    def _differs(self, wanted: str, got: Any, path: str) -> str | None:
        word = wanted[1:-1] if wanted.startswith("<") and wanted.endswith(">") else ""
        filled = self.fill(wanted)
        if filled != wanted or not word:
            return None if got == filled else f"{path} is {got!r}, not {filled!r}"
        holds = MEANINGS[word.split(" ")[0]](got, word)
        return None if holds else f"{path} is {got!r}, not {wanted}"


def _is_uuid7(got: Any, _: str) -> bool:
    return isinstance(got, str) and str(UUID(got)) == got and UUID(got).version == 7


def _is_text(got: Any, word: str) -> bool:
    """<text> is any text, <text with a, b> one in which a and then b occur."""
    at = 0
    for part in word.removeprefix("text").removeprefix(" with ").split(", "):
        at = got.find(part, at) + len(part)
        if at < len(part):
            return False
    return bool(got)


def _is_time(got: Any, _: str) -> bool:
    return datetime.fromisoformat(got).tzinfo is not None


def _is_next_minute(got: Any, _: str) -> bool:
    """The end of the present UTC minute, or of the one that has just ended."""
    moment = datetime.fromisoformat(got)
    now = datetime.now(UTC)
    whole = moment.utcoffset() == timedelta(0) and moment.second == moment.microsecond == 0
    return whole and timedelta(seconds=-5) <= moment - now <= timedelta(seconds=60)


def _is_seconds(got: Any, _: str) -> bool:
    """A Retry-After of at most a minute."""
    return 1 <= int(got) <= 60


MEANINGS = {
    "any": lambda got, _: True,
    "uuid": _is_uuid7,
    "text": _is_text,
    "time": _is_time,
    "next-minute": _is_next_minute,
    "seconds": _is_seconds,
}
"""What a word in an expected answer stands for."""


def leave_room_in_minute(seconds: float) -> None:
    """Waits for the next UTC minute when this one has fewer than `seconds` left: quotas are windows of a minute."""
    left = 60 - time.time() % 60
    if left < seconds:
        time.sleep(left + 0.05)


def wire_fault(answer: Answer) -> str | None:
    """What must hold for every answer of an ingest path, whatever was asked."""
    length = answer.headers.get("content-length")
    if length is None or int(length) != len(answer.body):
        return f"Content-Length is {length}, the body has {len(answer.body)} bytes"
    if answer.status in {429, 503} and int(answer.headers.get("retry-after", 0)) < 1:
        return f"{answer.status} without Retry-After"
    return None
