"""Whether every event of a soak that was acknowledged is in the export once, and no other."""

import http.client
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import msgspec

from servers import Headwater
from soak_live import NAME

Figures = dict[str, Any]


class _Data(msgspec.Struct):
    orderId: str | None = None  # noqa: N815  the field's own name


class _Row(msgspec.Struct):
    status: str
    data: _Data | None = None
    reference: str | None = None


class Book:
    """How often each number of one kind of event was met."""

    def __init__(self, numbers: int) -> None:
        self._times = bytearray(numbers)
        self.foreign = 0

    def meet(self, number: int) -> None:
        if number < len(self._times):
            self._times[number] = min(self._times[number] + 1, 255)
        else:
            self.foreign += 1

    def balance(self, in_doubt: Iterable[tuple[int, int]] = ()) -> Figures:
        """`in_doubt`: first number and count of the events of requests that were not acknowledged."""
        doubtful = {number for first, events in in_doubt for number in range(first, first + events)}
        missing = [number for number, times in enumerate(self._times) if not times] if 0 in self._times else []
        return {
            "stored": sum(times * self._times.count(times) for times in range(1, 256) if times in self._times),
            "lost": len([number for number in missing if number not in doubtful]),
            "twice": sum(self._times.count(times) for times in range(2, 256) if times in self._times),
            "foreign": self.foreign,
        }


def count(server: Headwater, live: Figures, imports: list[Figures]) -> Figures:
    """By kind of traffic; `probes` are only told how many they are, and `rejected` how many of all are."""
    books = {NAME: Book(live["numbers"]), "back-": Book(sum(each["rows"] for each in imports))}
    probes = rejected = 0
    for row in _export(server):
        name, _, number = _own_words(row).partition("-")
        rejected += row.status != "processed"
        if (book := books.get(f"{name}-")) is not None:
            book.meet(int(number))
        else:
            probes += 1
    told = {"live": books[NAME].balance(live["in_doubt"]), "backfill": books["back-"].balance()}
    return told | {"probes": probes, "rejected": rejected}


def _own_words(row: _Row) -> str:
    return row.reference or (row.data.orderId if row.data else None) or ""


def _export(server: Headwater) -> Iterator[_Row]:
    decoder, rest = msgspec.json.Decoder(_Row), b""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)) as connection:
        connection.request("GET", "/v1/events/export", headers={"authorization": server.authorization})
        answer = connection.getresponse()
        if answer.status != 200:
            raise SystemExit(f"the export is refused: {answer.status} {answer.read()!r}")
        while piece := answer.read1(1 << 20):
            whole, _, rest = (rest + piece).rpartition(b"\n")
            yield from decoder.decode_lines(whole)
    if rest:
        raise SystemExit("the export was cut off")
