"""One installation for each file of tests, on the services of the whole run."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import services
from clustered import Cluster, cluster_of

Make = Callable[..., Cluster]


@pytest.fixture(scope="module")
def make_cluster(
    tmp_path_factory: pytest.TempPathFactory,
    kafka: services.Kafka,
    postgres: services.Postgres,
    redis: services.Redis,
    clickhouse: services.ClickHouse,
) -> Iterator[Make]:
    """Starts one by a name, with the settings of `cluster_of`; it ends after the file's last test."""
    with ExitStack() as stack:

        def make(name: str, **settings: Any) -> Cluster:
            folder = tmp_path_factory.mktemp(name)
            return stack.enter_context(cluster_of(folder, kafka, postgres, redis, clickhouse, **settings))

        yield make
