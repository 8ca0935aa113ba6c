"""A ClickHouse server that runs already, in the place of `services.ClickHouse`: the public workflow has one."""

from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest

CLICKHOUSE_URL = "HEADWATER_TEST_CLICKHOUSE_URL"
"""`clickhouse://USER:PASSWORD@HOST:PORT`; that user may make databases."""


class RealClickHouse:
    """Its databases are dropped at the end. Tests that would pause it, slow it down or kill it are skipped."""

    name = "clickhouse"

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._made: set[str] = set()

    def __enter__(self) -> "RealClickHouse":
        return self

    def __exit__(self, *_: object) -> None:
        import clickhouse_connect

        parts = urlsplit(self._url)
        client = clickhouse_connect.get_client(
            host=parts.hostname,
            port=parts.port or 8123,
            username=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
        )
        for name in self._made:
            client.command(f"DROP DATABASE IF EXISTS `{name}`")
        client.close()

    def url(self, database: str | None = None) -> str:
        """The URL of a database; without a name that of a new one."""
        name = database or f"test_{uuid4().hex[:12]}"
        self._made.add(name)
        return f"{self._url}/{name}"

    def slow(self, seconds: float) -> None:
        """Only 0 can be done."""
        if seconds:
            pytest.skip("a real ClickHouse server cannot be slowed down")

    def __getattr__(self, name: str) -> Any:
        """What else `services.ClickHouse` can do is done to a process of ours."""

        def lacking(*_: object, **__: object) -> NoReturn:
            pytest.skip(f"a real ClickHouse server cannot be told: {name}")

        return lacking
