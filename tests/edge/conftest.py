"""One headwater for all attacks: what one of them leaves behind, the next would find."""

from collections.abc import Iterator

import pytest

from harness import Server


@pytest.fixture(scope="package")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A headwater as it comes."""
    server = Server(tmp_path_factory.mktemp("attacked") / "data")
    try:
        server.start()
        server.wait_engine()
        yield server
    finally:
        server.kill_group()
