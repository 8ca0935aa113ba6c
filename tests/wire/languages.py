"""What the two wire languages have in common, for tests that hold for both."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wire.client import Answer, Client
from wire.scene import wire_fault


@dataclass(frozen=True)
class Language:
    """One dialect: where it listens, what a good event is, what an error looks like."""

    name: str
    batch: str
    single: str
    event: Callable[..., dict[str, Any]]
    error_text: Callable[[Answer], str]

    def __str__(self) -> str:
        return self.name

    def batch_of(self, *events: Any) -> bytes:
        return json.dumps({"events": list(events)}).encode()

    def refusal(self, answer: Answer) -> str:
        """Checks that the answer is an error in the dialect's own shape, and returns what it says."""
        assert wire_fault(answer) is None, f"{wire_fault(answer)}: {answer}"
        assert answer.headers["content-type"].split(";")[0] == "application/json", answer
        assert "headwater-batch" not in answer.headers, answer
        text = self.error_text(answer)
        assert text, answer
        return text


SIGNAL = "visits"
"""The slug of the tests' Bigmind signal; its limit is the default of 100 a minute."""


def _bik_event(**fields: Any) -> dict[str, Any]:
    return {"email": "test@bik.ai", "eventName": "pageViewed", "eventProperties": {}, **fields}


def _bigmind_event(**fields: Any) -> dict[str, Any]:
    return {"signal": SIGNAL, "identity": {"type": "account", "id": "1"}, **fields}


def _bik_text(answer: Answer) -> str:
    body = answer.json
    assert list(body) == ["status", "errors"], answer
    assert body["status"] == answer.status, answer
    assert body["errors"] and len(body["errors"]) <= 100, answer
    assert all(isinstance(error["message"], str) and error["message"] for error in body["errors"]), answer
    return "\n".join(f"{error['message']} @{error.get('path', '')}" for error in body["errors"])


def _bigmind_text(answer: Answer) -> str:
    body = answer.json
    assert list(body) == ["success", "error"], answer
    assert body["success"] is False and isinstance(body["error"], str), answer
    return str(body["error"])


BIK = Language(
    "bik",
    "/integrations/bikPlatformFunctions-events/sendEvents",
    "/integrations/bikPlatformFunctions-events/sendEvent",
    _bik_event,
    _bik_text,
)
BIGMIND = Language("bigmind", "/v1/events/batch", "/v1/events", _bigmind_event, _bigmind_text)
LANGUAGES = (BIK, BIGMIND)

MEBIBYTE = 1024 * 1024

FREE = {"bik": ("eventProperties", "name", "ignoredField"), "bigmind": ("data", "reference", "ignoredField")}
"""Where an event takes any object, any string, and anything at all since the field is unknown."""


def padded(language: Language, size: int) -> dict[str, Any]:
    """An event that is `size` bytes long as JSON."""
    field = FREE[language.name][0]
    empty = len(json.dumps(language.event(**{field: {"x": ""}})))
    return language.event(**{field: {"x": "y" * (size - empty)}})


def gzipped(client: Client, language: Language, body: bytes, coding: str = "gzip") -> Answer:
    headers = [("Authorization", f"Bearer {client.key}"), ("Content-Encoding", coding)]
    return client.send("POST", language.batch, [*headers, ("Content-Type", "application/json")], body)
