"""A cluster whose second gateway has a network of its own: a cable to each broker of Kafka, and one to all the rest."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import netns
import services
from clustered import Cluster, Role

LOCAL = "127.0.0.1"
FAR = 1
"""The gateway's number."""


class _Broker(services.Broker):
    def __init__(self, number: int, kafka: services.Kafka, host: str) -> None:
        self.host = host
        super().__init__(number, kafka)

    def _properties(self) -> dict[str, object]:
        found = dict(super()._properties())
        found["advertised.listeners"] = f"PLAINTEXT://{self.host}:{self.port}"
        found["listeners"] = str(found["listeners"]).replace(f"{LOCAL}:{self.port}", f"0.0.0.0:{self.port}")
        return found


class Kafka(services.Kafka):
    """Each broker at an address of its own."""

    def __init__(self, hosts: list[str]) -> None:
        super().__init__()
        self.brokers[:] = [_Broker(each.number, self, host) for each, host in zip(self.brokers, hosts, strict=True)]

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{each.host}:{each.port}" for each in self.brokers if isinstance(each, _Broker))


class Postgres(services.Postgres):
    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host

    def command(self) -> list[str]:
        found = super().command()
        entries = self.folder / "data" / "pg_hba.conf"
        if self._host not in entries.read_text():
            with entries.open("a") as lines:
                lines.write(f"host all all {self._host}/24 trust\n")
        return [part.replace(f"listen_addresses={LOCAL}", "listen_addresses=*") for part in found]

    def url(self, database: str = "postgres") -> str:
        return super().url(database).replace(LOCAL, self._host)


class Redis(services.Redis):
    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host

    def command(self) -> list[str]:
        return ["0.0.0.0" if part == LOCAL else part for part in super().command()]

    @property
    def url(self) -> str:
        return super().url.replace(LOCAL, self._host)


class Networked(Cluster):
    """`kafka`, `postgres` and `redis` are its own. `space` is None where no network could be made for the gateway: then
    that is where all others are."""

    def __init__(self, folder: Path, space: netns.Space | None, stack: ExitStack, **settings: Any) -> None:
        self.space = space
        here = [cable.here for cable in space.cables] if space else [LOCAL] * 4
        self.kafka = stack.enter_context(services.started(Kafka(here[:3])))
        self.postgres = stack.enter_context(services.started(Postgres(here[3])))
        self.redis = stack.enter_context(services.started(Redis(here[3])))
        self.clickhouse = stack.enter_context(services.started(services.ClickHouse()))
        settings = {"ENGINE_HOST": here[3], **settings}
        super().__init__(folder, self.kafka, self.postgres, self.redis, self.clickhouse, **settings)
        if space:
            self.gateways[FAR] = Role(
                f"gateway-{FAR}", folder, self.environment, "--port", str(self.ports[FAR]), "--host", "0.0.0.0"
            )
            self.gateways[FAR].wrap = space.command

    def url(self, number: int = 0) -> str:
        if number == FAR and self.space:
            return f"http://{self.space.cables[3].there}:{self.ports[FAR]}"
        return super().url(number)


@contextmanager
def networked(folder: Path, **settings: Any) -> Iterator[Networked]:
    with ExitStack() as stack:
        space = stack.enter_context(netns.space(4))
        made = Networked(folder, space, stack, **settings)
        stack.callback(made.stop)
        try:
            yield made.start()
        except BaseException:
            print(made.log())
            raise
