"""Workspaces with a connection for the journeys that share one server."""

from collections.abc import Iterator

import pytest

from harness import Server
from wire.client import Client
from wire.workspaces import new_workspace


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A connection with the first key of a fresh workspace."""
    client = new_workspace(server)
    yield client
    client.close()
