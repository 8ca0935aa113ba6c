"""headwater past one machine, for tests: gateways and engines as processes of their own, on real services."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

import services
from harness import guarded, keyed, until

START_SECONDS = 60.0


class Role:
    """One gateway or engine."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str], *options: str) -> None:
        self.name, self.folder = name, folder
        self.log_path = folder / f"{name}.log"
        self.wrap: tuple[str, ...] = ()
        """A command to run it in."""
        self._environment = environment
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def kind(self) -> str:
        return self.name.split("-")[0]

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"{self.name} was never started"
        return self._process

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        command = [*self.wrap, sys.executable, "-m", "headwater", self.kind, "--data-dir", str(self.folder / self.name)]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        guarded(self._process.pid)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9. Idempotent."""
        if self.alive:
            self.process.kill()
            self.process.wait()

    def stop(self, seconds: float = 40.0) -> int:
        self.process.terminate()
        return self.process.wait(seconds)

    def log(self, most: int = 20_000) -> str:
        return self.log_path.read_bytes()[-most:].decode(errors="replace") if self.log_path.exists() else ""


class Cluster:
    """Gateways and engines of one installation."""

    def __init__(
        self,
        folder: Path,
        kafka: services.Kafka,
        postgres: services.Postgres,
        redis: services.Redis,
        clickhouse: services.ClickHouse,
        gateways: int = 2,
        engines: int = 2,
        **settings: Any,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.database = postgres.database()
        urls = {
            "LOG_URL": f"kafka://{kafka.bootstrap}/t{uuid4().hex[:8]}",
            "LOG_PARTITIONS": 4,
            "STORE_URL": clickhouse.url(),
            "DATABASE_URL": self.database,
            "QUOTAS_URL": redis.url,
        }
        plain = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}
        self.environment = plain | {f"HEADWATER_{name}": str(value) for name, value in (urls | settings).items()}
        self.ports = [services.free_port() for _ in range(gateways)]
        self.gateways = [
            Role(f"gateway-{number}", folder, self.environment, "--port", str(port))
            for number, port in enumerate(self.ports)
        ]
        self.engines = [Role(f"engine-{number}", folder, self.environment) for number in range(engines)]

    def start(self) -> "Cluster":
        secret = os.urandom(32)
        for role in [*self.gateways, *self.engines]:
            (self.folder / role.name).mkdir(mode=0o700)
            path = self.folder / role.name / "key-secret"
            path.write_bytes(secret)
            path.chmod(0o600)
        for role in self.gateways:
            role.start()
        for number in range(len(self.gateways)):
            until(lambda number=number: self.is_up(number), START_SECONDS, f"gateway {number} is ready")
        for role in self.engines:
            role.start()
        with self.client() as client:
            until(lambda: client.get("/v1/pipelines").status_code == 200, START_SECONDS, "an engine leads")
        return self

    def is_up(self, number: int) -> bool:
        role = self.gateways[number]
        assert role.alive, f"{role.name} ended with {role.process.returncode}:\n{role.log()}"
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url(number)}/livez", timeout=5, trust_env=False).status_code == 200
        return False

    def url(self, number: int = 0) -> str:
        return f"http://127.0.0.1:{self.ports[number]}"

    @property
    def key(self) -> str:
        """The first key, which one of the gateways has made."""
        found = [each for each in self.folder.glob("gateway-*/credentials.json") if each.exists()]
        return str(json.loads(found[0].read_bytes())["api_key"])

    def client(self, number: int = 0, key: str | None = None, **options: Any) -> httpx.Client:
        return keyed(self.url(number), key or self.key, **options)

    def wait_drained(self, seconds: float = 120) -> None:
        """Returns when nothing waits for its outcome."""
        with self.client() as client:

            def drained() -> bool:
                answer = client.get("/v1/pipelines")
                return answer.status_code == 200 and not any(lane["events"] for lane in answer.json()["data"])

            until(drained, seconds, "both lanes are empty")

    def stop(self) -> None:
        for role in [*self.gateways, *self.engines]:
            role.kill()

    def log(self) -> str:
        return "\n".join(f"--- {role.name}\n{role.log()}" for role in [*self.gateways, *self.engines])


@contextmanager
def cluster_of(folder: Path, *services_: Any, **options: Any) -> Iterator[Cluster]:
    made = Cluster(folder, *services_, **options)
    try:
        yield made.start()
    except BaseException:
        print(made.log())
        raise
    finally:
        made.stop()
