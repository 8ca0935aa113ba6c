"""A workspace of a real server: what is sent to it, by both dialects, is noted as the oracle wants it."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from itertools import count
from random import Random
from typing import Any, Self
from urllib.parse import quote
from uuid import UUID

import httpx

from harness import Server, keyed, until
from truth.plans import Sending, happening
from truth.values import canonical
from truth.world import Happening, Kind, World

BIK = "/integrations/bikPlatformFunctions-events/sendEvents"
BIGMIND = "/v1/events/batch"
PRESET = "customerCreated"

_numbers = count(1)


def now() -> int:
    return time.time_ns() // 1_000_000


def iso(ms: int, random: Random | None = None) -> str:
    """As the server writes it, or as a clock of some other zone shows it."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    if random and random.random() < 0.3:
        moment = moment.astimezone(timezone(timedelta(hours=5, minutes=30)))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ms(text: str | int) -> int:
    """A moment as the server writes it."""
    if isinstance(text, int):
        return text
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


class Scene:
    """`world` is what it should be by now."""

    def __init__(self, server: Server, signals: dict[str, Kind], random: Random) -> None:
        self.server, self.signals, self.random = server, signals, random
        with server.client() as operator:
            made = operator.post("/v1/workspaces", json={"name": f"truth {next(_numbers)} {random.random()}"})
        assert made.status_code == 201, made.text
        self.id = str(made.json()["id"])
        self.key = str(made.json()["api_key"])
        self.client = keyed(server.url, self.key)
        self.happenings: list[Happening] = []
        self.never: frozenset[str] = frozenset()
        self.cap = 100
        self.severed: dict[frozenset[str], int] = {}
        self.excluded: frozenset[str] = frozenset()
        self.reverted: frozenset[str] = frozenset()
        self._world = World(signals, ())
        for slug, kind in signals.items():
            if slug != PRESET:
                self.done("POST", "/v1/signals", json=_signal(slug, kind))

    @property
    def world(self) -> World:
        known = self._world
        if (len(known.happenings), known.never, known.cap, known.severed, known.excluded) != (
            len(self.happenings),
            self.never,
            self.cap,
            self.severed,
            self.excluded,
        ):
            self._world = self.world_without(self.excluded)
        return self._world

    def world_without(self, excluded: frozenset[str]) -> World:
        """As it would be if these backfills did not count, and no others."""
        return World(self.signals, tuple(self.happenings), self.never, self.cap, dict(self.severed), excluded)

    # --- asking -------------------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer, once the engine is there to give it."""

        def answered() -> httpx.Response | None:
            answer = self.client.request(method, path, **options)
            return None if answer.status_code == 503 else answer

        return until(answered, 60, f"{method} {path} is answered")

    def done(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of an answer that must be good. Numbers with a fraction come as Decimals."""
        answer = self.ask(method, path, **options)
        assert answer.is_success, f"{method} {path} {options}: {answer.status_code} {answer.text}"
        return answer.json(parse_float=Decimal) if answer.content else None

    def get(self, path: str, **parameters: Any) -> Any:
        return self.done("GET", path, params=parameters)

    def pages(self, path: str, **parameters: Any) -> Iterator[Any]:
        """Every entry of a list."""
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, **parameters, **cursor)
            yield from page["data"]
            if not page["next"]:
                return
            cursor = {"cursor": page["next"]}

    def profile(self, identity: str) -> Any:
        return self.get(f"/v1/profiles/{quote(identity, safe='')}")

    # --- changing -----------------------------------------------------------------------------------------------------

    def settings(self, never: Sequence[str], cap: int) -> None:
        self.done("PATCH", "/v1/workspace", json={"never_connect": list(never), "max_identities": cap})
        self.never, self.cap = frozenset(never), cap

    def define(self, definition: dict[str, Any]) -> Any:
        return self.done("POST", "/v1/cohorts", json={"name": f"cohort {next(_numbers)}", "definition": definition})

    def send(
        self,
        sendings: Sequence[Sending],
        base: int,
        between: Callable[[], None] = lambda: None,
        backfill: str = "",
    ) -> None:
        """All of them in this order, in batches of any size, some of them twice; `between` comes after each."""
        for batch in self._batches(sendings):
            for _ in range(1 + (self.random.random() < 0.1)):
                self._post(batch, base, backfill)
            between()

    def load(
        self, sendings: Sequence[Sending], base: int, hold: bool = False, between: Callable[[], None] = lambda: None
    ) -> str:
        """A backfill of these events: its id."""
        id_ = str(self.done("POST", "/v1/backfills", json={"name": f"load {next(_numbers)}", "hold": hold})["id"])
        if hold:
            self.excluded |= {id_}
        self.send(sendings, base, between, id_)
        return id_

    def turn(self, backfill: str, how: str, between: Callable[[], None] = lambda: None) -> None:
        """Releases or reverts it, and waits until that is done."""
        self.done("POST", f"/v1/backfills/{backfill}/{how}")
        between()
        if how == "revert":
            self.excluded |= {backfill}
            self.reverted |= {backfill}
        else:
            self.excluded -= {backfill}
        path = f"/v1/backfills/{backfill}"
        until(lambda: not self.get(path)["status"].endswith("ing"), 60, f"{backfill} is settled")

    def unmerge(self, identity: str) -> Any:
        """Cuts it off; nothing that is sent later was there before."""
        answer = self.done("POST", f"/v1/profiles/{quote(identity, safe='')}/unmerge", json={"identity": identity})
        self.severed = dict(self.world.unmerged(identity, now()).severed)
        time.sleep(0.005)
        return answer

    def _batches(self, sendings: Sequence[Sending]) -> Iterator[list[Sending]]:
        rest = list(sendings)
        while rest:
            size = self.random.choice([1, 3, 10, 100])
            dialect = rest[0].dialect
            batch = [one for one in rest[:size] if one.dialect == dialect]
            rest = [one for one in rest[:size] if one.dialect != dialect] + rest[size:]
            yield batch

    def _post(self, batch: Sequence[Sending], base: int, backfill: str) -> None:
        bik = batch[0].dialect == "bik"
        spelled = [(self._bik if bik else self._bigmind)(one, base) for one in batch]
        headers = {"headwater-backfill": backfill} if backfill else {}
        answer = self.client.post(BIK if bik else BIGMIND, json={"events": spelled}, headers=headers)
        assert answer.status_code == 200, f"{answer.text}\n{spelled}"
        first = bytearray(UUID(answer.headers["headwater-batch"]).bytes)
        received = int.from_bytes(first[:6], "big")
        for n, one in enumerate(batch, start=1):
            first[15] = n
            made = happening(one, str(UUID(bytes=bytes(first))), base, received)
            self.happenings.append(replace(made, backfill=backfill, migration=made.migration or bool(backfill)))

    def _bik(self, one: Sending, base: int) -> dict[str, Any]:
        event: dict[str, Any] = {"eventName": one.signal, "eventProperties": one.data}
        for identity in one.identities:
            kind, _, id_ = identity.partition(":")
            event["email" if kind == "email" else "phoneNumber"] = self._said(kind, id_)
        if one.name is not None:
            event["name"] = one.name
        if one.migration:
            event["isMigration"] = True
        return event | self._dated("createdAt", one, base)

    def _bigmind(self, one: Sending, base: int) -> dict[str, Any]:
        kind, _, id_ = one.identities[0].partition(":")
        event = {"signal": one.signal, "identity": {"type": kind, "id": self._said(kind, id_)}, "data": one.data}
        return event | self._dated("timestamp", one, base)

    def _dated(self, field: str, one: Sending, base: int) -> dict[str, str]:
        return {} if one.when is None else {field: iso(one.when.at(base), self.random)}

    def _said(self, kind: str, id_: str) -> str:
        """An address or number as people write them."""
        if kind == "email":
            return self.random.choice([id_, f" {id_} ", id_.upper()])
        return self.random.choice([id_, f"{id_[:2]} {id_[2:5]}-{id_[5:]}"]) if kind == "phone" else id_

    # --- waiting ------------------------------------------------------------------------------------------------------

    def settle(self, seconds: float = 60) -> int:
        """Waits until every event has its outcome; returns a moment (ms) after that."""

        def nothing_waits() -> bool:
            lanes = self.get("/v1/pipelines")["data"]
            return not any(lane["events"] for lane in lanes)

        until(nothing_waits, seconds, "no event waits")
        return now()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        """Leaves no cohort alive for the tests that follow."""
        try:
            for cohort in [] if failed else list(self.pages("/v1/cohorts")):
                self.done("DELETE", f"/v1/cohorts/{cohort['id']}")
        finally:
            self.client.close()


def _signal(slug: str, kind: Kind) -> dict[str, Any]:
    asked = {"name": slug, "slug": slug, "type": kind.type, "rate_limit": None}
    return asked | {key: getattr(kind, key) for key in ("aggregation", "period", "value") if getattr(kind, key)}


def fresh(answer: Callable[[], Any], since: int, seconds: float = 30) -> Any:
    """An answer whose `as_of` is later than `since`."""
    return until(partial(_later, answer, since), seconds, f"an answer as of {iso(since)}")


def _later(answer: Callable[[], Any], since: int) -> Any:
    found = answer()
    return found if ms(found["as_of"]) > since else None


def spelled(profile: frozenset[str] | set[str]) -> str:
    return canonical(sorted(profile))
