"""A headwater for your own tests, in memory and without a network: give it to a client as its transport.

    fake = FakeHeadwater()
    client = Client("http://headwater.test", "key", transport=fake)
    client.track(signal("visits", ("account", "001")))
    client.flush()
    assert fake.events[0]["signal"] == "visits"

It takes everything unless it is told otherwise, in both dialects, and answers as headwater does: a request that comes
again under its Idempotency-Key is answered as before, and its events are not taken again.
"""

import gzip
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2

from headwater_client.events import PATHS, Dialect

SIGNAL_ID = "sig_FakeFake"
"""What the fake calls every signal."""

Chooses = Callable[[dict[str, Any]], bool]
"""Whether an event, as it was sent, is meant."""


@dataclass(frozen=True, slots=True)
class Received:
    """A request."""

    dialect: Dialect
    idempotency_key: str
    authorization: str
    events: list[dict[str, Any]]
    status: int
    """What it was answered; 0: the connection was cut."""


@dataclass(frozen=True, slots=True)
class _Rule:
    chooses: Chooses
    verdict: dict[str, str]


class FakeHeadwater(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """What was taken is in `events`, every request in `requests`. Any number of threads may use it."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        """Each event that was taken, as it was sent, in the order of taking."""
        self.requests: list[Received] = []
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._limits: dict[str, int] = {}
        self._retry_after = 1.0
        self._failures: list[tuple[int | Exception, float, bool]] = []
        self._answers: dict[str, tuple[bytes, httpx2.Response]] = {}

    # --- what it is told -------------------------------------------------------------------------------------------

    def refuse(
        self,
        chooses: Chooses,
        *,
        code: str = "schema",
        path: str = "data",
        message: str = "is not what the schema allows",
        hint: str = "Correct the data.",
    ) -> None:
        """From now on events that are chosen are refused."""
        verdict = {"code": code, "path": path, "message": f"{path} {message}", "hint": hint}
        with self._lock:
            self._rules.append(_Rule(chooses, verdict))

    def limit(self, name: str, events: int, *, retry_after: float = 1) -> None:
        """So many further events of a signal are taken, and more only after another call. `retry_after`: seconds, told
        by every 429 from now on."""
        with self._lock:
            self._limits[name] = events
            self._retry_after = retry_after

    def fail(self, how: int | Exception, times: int = 1, *, retry_after: float = 0, taken: bool = False) -> None:
        """The next requests are answered with a status, or fail with an exception. With `taken` their events are taken
        all the same, and only the answer is lost."""
        with self._lock:
            self._failures += [(how, retry_after, taken)] * times

    # --- httpx2's side ---------------------------------------------------------------------------------------------

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._answer(request, request.read())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._answer(request, await request.aread())

    def _answer(self, request: httpx2.Request, body: bytes) -> httpx2.Response:
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        dialect = next((name for name, path in PATHS.items() if request.url.path.endswith(path)), None)
        if dialect is None:
            return httpx2.Response(404, json={"detail": "Not Found"})
        with self._lock:
            how, retry_after, taken = self._failures.pop(0) if self._failures else (200, 0.0, True)
            response = self._once(request.headers.get("idempotency-key", ""), dialect, body) if taken else None
            if isinstance(how, int) and (how != 200 or response is None):
                response = _error(dialect, how, retry_after)
            self._note(
                request, dialect, body, 0 if isinstance(how, Exception) or not response else response.status_code
            )
        if isinstance(how, Exception):
            raise how
        assert response is not None
        return response

    def _note(self, request: httpx2.Request, dialect: Dialect, body: bytes, status: int) -> None:
        about = (request.headers.get("idempotency-key", ""), request.headers.get("authorization", ""))
        self.requests.append(Received(dialect, *about, json.loads(body)["events"], status))

    def _once(self, key: str, dialect: Dialect, body: bytes) -> httpx2.Response:
        if key in self._answers:
            before, answer = self._answers[key]
            if before != body:
                return _error(dialect, 422, 0)
            headers = {**answer.headers, "Idempotency-Replayed": "true"}
            return httpx2.Response(answer.status_code, headers=headers, content=answer.content)
        answer = self._take(dialect, json.loads(body)["events"])
        if key and answer.status_code == 200:
            self._answers[key] = (body, answer)
        return answer

    def _take(self, dialect: Dialect, events: list[dict[str, Any]]) -> httpx2.Response:
        errors, limited, taken = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
        for index, event in enumerate(events):
            if verdict := self._refusal(event):
                errors.append(_verdict(index, event, verdict))
            elif not self._granted(event):
                limited.append(event)
                if dialect == "bik":
                    errors.append(_verdict(index, event, _LIMITED))
            else:
                taken.append(event)
        self.events += taken
        if taken:
            return _taken(dialect, taken, limited, errors)
        return _error(dialect, 429, self._retry_after) if limited else _error(dialect, 400, 0, errors)

    def _refusal(self, event: dict[str, Any]) -> dict[str, str] | None:
        return next((rule.verdict for rule in self._rules if rule.chooses(event)), None)

    def _granted(self, event: dict[str, Any]) -> bool:
        name = event.get("signal") or event.get("eventName", "")
        if name not in self._limits:
            return True
        self._limits[name] -= 1
        return self._limits[name] >= 0


_LIMITED = {
    "code": "rate_limited",
    "path": "",
    "message": "is over the rate limit of its signal",
    "hint": "Send it again after the time in Retry-After, or raise the signal's rate_limit.",
}


def _verdict(index: int, event: dict[str, Any], verdict: dict[str, str]) -> dict[str, Any]:
    named = {"reference": event["reference"]} if "reference" in event else {}
    place = f"events[{index}]" + (f".{verdict['path']}" if verdict["path"] else "")
    return {"index": index, **named, **verdict, "path": place}


def _taken(
    dialect: Dialect, taken: list[dict[str, Any]], limited: list[dict[str, Any]], errors: list[dict[str, Any]]
) -> httpx2.Response:
    told = {"errors": errors} if errors else {}
    if dialect == "bik":
        return httpx2.Response(200, json={"status": 200, "success": True, **told})
    data = [
        {"id": str(uuid4()), "signal_id": SIGNAL_ID, "schema_version": None, "status": "pending", **_named(event)}
        for event in taken
    ]
    over = {"rate_limited": [{"signal_id": SIGNAL_ID, **_named(event)} for event in limited]} if limited else {}
    return httpx2.Response(200, json={"success": True, "data": data, **over, **told})


def _named(event: dict[str, Any]) -> dict[str, str]:
    return {"reference": event["reference"]} if "reference" in event else {}


def _error(
    dialect: Dialect, status: int, retry_after: float, errors: list[dict[str, Any]] | None = None
) -> httpx2.Response:
    text = "; ".join(each["message"] for each in errors) if errors else f"the fake answers {status}"
    headers = {"Retry-After": f"{retry_after:g}"} if retry_after else {}
    if dialect == "bik":
        body: dict[str, Any] = {"status": status, "errors": errors or [{"message": text}]}
    elif errors and all(each["code"] == "unknown_signal" for each in errors):
        status, body = 404, {"success": False, "error": "Signals not found", "errors": errors}
    else:
        body = {"success": False, "error": text, **({"errors": errors} if errors else {})}
    return httpx2.Response(status, headers=headers, json=body)
