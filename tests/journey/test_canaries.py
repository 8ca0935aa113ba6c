"""What people sent is in no line of any process' log: of good requests and bad, refusals, failures, tracebacks."""

import gzip
import json
import os
import signal
import socket
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from figures import Section, tell
from harness import Server, keyed, running, until
from wire.client import raw
from wire.languages import BIGMIND, BIK

MAIL, PHONE, NAME, VALUE = "canary-mail@x.example", "+15551234567", "canary-name", "canary-value"
CANARIES = ("canary", PHONE.removeprefix("+"))
"""In whatever is sent here; and the keys."""
ONE = quote(f"email:{MAIL}", safe="")
SEGMENT = {"type": "track", "userId": "canary-user", "event": "canary event", "properties": {"email": MAIL}}
CLOUD = {"specversion": "1.0", "id": "canary-id", "source": "/canary", "type": "visited", "subject": f"email:{MAIL}"}
BODIES = [
    (
        BIK.batch,
        BIK.batch_of(BIK.event(email=MAIL, phoneNumber=PHONE, name=NAME, eventProperties={"catalogId": VALUE})),
    ),
    (BIK.single, json.dumps({"event": BIK.event(email=MAIL, phoneNumber=PHONE, canary_field=VALUE)}).encode()),
    (BIGMIND.batch, BIGMIND.batch_of(BIGMIND.event(identity={"type": "email", "id": MAIL}, data={"page": VALUE}))),
    (BIGMIND.batch, BIGMIND.batch_of(BIGMIND.event(signal="canary-slug", identity={"type": "canary", "id": MAIL}))),
    (BIGMIND.single, json.dumps(BIGMIND.event(reference="canary-reference", data={"canary-name": VALUE})).encode()),
    ("/v1/batch", json.dumps({"batch": [SEGMENT]}).encode()),
    ("/v1/cloudevents", json.dumps(CLOUD).encode()),
]
"""In all dialects, some of them good."""
QUESTIONS = [
    f"/v1/profiles/{ONE}",
    f"/v1/profiles/{ONE}/events",
    f"/v1/profiles/{quote('phone:' + PHONE, safe='')}/connections",
    f"/v1/profiles?q={quote(MAIL)}",
    f"/v1/events?identity={ONE}&canary={VALUE}",
    f"/v1/events?identity={ONE}",
    f"/v1/events/export?identity={ONE}",
    "/v1/events/trace?reference=canary-reference",
    "/v1/signals/canary-slug/metrics",
    "/v1/cohorts/canary-cohort/members?cursor=canary",
    "/canary/path",
]
HEADERS = {"user-agent": "canary-agent", "cookie": "canary=canary", "x-request-id": MAIL, "idempotency-key": NAME}


class Asked:
    """Everybody who asks, and what came back."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.statuses: Counter[int] = Counter()
        with server.client() as operator:
            self.key = str(operator.post("/v1/keys", json={"scopes": ["ingest", "read", "admin"]}).json()["key"])

    def note(self, answer: httpx.Response) -> httpx.Response:
        self.statuses[answer.status_code] += 1
        return answer

    def everything(self) -> None:
        with keyed(self.server.url, self.key) as client:
            for path, body in BODIES:
                self._sent(client, path, body)
            for question in QUESTIONS:
                self._try(client, "GET", question, headers=HEADERS)
            self._try(client, "POST", BIK.batch, content=BODIES[0][1] + b" " * 5_300_000)
            self._changes(client)
        self._wrong_keys()
        self._broken_requests()

    def _sent(self, client: httpx.Client, path: str, body: bytes) -> None:
        """As it is, as it may be, and broken in several ways."""
        media = "application/cloudevents+json" if "cloud" in path else "application/json"
        packed = gzip.compress(body)
        for content, more in (
            (body, {}),
            (body, {**HEADERS, "prefer": "handling=lenient"}),
            (body, {"headwater-backfill": "canary-backfill"}),
            (body[:-9], {}),
            (body.replace(b"canary", b"canary\xff"), {}),
            (packed, {"content-encoding": "gzip"}),
            (packed[:-9], {"content-encoding": "gzip"}),
            (body, {"content-encoding": "canary"}),
        ):
            self._try(client, "POST", path, content=content, headers={"content-type": media, **more})
        self._try(client, "PUT", path, content=body)

    def _changes(self, client: httpx.Client) -> None:
        hook = {"url": f"https://canary:{NAME}@canary.invalid/{VALUE}", "events": ["cohort.left"], "description": NAME}
        odd: dict[str, Any] = {"subject": "person", "where": {"performed": "canary", "filter": {"a": {"=": VALUE}}}}
        for path, value in (
            ("/v1/signals", {"name": NAME, "slug": "canary-signal", "type": "event"}),
            ("/v1/signals", {"name": NAME, "canary": VALUE}),
            ("/v1/cohorts", {"name": NAME, "definition": odd}),
            ("/v1/cohorts/preview", {"definition": odd}),
            ("/v1/backfills", {"name": NAME}),
            ("/v1/keys", {"name": NAME, "scopes": [VALUE]}),
            ("/v1/webhooks", hook),
            ("/v1/webhooks", hook | {"url": "https://canary.invalid/"}),
            ("/v1/session", {"key": "canary-key"}),
            ("/v1/rejected/replay", {"filter": {"canary": VALUE}}),
            (f"/v1/profiles/{ONE}/unmerge", {"identity": f"phone:{PHONE}"}),
        ):
            answer = self._try(client, "POST", path, json=value)
            if answer is not None and path == "/v1/webhooks" and answer.status_code == 201:
                self._try(client, "POST", f"/v1/webhooks/{answer.json()['id']}/test")
        self._try(client, "DELETE", f"/v1/profiles/{ONE}")

    def _wrong_keys(self) -> None:
        pair = b64encode(f"canary-user:{self.key}x".encode()).decode()
        for authorization in ("Bearer canary-key", f"Basic {pair}", f"Canary {self.key}", f"Bearer {self.key}x"):
            with httpx.Client(base_url=self.server.url, trust_env=False, timeout=30) as client:
                for path in (BIK.batch, "/v1/keys"):
                    self._try(client, "POST", path, content=b"{}", headers={"authorization": authorization})

    def _broken_requests(self) -> None:
        keyed = f"Host: a\r\nAuthorization: Bearer {self.key}\r\n"
        for request in (
            f"POST {BIK.batch}?canary={VALUE} HTTP/1.1\r\nHost: canary canary\r\nX-A: {MAIL}\r\n\r\n",
            f"CANARY /{VALUE} HTTP/1.1\r\n{keyed}\r\n",
            f"POST {BIK.batch} HTTP/1.1\r\n{keyed}Content-Length: canary\r\n\r\n",
            f"GET /{MAIL} HTTP/1.1\r\nHost: a\r\nX-A: {'canary' * 20_000}\r\n\r\n",
        ):
            answer = raw(self.server.url, request.encode(), timeout=5)
            self.statuses[int(answer.split(b" ")[1]) if answer else 0] += 1

    def _try(self, client: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response | None:
        try:
            return self.note(client.request(method, path, **more))
        except httpx.TransportError:
            self.statuses[0] += 1
            return None


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def spoil(data: Path) -> int:
    """Overwrites what the store holds of events, as a failing disk would; how many files."""
    files = [path for path in data.glob("store/**/*.bin") if path.stat().st_size]
    for path in files:
        path.write_bytes(os.urandom(path.stat().st_size))
    return len(files)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("format_", ["text", pytest.param("json", marks=pytest.mark.torture)])
def test_no_line_has_what_people_sent(tmp_path: Path, format_: str) -> None:
    options = ("--log-level", "debug", "--log-format", format_, "--access-log", "--webhooks-digest-seconds", "1")
    server = Server(tmp_path / "data", *options)
    with running(server):
        asked = Asked(server)
        asked.everything()
        with stopped(server.pids()["engine"]):
            with socket.create_connection(("127.0.0.1", server.port)) as gone:
                gone.sendall(f"GET /v1/profiles/{ONE} HTTP/1.1\r\nHost: a\r\n".encode())
            asked._broken_requests()
        server.wait_drained()
        before = server.kill_engine()
        asked.everything()  # 503s, until it is there again
        until(lambda: server.pids().get("engine", before) != before, what="another engine")
        server.wait_engine()
        server.wait_drained()
        assert spoil(server.data_dir)
        asked.everything()
        server.kill_gateway()
        asked.everything()
        until(lambda: "Traceback" in server.log(1 << 30), what="something failed")
    log = server.log(1 << 30)
    keys = [asked.key, asked.key.removeprefix("sk_"), server.key.removeprefix("sk_")]
    lines = [line for line in log.splitlines() if "-H 'Authorization: " not in line]  # the first start, for people
    found = {name: line for line in lines for name in (*CANARIES, *keys) if name in line}
    tell(
        Section.TENANTS,
        f"a canary in what is sent, logs of {format_} at level debug",
        lines=len(lines),
        tracebacks=sum("Traceback" in line for line in lines),
        answers=", ".join(f"{count} times {status}" for status, count in sorted(asked.statuses.items())),
        found=len(found),
    )
    assert not found, "\n".join(f"{name}: {line[:2000]}" for name, line in found.items())
    assert {200, 400, 401, 404, 405, 413, 415, 500, 503} <= set(asked.statuses), asked.statuses
