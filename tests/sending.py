"""Senders that go on whatever happens, and remember of each event whether it was acknowledged."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import uuid4

import httpx

EVENTS = 100
"""In each request."""
PATIENCE = 90.0
"""Seconds a sender waits for an answer. An answer may be late: see `log.kafka_appender`."""
_AT_ONCE = 400
"""Requests of one sender under way: more than it sends in its patience."""
CUT = 0
"""Instead of a status: there was no answer, so nobody knows."""


class Sent(NamedTuple):
    """A request, with what came of it. Times are of `time.monotonic`."""

    sender: str
    first: int
    """The number of its first event; the others have those that follow."""
    begun: float
    ended: float
    status: int
    why: str

    @property
    def seconds(self) -> float:
        return self.ended - self.begun

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + EVENTS)


def native(first: int) -> tuple[str, dict[str, Any]]:
    """Path and body of a request in headwater's own dialect: limited, so each one asks for quota."""
    events = [
        {"signal": "counted", "identity": {"type": "account", "id": str(number % 977)}, "data": {"number": number}}
        for number in range(first, first + EVENTS)
    ]
    return "/v1/events/batch", {"events": events}


def bik(first: int) -> tuple[str, dict[str, Any]]:
    """The same in the other dialect, of a signal without a limit."""
    events = [
        {
            "email": f"{number % 977}@example.com",
            "eventName": "keywordSearched",
            "eventProperties": {"keyword": str(number)},
        }
        for number in range(first, first + EVENTS)
    ]
    return "/integrations/bikPlatformFunctions-events/sendEvents", {"events": events}


Dialect = Callable[[int], tuple[str, dict[str, Any]]]


class Load:
    """For each gateway a sender in each dialect, which tries nothing twice and waits for no answer before it sends the
    next; and one that has an `Idempotency-Key` and tries each request again, at the other gateway, until it is
    acknowledged. Each event has a number of its own."""

    def __init__(self, urls: Sequence[str], key: str, pause: float = 0.25) -> None:
        """`pause`: seconds between a sender's requests."""
        self.answers: list[Sent] = []
        self.insisted: list[Sent] = []
        """What the one sent until it was acknowledged: the last try of each, `begun` with the first."""
        self._urls, self._key, self._pause = urls, key, pause
        self._numbers = itertools.count(0, EVENTS)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        self._stop.clear()
        works = [
            (f"gateway-{n} {of.__name__}", partial(self._send, url, of))
            for n, url in enumerate(self._urls)
            for of in (native, bik)
        ]
        works.append(("insisting", partial(self._insist, bik)))
        self._threads = [threading.Thread(target=work, args=(name,), daemon=True) for name, work in works]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Returns when every request under way has its answer."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def since(self, when: float) -> list[Sent]:
        """Requests that were answered after that."""
        return [each for each in list(self.answers) if each.ended >= when]

    def all_are_well(self, when: float) -> bool:
        """Whether each sender got a 200 for the last request that was answered of those that it began after that."""
        begun = [each for each in self.since(when) if each.begun >= when]
        last = {each.sender: each.status for each in sorted(begun, key=attrgetter("begun"))}
        return len(last) == 2 * len(self._urls) and all(status == 200 for status in last.values())

    def _send(self, url: str, dialect: Dialect, name: str) -> None:
        with self._client() as client, ThreadPoolExecutor(_AT_ONCE) as pool:
            while not self._stop.is_set():
                pool.submit(self._note, client, url, name, dialect, next(self._numbers))
                self._stop.wait(self._pause)

    def _note(self, client: httpx.Client, url: str, name: str, dialect: Dialect, first: int) -> None:
        self.answers.append(self._try(client, url, name, dialect, first))

    def _insist(self, dialect: Dialect, name: str) -> None:
        urls = itertools.cycle(self._urls)
        with self._client() as client:
            while not self._stop.is_set():
                first, key, begun = next(self._numbers), uuid4().hex, time.monotonic()
                while True:
                    sent = self._try(client, next(urls), name, dialect, first, {"Idempotency-Key": key})
                    if sent.status == 200:
                        break
                    time.sleep(0.3)
                self.insisted.append(sent._replace(begun=begun))
                self._stop.wait(self._pause)

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self._key}"}
        return httpx.Client(
            headers=headers, timeout=PATIENCE, trust_env=False, limits=httpx.Limits(max_connections=_AT_ONCE)
        )

    def _try(
        self,
        client: httpx.Client,
        url: str,
        name: str,
        dialect: Dialect,
        first: int,
        headers: dict[str, str] | None = None,
    ) -> Sent:
        path, body = dialect(first)
        begun = time.monotonic()
        try:
            answer = client.post(url + path, json=body, headers=headers)
            status, why = answer.status_code, "" if answer.status_code == 200 else _reason(answer)
        except httpx.TransportError as error:
            status, why = CUT, type(error).__name__
        return Sent(name, first, begun, time.monotonic(), status, why)


def _reason(answer: httpx.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        return answer.text[:120]
    return str(told.get("detail") or told.get("message") or told)[:160]


class Books(NamedTuple):
    """What the export holds, beside what was acknowledged."""

    stored: int
    acknowledged: int
    lost: list[int]
    doubled: list[int]
    uninvited: list[int]
    """Stored, though they were refused."""
    unknown: int
    """Stored of requests without an answer."""
    torn: list[int]
    """First numbers of requests of which a part was stored."""

    @property
    def balanced(self) -> bool:
        return not (self.lost or self.doubled or self.uninvited or self.torn)


def compare(load: Load, stored: Collection[int]) -> Books:
    """`stored`: the number of each row, so often as there are rows."""
    times = Counter(stored)
    every = [*load.answers, *load.insisted]
    acknowledged = {number for each in every if each.status == 200 for number in each.numbers}
    cut = {number for each in every if each.status == CUT for number in each.numbers}
    torn = [each.first for each in every if len({number in times for number in each.numbers}) > 1]
    return Books(
        len(stored),
        len(acknowledged),
        sorted(acknowledged - times.keys()),
        sorted(number for number, count in times.items() if count > 1),
        sorted(times.keys() - acknowledged - cut),
        len(times.keys() & cut),
        torn,
    )
