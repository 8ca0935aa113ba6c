"""Load that is measured: a metric and a state beside plain events, and both counted again by hand from an export."""

import json
from collections import defaultdict
from collections.abc import Iterable
from random import Random
from typing import Any

import httpx

from harness import Server
from journey.load import SIGNAL, export, prepare

SUM, LEVEL = "load-sum", "load-level"
SIGNALS = (SIGNAL, SUM, LEVEL)
_DEFINITIONS = (
    {
        "name": SUM,
        "slug": SUM,
        "type": "metric",
        "aggregation": "sum",
        "period": "day",
        "value": "n",
        "rate_limit": None,
    },
    {"name": LEVEL, "slug": LEVEL, "type": "state", "value": "n", "rate_limit": None},
)

Sums = dict[str, dict[str, int]]
Levels = dict[str, tuple[str, str]]


def prepare_measured(server: Server) -> None:
    """Makes the senders' signals."""
    prepare(server)
    with server.client() as client:
        for definition in _DEFINITIONS:
            made = client.post("/v1/signals", json=definition)
            assert made.status_code == 201, made.text


def check_measures(server: Server, most: int) -> tuple[int, int]:
    """Everybody's sums, those of `most` people and as many states are what the stored events say.

    Returns how many buckets and states were compared.
    """
    sums, levels = counted(export(server))
    people = Random(most).sample(sorted(levels), min(most, len(levels)))
    with server.client() as client:
        for whose in ("", *people):
            assert told_sums(client, whose) == sums[whose], whose or "everybody"
        for person in people:
            answer = client.get(f"/v1/signals/{LEVEL}/state", params={"identity": person})
            assert json.dumps(answer.json()["value"]) == levels[person][1], (person, answer.text)
    return sum(len(sums[whose]) for whose in ("", *people)), len(people)


def counted(events: Iterable[dict[str, Any]]) -> tuple[Sums, Levels]:
    """Sums by identity ("": everybody) and UTC day; and the newest value of each, of a tie the greatest in JSON."""
    sums: Sums = defaultdict(lambda: defaultdict(int))
    levels: Levels = {}
    for event in events:
        if event["status"] != "processed":
            continue
        identity = f"{event['identities'][0]['type']}:{event['identities'][0]['id']}"
        if event["signal"] == SUM:
            day = event["occurred_at"][:10]
            for whose in ("", identity):
                sums[whose][day] += event["data"]["n"]
        elif event["signal"] == LEVEL:
            newest = (event["occurred_at"], json.dumps(event["data"]["n"]))
            levels[identity] = max(levels.get(identity, newest), newest)
    return sums, levels


def told_sums(client: httpx.Client, identity: str) -> dict[str, int]:
    params = {"identity": identity, "limit": "1000"} if identity else {"limit": "1000"}
    answer = client.get(f"/v1/signals/{SUM}/metrics", params=params)
    assert answer.status_code == 200, answer.text
    return {bucket["period_start"][:10]: bucket["value"] for bucket in answer.json()["data"]}
