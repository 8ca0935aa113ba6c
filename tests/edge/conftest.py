"""One headwater for all attacks: what one of them leaves behind, the next would find."""

from collections.abc import Iterator

import pytest

from harness import Server, running


@pytest.fixture(scope="package")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A headwater as it comes."""
    with running(Server(tmp_path_factory.mktemp("attacked") / "data")) as server:
        yield server
