"""Reverts a backfill of 200,000 events in a store of 10 million, beside a twin that never had it.

    python bench/revert.py [--events 10000000] [--backfill 200000] [--live 100000] [--dir build/cohorts] [--cohorts 12]

Two copies of the same history get the same further events, as fast as they take them; one of them gets the backfill
amid these, and has it reverted before the last of them. Then everything that both answer must be the same, by hash:
metrics by period, states and profiles of people that the backfill was about and of others, and the members of cohorts.
"""

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import msgspec

import history
import machine
from cohort_kinds import Definition, fifty
from cohorts import Kept, _size
from headwater.clock import DAY_MS, now_ms, to_iso
from headwater.demo.base import Sent
from headwater.demo.story import batches
from servers import HERE, until

Body = history.Body
TOLD = 40
"""People, and accounts, whose profiles, metrics and states are compared."""


class Twin:
    """A headwater on a copy of the history."""

    def __init__(self, options: argparse.Namespace, name: str) -> None:
        self.directory = options.dir / name
        shutil.rmtree(self.directory, ignore_errors=True)
        source = options.dir / str(options.events) / "data"
        shutil.copytree(source, self.directory / "data", symlinks=True, ignore=shutil.ignore_patterns("*.sock"))
        self.server = Kept("headwater", self.directory)
        self.cohorts: dict[str, str] = {}

    def define(self, definitions: dict[str, Definition]) -> None:
        for name, definition in definitions.items():
            self.cohorts[name] = self.post("/v1/cohorts", {"name": name, "definition": definition})["id"]

    def post(self, path: str, body: Any = None) -> Any:
        answer = self.server.client.post(path, json=body)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.server.client.get(path, params=parameters)
        assert answer.status_code in (200, 404), f"{path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.status_code == 200 else None

    def send(self, bodies: list[Body], backfill: str = "") -> float:
        """Seconds until the last is acknowledged."""
        began = time.monotonic()
        shares = [bodies[n :: history.SENDERS] for n in range(history.SENDERS)]
        with ThreadPoolExecutor(history.SENDERS) as pool:
            list(pool.map(lambda share: self._post(share, backfill), shares))
        return time.monotonic() - began

    def _post(self, bodies: list[Body], backfill: str) -> None:
        headers = {"headwater-backfill": backfill} if backfill else {}
        for path, body, _ in bodies:
            while (answer := self.server.client.post(path, content=body, headers=headers)).status_code == 503:
                time.sleep(float(answer.headers["retry-after"]))
            assert answer.status_code == 200, answer.text

    def settled(self) -> None:
        """Until everything is stored, and in cohorts."""
        until(lambda: self.server.backlog() == 0 or None, 3600, "all is stored")
        moment = to_iso(now_ms())
        cohort = next(iter(self.cohorts.values()))
        until(lambda: self.get(f"/v1/cohorts/{cohort}")["as_of"] > moment or None, 600, "cohorts are of now")

    def hashes(self, identities: list[str]) -> dict[str, str]:
        """What is answered, by kind."""
        signals = [*self._pages("/v1/signals")]
        metrics, states = ([each["slug"] for each in signals if each["type"] == of] for of in ("metric", "state"))
        told: dict[str, Any] = {"metrics": [], "states": [], "profiles": [], "cohorts": []}
        for slug in metrics:
            told["metrics"].append(list(self._pages(f"/v1/signals/{slug}/metrics")))
        for identity in identities:
            told["profiles"].append(self._profile(identity))
            told["metrics"] += [
                self.get(f"/v1/signals/{slug}/metrics", identity=identity, limit=1000) for slug in metrics
            ]
            for slug in states:
                state = self.get(f"/v1/signals/{slug}/state", identity=identity)
                told["states"].append(state and [state["value"], state["since"]])
        for name, id_ in self.cohorts.items():
            told["cohorts"].append([name, self._members(id_)])
        return {kind: hashlib.sha256(json.dumps(each).encode()).hexdigest() for kind, each in told.items()}

    def _profile(self, identity: str) -> Any:
        """Without the ids of events and cohorts, which each headwater gives itself."""
        found = self.get(f"/v1/profiles/{quote(identity, safe='')}")
        if found:
            found["cohorts"] = [each["name"] for each in found["cohorts"]]
            for state in found["states"].values():
                del state["event_id"]
            found["metrics"] = {slug: each["total"] for slug, each in found["metrics"].items()}  # periods run on
        return found

    def _members(self, cohort: str) -> str:
        """A hash of everybody in it, with all their identities."""
        found = hashlib.sha256()
        lines = []
        with self.server.client.stream("GET", f"/v1/cohorts/{cohort}/export", params={"format": "ndjson"}) as answer:
            for line in answer.iter_lines():
                member = json.loads(line)
                lines.append(member["profile_id"] + json.dumps(member["identities"]))
        for line in sorted(lines):
            found.update(line.encode())
        return f"{len(lines)} {found.hexdigest()}"

    def _pages(self, path: str) -> Iterator[Any]:
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, limit=1000, **cursor)
            yield from page["data"]
            if not page["next"]:
                return
            cursor = {"cursor": page["next"]}

    def close(self) -> None:
        self.server.client.close()
        self.server.stop()
        shutil.rmtree(self.directory)


def bodies_of(sent: list[Sent]) -> list[Body]:
    encode = msgspec.json.encode
    return [
        (history.PATHS[dialect], encode({"events": [each.body for each in batch]}), len(batch))
        for dialect, batch in batches(sent)
    ]


def loaded(options: argparse.Namespace, end_ms: int) -> list[Sent]:
    """The backfill: what people of the history did, once more, some of it long ago and some of it just now, and
    now and then with the number of somebody else, so that profiles are joined."""
    random, made = Random("backfill"), list[Sent]()
    for number in range(-(-options.backfill // history.CHUNK)):
        made += history.chunk(number, options.events, end_ms)
    contacts = [each.body["phoneNumber"] for each in made if "phoneNumber" in each.body]
    found = []
    for each in [one for one in made if one.wrong is None][: options.backfill]:
        ms = random.choice([each.ms - 200 * DAY_MS, each.ms, end_ms + random.randrange(60_000)])
        body = dict(each.body) | {"createdAt" if each.dialect == "bik" else "timestamp": to_iso(ms)}
        body.pop("isMigration", None)
        if "phoneNumber" in body and random.random() < 0.02:
            body["phoneNumber"] = random.choice(contacts)
        found.append(each._replace(ms=ms, body=body))
    return found


def live(options: argparse.Namespace, end_ms: int) -> list[Sent]:
    """Further events: of people who are new, and (shifted by a day) of some who are known."""
    new = history.story(options.live // 2, end_ms, "live", "901")
    known = [one for one in history.chunk(0, options.events, end_ms) if one.wrong is None][: options.live // 2]
    return new + [each._replace(ms=each.ms - DAY_MS, body=_earlier(each)) for each in known]


def _earlier(each: Sent) -> dict[str, Any]:
    field = "createdAt" if each.dialect == "bik" else "timestamp"
    migrates = {"isMigration": True} if each.dialect == "bik" else {}
    return dict(each.body) | {field: to_iso(each.ms - DAY_MS)} | migrates


def asked_about(load: list[Sent], further: list[Sent]) -> list[str]:
    random, found = Random("told"), []
    for sent in (load, further):
        named = sorted({history._named(each)[0] for each in sent})
        found += random.sample(named, min(TOLD, len(named)))
    return found


def still(definition: Definition) -> bool:
    """Whether the clock alone changes nothing about it."""
    return not {"within", "periods"} & set(json.dumps(definition).replace('"', " ").split())


def measured(options: argparse.Namespace) -> dict[str, Any]:
    built = json.loads((options.dir / str(options.events) / "built.json").read_text())
    end_ms, day = built["end_ms"], built["end_ms"] // DAY_MS * DAY_MS
    wanted = {name: each for name, each in fifty(day - 60 * DAY_MS, day - 30 * DAY_MS).items() if still(each)}
    definitions = dict(list(wanted.items())[: options.cohorts])
    load, further = loaded(options, end_ms), live(options, end_ms)
    people, third = asked_about(load, further), len(further) // 3
    parts = [bodies_of(further[:third]), bodies_of(further[third : 2 * third]), bodies_of(further[2 * third :])]
    results: dict[str, Any] = {"conditions": machine.conditions(options.dir), "cohorts": len(definitions)}
    hashes = {}
    for name in ("twin", "reverted"):
        twin = Twin(options, name)
        try:
            twin.define(definitions)
            twin.settled()
            before = twin.hashes(people) if name == "reverted" else {}
            twin.send(parts[0])
            if name == "reverted":
                results |= _loaded_and_reverted(twin, bodies_of(load), parts[1], people, before)
            else:
                twin.send(parts[1])
            twin.send(parts[2])
            twin.settled()
            hashes[name] = twin.hashes(people)
            results |= {f"{name}_peaks": twin.server.peaks(), f"{name}_bytes": _bytes(twin)}
        finally:
            twin.close()
    results["hashes"] = hashes
    results["equal"] = hashes["twin"] == hashes["reverted"]
    return results


def _loaded_and_reverted(
    twin: Twin, load: list[Body], further: list[Body], people: list[str], before: dict[str, str]
) -> dict[str, Any]:
    """The backfill beside other events, what it changed, and how long taking it back takes beside further ones."""
    found: dict[str, Any] = {"events": sum(events for _, _, events in load)}
    backfill = twin.post("/v1/backfills", {"name": "bench"})["id"]
    half = len(further) // 2
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(twin.send, further[:half])
        found["load_seconds"] = twin.send(load, backfill)
        beside.result()
    twin.settled()
    amid = twin.hashes(people)
    found["changed"] = {kind: amid[kind] != before[kind] for kind in amid}
    began = time.monotonic()
    preview = twin.get(f"/v1/backfills/{backfill}/preview")
    found |= {"preview_seconds": time.monotonic() - began, "preview": preview["changes"]["profiles"]}
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(twin.send, further[half:])
        began = time.monotonic()
        twin.post(f"/v1/backfills/{backfill}/revert")
        found["answered_seconds"] = time.monotonic() - began
        path = f"/v1/backfills/{backfill}"
        until(lambda: twin.get(path)["status"] == "reverted" or None, 3600, "it is reverted", pause=0.1)
        found["revert_seconds"] = time.monotonic() - began
        beside.result()
    return found


def _bytes(twin: Twin) -> int:
    return sum(_size(path) for path in (twin.directory / "data").rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--backfill", type=int, default=200_000)
    parser.add_argument("--live", type=int, default=100_000, help="further events, in three parts")
    parser.add_argument("--cohorts", type=int, default=12)
    parser.add_argument("--dir", type=Path, default=HERE.parent / "build" / "cohorts", help="where bench/cohorts.py")
    parser.add_argument("--json", type=Path, default=Path(tempfile.gettempdir()) / "bench-revert.json")
    options = parser.parse_args()
    if not (options.dir / str(options.events) / "built.json").exists():
        sys.exit(f"there is no history: python bench/cohorts.py --build --no-table --events {options.events}")
    results = measured(options)
    options.json.write_text(json.dumps(results, indent=1))
    print(json.dumps({key: each for key, each in results.items() if key != "conditions"}, indent=1))
    sys.exit(0 if results["equal"] and all(results["changed"].values()) else 1)


if __name__ == "__main__":
    main()
