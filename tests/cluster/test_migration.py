"""`headwater migrate-to`: from one machine to a cluster under load, killed once on the way."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

import services
from background import Background
from clustered import START_SECONDS, Cluster, Role
from harness import Server, guarded, running, until
from headwater.supervisor import EXIT_STAY_DOWN

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

BIK = "/integrations/bikPlatformFunctions-events/sendEvents"
_SPREAD = 400


class Load(Background):
    """Sends batches to the old gateway until it is gone, and remembers what was acknowledged."""

    def __init__(self, server: Server) -> None:
        self._server = server
        super().__init__()
        self.batch = 0
        self.acknowledged: set[int] = set()
        self.others: Counter[str] = Counter()

    def send(self, client: httpx.Client, batch: int) -> None:
        numbers = [batch * 100 + each for each in range(100)]
        try:
            if batch % 3:
                events = [_bik(number) for number in numbers]
                answer = client.post(BIK, json={"events": events})
            else:
                events = [_native(number) for number in numbers]
                headers = {"Idempotency-Key": f"batch-{batch}"}
                answer = client.post("/v1/events/batch", json={"events": events}, headers=headers)
        except httpx.TransportError as error:
            self.others[type(error).__name__] += 1
            return
        if answer.status_code == 200:
            self.acknowledged.update(numbers)
        else:
            self.others[f"{answer.status_code}"] += 1

    def _run(self) -> None:
        with self._server.client() as client:
            while not self._stop.is_set():
                self.send(client, self.batch)
                self.batch += 1
                time.sleep(0.25)


def _bik(number: int) -> dict[str, Any]:
    """Half of the people have two phones."""
    return {
        "email": f"p{number % _SPREAD}@example.com",
        "phoneNumber": f"+1949457{number % _SPREAD + (number % 2) * (number // _SPREAD % 2) * 1000:04}",
        "eventName": "searched",
        "eventProperties": {"number": number, "keyword": f'k{number} "ü"\n\u2028'},
    }


def _native(number: int) -> dict[str, Any]:
    data = {"amount": number % 97 + 0.25, "mood": f"m{number % 5}", "number": number}
    if number % 50 == 49:
        data |= {"amount": "none", "mood": None}  # what a metric cannot measure
    identity = {"type": "email", "id": f"p{number % _SPREAD}@example.com"}
    return {"signal": ("paid", "mood", "visited")[number % 3], "identity": identity, "data": data}


def test_all_of_it_is_there_once(
    tmp_path: Path,
    kafka: services.Kafka,
    postgres: services.Postgres,
    redis: services.Redis,
    clickhouse: services.ClickHouse,
) -> None:
    cluster = Cluster(tmp_path / "cluster", kafka, postgres, redis, clickhouse, gateways=1, engines=1)
    began = time.monotonic()
    with running(Server(tmp_path / "data", "--segment-bytes", "65536")) as old:
        ids = _made(old)
        with Load(old) as load:
            until(lambda: len(load.acknowledged) >= 4_000, 90, "some events are there")
            first = _migrate(tmp_path, cluster)
            until(lambda: _appended(cluster) > 3 or first.poll() is not None, 60, "it moves the log")
            assert first.poll() is None, _said(tmp_path)
            first.kill()
            first.wait()
            assert "has not moved everything here yet" in _refused(cluster.gateways[0], cluster.environment)
            assert "has not moved everything here yet" in _refused(cluster.engines[0], cluster.environment)
            killed = len(load.acknowledged)
            until(lambda: len(load.acknowledged) >= killed + 1_000, 90, "more came meanwhile")
            with old.client() as client:
                later = client.post("/v1/signals", json={"name": "later", "type": "event"})
                assert later.status_code == 201, later.text
            second = _migrate(tmp_path, cluster)
            until(lambda: "following" in _said(tmp_path) or second.poll() is not None, 120, "it follows")
            assert second.poll() is None, _said(tmp_path)
            time.sleep(1)
            with old.client() as client:  # rests as long as it is moved
                erased = client.delete("/v1/profiles/email:p7@example.com")
                assert erased.status_code == 202, erased.text
            until(lambda: len(load.acknowledged) % 5_000 < 4_000, 30)
        moved = len(load.acknowledged)
        second.terminate()
        assert second.wait(60) == 3, _said(tmp_path)
        old.wait_drained()
        with old.client() as client:
            until(lambda: _erased(client) > 0, 60, "the old one erases somebody meanwhile")
            with_rest = _answers(client, ids)
        third = _migrate(tmp_path, cluster, "--finish")
        assert third.wait(120) == 0, _said(tmp_path)
        assert old.process.wait(30) == 0
    plain = {name: value for name, value in cluster.environment.items() if not name.startswith("HEADWATER_")}
    command = [sys.executable, "-m", "headwater", "serve", "--data-dir", str(old.data_dir), "--port", "0"]
    again = subprocess.run(command, env=plain, capture_output=True, text=True, timeout=60)
    assert again.returncode == EXIT_STAY_DOWN and "was moved to a cluster" in again.stderr, again.stderr
    print(f"{moved} events acknowledged, {killed} of them before the kill; others: {dict(load.others)}")
    print(f"moved within {time.monotonic() - began:.1f} s with everything around it\n{_said(tmp_path)}")
    with _begun(cluster, old) as client:
        cluster.wait_drained()
        _compare(client, ids, with_rest)
        numbers = _numbers(client)
        assert numbers <= load.acknowledged
        assert {number % _SPREAD for number in load.acknowledged - numbers} == {7}
        print(f"equal in both: {with_rest['events'][0]} events of sha256 {with_rest['events'][1]}")
        print(f"cohorts of {[size for size, _ in with_rest['cohorts'].values()]} members; profiles, e.g.")
        print(json.dumps(with_rest["people"]["p0"])[:400])
        _retried(client)
        assert client.get("/v1/signals/later").status_code == 200
        assert client.post(BIK, json={"events": [_bik(0)]}).status_code == 200


def _erased(client: httpx.Client) -> int:
    """Events that are gone, once all of them are."""
    (erasure,) = client.get("/v1/erasures").json()["data"]
    return 0 if erasure["step"] in ("drain", "resolve", "find", "delete") else int(erasure["events"])


def _compare(client: httpx.Client, ids: dict[str, str], wanted: dict[str, Any]) -> None:
    """Cohorts follow what is stored by some tenths of a second, and are made first: until then there is 503."""

    def same() -> bool:
        try:
            return _answers(client, ids) == wanted
        except httpx.HTTPStatusError as error:
            if error.response.status_code not in (404, 503):
                raise
            return False

    try:
        until(same, 60)
    except AssertionError:
        found = _answers(client, ids)
        for name, value in wanted.items():
            assert found[name] == value, name


def _made(old: Server) -> dict[str, str]:
    """Signals of each type, and cohorts."""
    with old.client() as client:
        for body in (
            {"name": "paid", "type": "metric", "value": "amount", "aggregation": "sum", "period": "day"},
            {"name": "mood", "type": "state", "value": "mood"},
            {"name": "visited", "type": "event"},
            {"name": "searched", "type": "event"},
        ):
            answer = client.post("/v1/signals", json=body | {"rate_limit": 1_000_000})
            assert answer.status_code == 201, answer.text
        ids = {}
        for name in ("paid", "visited"):
            definition = {"subject": "person", "where": {"performed": name}}
            answer = client.post("/v1/cohorts", json={"name": name, "definition": definition})
            assert answer.status_code == 201, answer.text
            ids[name] = answer.json()["id"]
        return ids


def _answers(client: httpx.Client, ids: dict[str, str]) -> dict[str, Any]:
    """What is asked of the old one and of the new."""
    lines = _asked(client, "/v1/events/export", timeout=120).text.split("\n")
    rows = [json.loads(line) for line in lines if line]
    names = ("id", "signal", "occurred_at", "received_at", "data", "identities", "status", "reason", "detail")
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda row: row["id"]):
        digest.update(json.dumps([row.get(name) for name in names], sort_keys=True).encode())
    people: dict[str, Any] = {}
    for number in range(0, _SPREAD, 40):
        profile = _asked(client, f"/v1/profiles/email:p{number}@example.com").json()
        people[f"p{number}"] = {
            name: value for name, value in profile.items() if name in ("identities", "events", "metrics", "states")
        }
    cohorts = {}
    for name, id_ in ids.items():
        made = _asked(client, f"/v1/cohorts/{id_}").json()
        members = _asked(client, f"/v1/cohorts/{id_}/members", params={"limit": 1000}).json()
        cohorts[name] = (
            made.get("size"),
            sorted(json.dumps(each["identities"], sort_keys=True) for each in members["data"]),
        )
    keys = _asked(client, "/v1/keys").json()
    signals = _asked(client, "/v1/signals").json()
    return {
        "events": (len(rows), digest.hexdigest()),
        "people": people,
        "cohorts": cohorts,
        "keys": [each["id"] for each in keys["data"]],
        "signals": [(each["slug"], each["type"]) for each in signals["data"]],
    }


def _asked(client: httpx.Client, path: str, **options: Any) -> httpx.Response:
    return client.get(path, **options).raise_for_status()


def _numbers(client: httpx.Client) -> set[int]:
    found: list[int] = []
    for line in client.get("/v1/events/export", timeout=120).text.split("\n"):
        if not line:
            continue
        found.append(json.loads(line)["data"]["number"])
    assert len(found) == len(set(found))
    return set(found)


def _retried(client: httpx.Client) -> None:
    """What the old gateway took under an idempotency key is known to the new one."""
    events = [_native(each) for each in range(300, 400)]  # of nobody who was erased
    answer = client.post("/v1/events/batch", json={"events": events}, headers={"Idempotency-Key": "batch-3"})
    assert answer.status_code == 200, answer.text
    assert answer.headers.get("idempotent-replayed", answer.headers.get("idempotency-replayed")) == "true", (
        answer.headers
    )


def _migrate(folder: Path, cluster: Cluster, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "headwater", "migrate-to", "--data-dir", str(folder / "data"), *options]
    with (folder / "migrate.log").open("ab") as log:
        log.write(f"--- {' '.join(options)}\n".encode())
        log.flush()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=cluster.environment, start_new_session=True
        )
    guarded(process.pid)
    return process


def _refused(role: Role, environment: dict[str, str]) -> str:
    """What a role of the target says that starts too early, and ends."""
    command = [sys.executable, "-m", "headwater", role.kind, "--data-dir", str(role.folder / "early")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    return done.stderr


def _said(folder: Path) -> str:
    return (folder / "migrate.log").read_text()


def _appended(cluster: Cluster) -> int:
    """Records of the old log that are known to be in Kafka."""
    with psycopg.connect(cluster.database) as connection:
        if connection.execute("SELECT to_regclass('headwater.move_log')").fetchone() == (None,):
            return 0
        found = connection.execute("SELECT mark FROM headwater.move_log").fetchone()
    return int(json.loads(found[0])["records"]) if found else 0


@contextmanager
def _begun(cluster: Cluster, old: Server) -> Iterator[httpx.Client]:
    """Gateways and engines of the target, with the old one's secret."""
    for role in [*cluster.gateways, *cluster.engines]:
        (cluster.folder / role.name).mkdir(mode=0o700)
        shutil.copy(old.data_dir / "key-secret", cluster.folder / role.name / "key-secret")
    shutil.copy(old.data_dir / "credentials.json", cluster.folder / cluster.gateways[0].name)
    try:
        for role in [*cluster.gateways, *cluster.engines]:
            role.start()
        until(lambda: cluster.is_up(0), START_SECONDS, "the gateway is ready")
        with cluster.client() as client:
            until(lambda: client.get("/v1/pipelines").status_code == 200, START_SECONDS, "an engine leads")
            yield client
    except BaseException:
        print(cluster.log())
        raise
    finally:
        cluster.stop()
