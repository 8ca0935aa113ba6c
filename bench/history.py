"""Ninety days of a shop and a CRM, as big as one likes: `headwater.demo`'s story in chunks of 100,000 events, each of
other people; sent to a headwater as fast as it takes them, and put into the one table of a row store."""

import http.client
import json
import multiprocessing
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from headwater.demo.base import Sent
from headwater.demo.definitions import SCHEMAS, SIGNALS
from headwater.demo.story import SEED, batches, story

CHUNK = 100_000
SENDERS = 6
PATHS = {"bik": "/integrations/bikPlatformFunctions-events/sendEvents", "bigmind": "/v1/events/batch"}
PATIENCE_SECONDS = 120
"""How long one batch is sent again and again when the server is busy."""

Body = tuple[str, bytes, int]
"""Path, body, events."""
Row = tuple[str, int, str, int, str]
"""As in the table `events` of the row store, its id left out."""
Tell = Callable[[int], None]


def chunk(number: int, count: int, end_ms: int) -> list[Sent]:
    """The story of one chunk; nobody in it is in another."""
    return story(min(CHUNK, count - number * CHUNK), end_ms, f"{SEED} {number}", f"{number:03}")


def chunks_of(count: int) -> range:
    return range(-(-count // CHUNK))


def _bodies(work: tuple[int, int, int]) -> list[Body]:
    encode = msgspec.json.encode
    return [
        (PATHS[dialect], encode({"events": [sent.body for sent in batch]}), len(batch))
        for dialect, batch in batches(chunk(*work))
    ]


def _rows(work: tuple[int, int, int]) -> list[Row]:
    told = [sent for sent in chunk(*work) if sent.wrong is None]
    return list(_naive(told, Persons(told), work[0] * 10 * CHUNK))


def _made(make: Callable[[tuple[int, int, int]], list[Any]], count: int, end_ms: int) -> Iterator[list[Any]]:
    """Chunk after chunk, made by a process of its own, at most two ahead of what is taken."""
    work = ((number, count, end_ms) for number in chunks_of(count))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        waiting = [pool.apply_async(make, (each,)) for each in islice(work, 2)]
        while waiting:
            yield waiting.pop(0).get()
            waiting += [pool.apply_async(make, (each,)) for each in islice(work, 1)]


# --- into a headwater ----------------------------------------------------------------------------------------------


def define(client: Any) -> None:
    """Makes the story's signals, without limits."""
    for body in SIGNALS:
        client.post("/v1/signals", json=body | {"rate_limit": None}).raise_for_status()
    for slug, schema in SCHEMAS.items():
        client.post(f"/v1/signals/{slug}/versions", json={"schema": schema}).raise_for_status()


def send(port: int, authorization: str, count: int, end_ms: int, tell: Tell) -> None:
    """Sends `count` events; returns when the last is acknowledged."""
    with ThreadPoolExecutor(SENDERS) as pool:
        for bodies in _made(_bodies, count, end_ms):
            shares = [bodies[n::SENDERS] for n in range(SENDERS)]
            for sent in pool.map(lambda share: _post(port, authorization, share), shares):
                tell(sent)


def _post(port: int, authorization: str, bodies: Iterable[Body]) -> int:
    headers, sent = {"authorization": authorization, "content-type": "application/json"}, 0
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for path, body, events in bodies:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                said = answer.read()
                if answer.status == 200:
                    break
                if answer.status not in (429, 503) or time.monotonic() > deadline:
                    raise SystemExit(f"a batch was refused: {answer.status} {said[:500]!r}")
                time.sleep(float(answer.headers.get("retry-after", "1")))
            sent += events
    return sent


# --- into a row store ----------------------------------------------------------------------------------------------

TABLE = """
CREATE TABLE events
    (id INTEGER PRIMARY KEY, signal TEXT, occurred_ms INTEGER, subject TEXT, person INTEGER, data TEXT)
"""
INDEX = "CREATE INDEX by_signal ON events (signal, occurred_ms)"


class Persons:
    """Which person of a chunk an address or number stands for: the row store is given for nothing what headwater has
    to find out."""

    def __init__(self, told: Iterable[Sent]) -> None:
        self._above: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        for sent in told:
            named = _named(sent)
            for other in named[1:]:
                self._above[self._root(other)] = self._root(named[0])

    def number(self, sent: Sent) -> int:
        return self._numbers.setdefault(self._root(_named(sent)[0]), len(self._numbers))

    def _root(self, name: str) -> str:
        while (above := self._above.get(name, name)) != name:
            name = above
        return name


def _named(sent: Sent) -> list[str]:
    body = sent.body
    if sent.dialect == "bigmind":
        return [f"{body['identity']['type']}:{body['identity']['id']}"]
    fields = (("email", "email"), ("phone", "phoneNumber"))
    return [f"{type_}:{body[field]}" for type_, field in fields if field in body]


def _naive(told: Iterable[Sent], persons: Persons, first: int) -> Iterator[Row]:
    for sent in told:
        body = sent.body
        type_ = _named(sent)[0].partition(":")[0]
        subject = "person" if type_ in ("email", "phone") else type_
        signal = body["eventName"] if sent.dialect == "bik" else body["signal"]
        data = body["eventProperties"] if sent.dialect == "bik" else body["data"]
        yield signal, sent.ms, subject, first + persons.number(sent), json.dumps(data)


def fill_table(path: Path, count: int, end_ms: int, tell: Tell) -> None:
    """Writes the same events, without the rejected ones, to a SQLite database, with an index on signal and time."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute(TABLE)
        for rows in _made(_rows, count, end_ms):
            insert = "INSERT INTO events (signal, occurred_ms, subject, person, data) VALUES (?, ?, ?, ?, ?)"
            database.executemany(insert, rows)
            database.commit()
            tell(len(rows))
        database.execute(INDEX)
        database.execute("ANALYZE")
        database.commit()
