"""A server to sign in at."""

from collections.abc import Iterator
from itertools import count

import httpx
import pytest

from harness import Server, running
from signing import coming_from

_addresses = count(1)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server behind a proxy that is believed, so that each test comes from an address of its own."""
    with running(Server(tmp_path_factory.mktemp("door") / "data", "--trusted-proxy", "127.0.0.1")) as started:
        yield started


@pytest.fixture
def nobody(door: Server) -> Iterator[httpx.Client]:
    """A client without a key, from an address that nobody else has."""
    with httpx.Client(base_url=door.url, headers=coming_from(next(_addresses)), trust_env=False, timeout=30) as client:
        yield client
