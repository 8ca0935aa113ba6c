"""Every wire test has a workspace of its own in the shared server."""

from collections.abc import Iterator

import pytest

from harness import Server
from wire.client import Client
from wire.languages import LANGUAGES, Language
from wire.workspaces import new_workspace


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A connection with the first key of a fresh workspace."""
    client = new_workspace(server)
    yield client
    client.close()


@pytest.fixture(params=LANGUAGES, ids=str)
def language(request: pytest.FixtureRequest) -> Language:
    """Each of the two wire languages."""
    chosen: Language = request.param
    return chosen
