"""What was answered with 200, 201 or 204 is obeyed by the very next ingest request, 1,000 times in a row."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from wire.client import Client
from wire.languages import BIGMIND

ROUNDS = int(os.environ.get("HEADWATER_TEST_ROUNDS", "1000"))
SLUG = "obedient"


class Workspace:
    """One connection for the changes, another for what is sent."""

    def __init__(self, client: Client) -> None:
        self.admin = client
        self.sender = Client(f"http://{client.host}:{client.port}", client.key)

    def send(self, slug: str = SLUG, key: str | None = None, **data: Any) -> Any:
        """The answer to one event."""
        self.sender.key = key or self.admin.key
        return self.sender.post(BIGMIND.batch, BIGMIND.batch_of(BIGMIND.event(signal=slug, data=data)))

    def create(self, slug: str = SLUG) -> None:
        self.change(201, "POST", "/v1/signals", {"name": slug, "slug": slug, "type": "event", "rate_limit": None})

    def edit(self, **fields: Any) -> None:
        self.change(200, "PATCH", f"/v1/signals/{SLUG}", fields)

    def change(self, status: int, method: str, path: str, value: Any = None) -> Any:
        answer = self.admin.call(method, path, value)
        assert answer.status == status, answer
        return answer.json if answer.body else None


@pytest.fixture
def workspace(client: Client) -> Iterator[Workspace]:
    workspace = Workspace(client)
    yield workspace
    workspace.sender.close()


def test_signal_created_then_archived(workspace: Workspace) -> None:
    for n in range(ROUNDS):
        slug = f"new-{n}"
        assert workspace.send(slug).status == 404
        workspace.create(slug)
        assert workspace.send(slug).status == 200, slug
        workspace.change(204, "DELETE", f"/v1/signals/{slug}")
        assert workspace.send(slug).status == 404, slug


def test_signal_switched_off_and_on(workspace: Workspace) -> None:
    workspace.create()
    for n in range(ROUNDS):
        workspace.edit(active=False)
        assert workspace.send().status == 404, n
        workspace.edit(active=True)
        assert workspace.send().status == 200, n


def test_rate_limit_edited(workspace: Workspace) -> None:
    workspace.create()
    for n in range(ROUNDS):
        workspace.edit(rate_limit=1_000_000 + n)
        assert workspace.send().headers["x-ratelimit-limit"] == str(1_000_000 + n)
        workspace.edit(rate_limit=None)
        assert "x-ratelimit-limit" not in workspace.send().headers, n


def test_version_published_and_enforcement_edited(workspace: Workspace) -> None:
    workspace.create()
    for n in range(1, ROUNDS + 1):
        schema = {"type": "object", "properties": {"n": {"const": n}}}
        assert workspace.change(201, "POST", f"/v1/signals/{SLUG}/versions", {"schema": schema})["version"] == n
        workspace.edit(enforcement="reject")
        assert workspace.send(n=n).json["data"][0]["schema_version"] == n
        assert workspace.send(n=n - 1).status == 400, n
        workspace.edit(enforcement="quarantine")
        assert workspace.send(n=n - 1).status == 200, n


def test_key_created_then_revoked(workspace: Workspace) -> None:
    workspace.create()
    for n in range(ROUNDS):
        made = workspace.change(201, "POST", "/v1/keys", {"name": f"key {n}", "scopes": ["ingest"]})
        assert workspace.send(key=made["key"]).status == 200, n
        workspace.change(204, "DELETE", f"/v1/keys/{made['id']}")
        assert workspace.send(key=made["key"]).status == 401, n
