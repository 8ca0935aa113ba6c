"""A wall clock that jumps an hour either way under load: nothing is lost or doubled, quotas and cohorts are right."""

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from figures import Section, tell
from harness import Server, until
from journey.load import SIGNAL, Ledger, check, export, load, look_up, pause
from journey.measured import SIGNALS, SUM, check_measures, prepare_measured
from journey.moved_clock import MovedClock
from tools import often

HOUR = 3600
LIMIT = 50
LIMITED = {"name": "limited", "slug": "limited", "type": "event", "rate_limit": LIMIT}
RECENT = {"performed": SIGNAL, "within": "2h"}
MANY = {"performed": SUM, "count": {">=": 3}, "within": "30d"}
EDGE = timedelta(minutes=5)
"""Events so near to where a cohort's time begins or ends may count or not while the answers are compared."""


@contextmanager
def clocked(directory: Path) -> Iterator[tuple[Server, MovedClock]]:
    """A running server, and its clock."""
    clock = MovedClock(directory)
    server = Server(directory / "data", environment=clock.environment)
    try:
        server.start()
        server.wait_engine()
        yield server, clock
    finally:
        server.kill_group()


def jumps(directory: Path, times: int, seed: int) -> None:
    chance, ledger = random.Random(seed), Ledger(directory / "journal")
    with clocked(directory) as (server, clock), server.client() as client:
        prepare_measured(server)
        assert client.post("/v1/signals", json=LIMITED).status_code == 201
        cohorts = [(made(client, condition), condition) for condition in (RECENT, MANY)]
        statuses: dict[int, int] = defaultdict(int)
        with load(server, ledger, most=30, signals=SIGNALS, pause=0.1):
            for _ in range(times):
                clock.set(chance.choice([each for each in (-HOUR, 0, HOUR) if each != clock.ahead]))
                for _ in range(3):
                    pause(chance, 0.4)
                    statuses[limited(client, clock)] += 1
                look_up(server, ledger, 5)
            clock.set(0)
        assert set(statuses) <= {200, 429} and statuses[200], statuses
        until(lambda: limited(client, clock) == 200, 70, "a limit counts from the true minute again")
        acknowledged = check(server, ledger, SIGNALS)
        look_up(server, ledger)
        buckets, states = check_measures(server, 10)
        members = sum(check_cohort(server, client, *each) for each in cohorts)
        told = {"jumps": times, "acknowledged": acknowledged, "lost": 0, "doubled": 0}
        told |= {"buckets_right": buckets, "states_right": states, "members_right": members}
        tell(Section.LIMITS, "a clock that jumps an hour either way", seed, **told, limited_429=statuses[429])


def made(client: httpx.Client, condition: dict[str, Any]) -> str:
    body = {"name": json.dumps(condition), "definition": {"subject": "person", "where": condition}}
    answer = client.post("/v1/cohorts", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def limited(client: httpx.Client, clock: MovedClock) -> int:
    """Sends some of a signal with a limit; what the answer says of it must be possible. Returns the status."""
    event = {"signal": "limited", "identity": {"type": "account", "id": "1"}, "data": {}}
    answer = client.post("/v1/events/batch", json={"events": [event] * 25})
    remaining, reset = (answer.headers[f"x-ratelimit-{name}"] for name in ("remaining", "reset"))
    assert 0 <= int(remaining) <= LIMIT, answer.headers
    wait = datetime.fromisoformat(reset).timestamp() - clock.now()
    assert -2 <= wait <= 181, f"the next window begins in {wait:.0f} s"
    return answer.status_code


def check_cohort(server: Server, client: httpx.Client, cohort: str, condition: dict[str, Any]) -> int:
    """Whoever should be a member is one, once the engine has looked at the time again. Returns how many there are."""
    sure, maybe = expected(export(server), condition)

    def right() -> bool:
        found = members(client, cohort)
        return sure <= found <= sure | maybe

    try:
        until(right, 90)
    except AssertionError:
        found = members(client, cohort)
        missing, wrong = sorted(sure - found), sorted(found - sure - maybe)
        raise AssertionError(f"{condition}: {len(missing)} are missing {missing[:5]}, {len(wrong)} wrong") from None
    return len(sure)


def members(client: httpx.Client, cohort: str) -> set[str]:
    found: set[str] = set()
    cursor = ""
    while cursor is not None:
        page = client.get(
            f"/v1/cohorts/{cohort}/members", params={"limit": 1000, **({"cursor": cursor} if cursor else {})}
        )
        assert page.status_code == 200, page.text
        found |= {f"{one['type']}:{one['id']}" for member in page.json()["data"] for one in member["identities"]}
        cursor = page.json()["next"]
    return found


def expected(events: Iterator[dict[str, Any]], condition: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Members for certain, and those of whom events at the very edge decide: counted by hand."""
    now = datetime.now().astimezone()
    within = {"2h": timedelta(hours=2), "30d": timedelta(days=30)}[condition["within"]]
    least = condition.get("count", {}).get(">=", 1)
    inside: dict[str, int] = defaultdict(int)
    edge: dict[str, int] = defaultdict(int)
    for event in events:
        if event["status"] == "processed" and event["signal"] == condition["performed"]:
            identity, at = event["identities"][0], datetime.fromisoformat(event["occurred_at"])
            name = f"{identity['type']}:{identity['id']}"
            if min(abs(at - now), abs(at - (now - within))) < EDGE:
                edge[name] += 1
            elif now - within < at <= now:
                inside[name] += 1
    sure = {name for name, count in inside.items() if count >= least}
    return sure, {name for name in edge if inside[name] + edge[name] >= least} - sure


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_a_clock_that_jumps_an_hour_many_times(tmp_path: Path) -> None:
    jumps(tmp_path, often(40), 2)
