"""Profiles found by the beginning of one of their identities.

The store can tell who is named exactly so, not who begins so. Hence an index in memory, of the workspaces that are
searched: made from the store at the first search, and brought up to date at every further one by the blocks committed
since. What it says is only a hint: whoever is shown was just seen in an event that counts.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import chain, islice, zip_longest
from typing import Any
from unicodedata import category

import msgspec

from headwater.catalog.base import Definitions
from headwater.errors import InvalidError, UnavailableError
from headwater.people import People
from headwater.rules.answers import Identity
from headwater.rules.identity import CONTACTS, identity, split_identity
from headwater.rules.names import is_unicode
from headwater.rules.profile import newest_name, profile_id
from headwater.rules.searching import prefixes
from headwater.rules.sorted_texts import SortedTexts
from headwater.state.base import State
from headwater.store.base import Store
from headwater.store.queries import whose

MOST = 100
"""Profiles of an answer."""
MOST_TEXT = 320
"""Characters that are looked for."""
MOST_IDENTITIES = 500
"""Identities of all profiles of an answer: with more it ends earlier, but never before its first. As many, and the rest
of the last one's profile, are looked at together."""
MOST_LOOKED_AT = 3000
"""Identities that begin so and are looked at: those of nobody, since their events are gone, are passed over."""
WAIT_SECONDS = 20.0
"""How long a search waits for its index."""
WAITING = 2
"""Searches that wait so at once: a quarter of the threads that questions about profiles have."""
BRIEFLY = 0.25
"""Seconds of work on an index for which all may wait."""
IDLE_SECONDS = 900.0
"""An index that nobody searched for so long is dropped."""
LOOK_SECONDS = 60.0
"""Between two looks for such."""
MOST_BYTES = 512 << 20
"""What all indexes may take; those searched last stay."""

_Line = msgspec.json.Decoder(dict[str, str])


class FoundProfile(msgspec.Struct, frozen=True):
    id: str
    name: str | None
    identities: list[Identity]


class FoundAnswer(msgspec.Struct, frozen=True):
    """`GET /v1/profiles`."""

    data: Sequence[FoundProfile]
    next: None = None


class _Index:
    """The identities that events of a workspace name which count, as far as blocks were taken in."""

    def __init__(self, excluded: frozenset[str]) -> None:
        self.excluded = excluded
        """Backfills that do not count."""
        self.texts = SortedTexts()
        self.blocks: Mapping[str, int] = {"realtime": 0, "migration": 0}
        self.changing = threading.Lock()
        self.used = time.monotonic()
        self.coming: Future[None] | None = None
        self.began = 0.0
        self.dropped = False

    def has(self, blocks: Mapping[str, int]) -> bool:
        return all(self.blocks[lane] >= block for lane, block in blocks.items())


class Search:
    """Every search is about one workspace and sees nothing of another. Safe to use from threads. Has threads of its
    own; close it before the store."""

    def __init__(self, store: Store, state: State, people: People, catalog: Definitions) -> None:
        self._store = store
        self._state = state
        self._people = people
        self._catalog = catalog
        self._lock = threading.Lock()
        self._indexes: OrderedDict[str, _Index] = OrderedDict()
        self._stopped = threading.Event()
        self._waiting = threading.BoundedSemaphore(WAITING)
        # What is made from nothing takes long; what was committed since must not wait for it.
        self._making = ThreadPoolExecutor(1, "search-making")
        self._following = ThreadPoolExecutor(1, "search-following")
        self._looking = threading.Thread(target=self._look, name="search-looking", daemon=True)
        self._looking.start()

    def find(self, workspace: str, text: str, limit: int) -> FoundAnswer:
        """Up to `limit` profiles: those that `text` names exactly, then those of which an identity begins so.

        Raises InvalidError for a text nobody can be named by, UnavailableError while the index is being made.
        """
        wanted = _checked(text)
        region = self._catalog.workspace(workspace).default_region
        texts = self._texts(workspace)
        types = _types(wanted, texts)
        named = _exact(wanted, types, region)
        begin = (texts.beginning(each) for each in prefixes(wanted, types, region))
        found = _in_turns([islice(each, MOST_LOOKED_AT) for each in begin])
        return FoundAnswer(self._profiles(workspace, chain(named, islice(found, MOST_LOOKED_AT)), limit))

    def forget(self, workspace: str, identities: Collection[str] = ()) -> None:
        """Events that name these were deleted; when none is given, events of anybody: then the index is made anew at
        the next search."""
        with self._lock:
            index = self._indexes.get(workspace)
            if index is None or self._stopped.is_set():
                return
            if identities:
                self._worker(index).submit(self._take_out, workspace, index, sorted(identities))
            else:
                self._drop(workspace)

    def close(self) -> None:
        """Returns when nothing is read of the store any more. Idempotent."""
        with self._lock:
            self._stopped.set()
        for worker in (self._making, self._following):
            worker.shutdown(cancel_futures=True)
        self._looking.join()

    # --- who is shown -----------------------------------------------------------------------------------------------

    def _profiles(self, workspace: str, identities: Iterable[str], limit: int) -> list[FoundProfile]:
        """Asked for in rounds, since of some no event is left: at first as many as are wanted."""
        shown: list[FoundProfile] = []
        size, profiles, most = 0, self._connected(workspace, identities), limit
        while round_ := _round(profiles, most):
            for each in self._shown(workspace, round_):
                size += len(each.identities)
                if shown and size > MOST_IDENTITIES:
                    return shown
                shown.append(each)
                if len(shown) == limit:
                    return shown
            most = MOST_IDENTITIES
        return shown

    def _connected(self, workspace: str, identities: Iterable[str]) -> Iterator[tuple[str, ...]]:
        """Whose they are, each once."""
        seen: set[str] = set()
        for each in identities:
            if each not in seen:
                connected = self._people.connected(workspace, each)
                seen.update(connected)
                yield connected

    def _shown(self, workspace: str, profiles: Sequence[tuple[str, ...]]) -> list[FoundProfile]:
        """Those that an event names which counts, with their names."""
        rows = self._found(workspace, [each for one in profiles for each in one])
        met = _met(rows)
        return [
            FoundProfile(
                profile_id(workspace, connected),
                _name(rows, connected),
                [Identity(*split_identity(e)) for e in connected],
            )
            for connected in profiles
            if not met.isdisjoint(connected)
        ]

    def _found(self, workspace: str, identities: Sequence[str]) -> list[dict[str, Any]]:
        of = whose(self._people.attribution(workspace), identities)
        return self._store.rows("found", {"workspace": workspace} | of)

    # --- the index --------------------------------------------------------------------------------------------------

    def _texts(self, workspace: str) -> SortedTexts:
        """With all that was committed before it is asked."""
        until = time.monotonic() + WAIT_SECONDS
        blocks = {lane.value: cursor.block for lane, cursor in self._state.cursors().items()}
        excluded = self._people.attribution(workspace).excluded
        while True:
            with self._lock:
                if self._stopped.is_set():
                    raise UnavailableError("the engine stops")
                index = self._index(workspace, excluded)
                if index.has(blocks):
                    return index.texts
                if index.coming is None or index.coming.done():
                    index.began = time.monotonic()
                    index.coming = self._worker(index).submit(self._take_in, workspace, index, blocks)
                coming, briefly = index.coming, index.began + BRIEFLY
            with suppress(CancelledError):
                self._wait(coming, briefly, until)

    def _index(self, workspace: str, excluded: frozenset[str]) -> _Index:
        """Under the lock, as the next ones."""
        index = self._indexes.get(workspace)
        if index is not None and index.excluded != excluded:
            self._drop(workspace)
            index = None
        if index is None:
            index = self._indexes[workspace] = _Index(excluded)
        self._indexes.move_to_end(workspace)
        index.used = time.monotonic()
        self._drop_some()
        return index

    def _worker(self, index: _Index) -> ThreadPoolExecutor:
        return self._following if any(index.blocks.values()) else self._making

    def _drop(self, workspace: str) -> None:
        """Work on it ends."""
        index = self._indexes.pop(workspace)
        index.dropped = True
        if index.coming is not None:
            index.coming.cancel()

    def _drop_some(self) -> None:
        """The idle ones, and those searched longest ago when all take too much; but the last one of these stays."""
        now, size = time.monotonic(), sum(each.texts.nbytes for each in self._indexes.values())
        for workspace, oldest in list(self._indexes.items()):
            too_much = size > MOST_BYTES and len(self._indexes) > 1
            if not too_much and now - oldest.used < IDLE_SECONDS:
                return
            self._drop(workspace)
            size -= oldest.texts.nbytes

    def _look(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            with self._lock:
                self._drop_some()

    def _wait(self, coming: Future[None], briefly: float, until: float) -> None:
        """Up to the one moment, or the other if few enough wait so long: their threads are there for other questions,
        too."""
        with suppress(TimeoutError):
            return coming.result(max(0.0, min(briefly, until) - time.monotonic()))
        if not self._waiting.acquire(blocking=False):
            raise UnavailableError("others wait already for what is searched to be put in order", retry_after=10)
        try:
            return coming.result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            raise UnavailableError("what is searched is being put in order", retry_after=10) from None
        finally:
            self._waiting.release()

    def _take_in(self, workspace: str, index: _Index, blocks: Mapping[str, int]) -> None:
        asked: dict[str, Any] = {"workspace": workspace, "excluded": sorted(index.excluded)}
        with index.changing:
            for lane, block in blocks.items():
                asked |= {f"{lane}_after": index.blocks[lane], f"{lane}_upto": block}
            texts = index.texts.with_all(self._named(index, asked))
            if not self._ended(index):
                index.texts, index.blocks = texts, blocks

    def _take_out(self, workspace: str, index: _Index, identities: Sequence[str]) -> None:
        """Those that no event names which is stored now: whatever names them later is in a later block."""
        try:
            with index.changing:
                for at in range(0, len(identities), MOST_IDENTITIES):
                    if self._ended(index):
                        return
                    some = identities[at : at + MOST_IDENTITIES]
                    index.texts = index.texts.without({*some} - _met(self._found(workspace, some)))
        except Exception:  # the store cannot tell: another index will know
            with self._lock:
                if not index.dropped:
                    self._drop(workspace)

    def _named(self, index: _Index, asked: Mapping[str, Any]) -> Iterator[str]:
        """Sorted. Ends early when the index is wanted no more."""
        rest = b""
        with closing(self._store.stream("named", asked)) as pieces:  # type: ignore[type-var]  # it is a generator
            for piece in pieces:
                if self._ended(index):
                    return
                head, _, rest = (rest + piece).rpartition(b"\n")
                yield from (row["identity"] for row in _Line.decode_lines(head))
            yield from (row["identity"] for row in _Line.decode_lines(rest))

    def _ended(self, index: _Index) -> bool:
        return index.dropped or self._stopped.is_set()


def _checked(text: str) -> str:
    """Without the blanks around it."""
    wanted = text.strip()
    if not wanted or len(text) > MOST_TEXT or not is_unicode(text) or "Cc" in map(category, wanted):
        raise InvalidError(f"'q' must be 1 to {MOST_TEXT} characters, none of them a control character", "q")
    return wanted


def _types(text: str, texts: SortedTexts) -> list[str]:
    """Those that are looked in: of very many the contacts and the one that the text gives, first, and then some."""
    first = (*sorted(CONTACTS), split_identity(text)[0])
    return list(dict.fromkeys([*(each for each in first if any(texts.beginning(f"{each}:"))), *texts.types()]))


def _exact(text: str, types: Iterable[str], region: str | None) -> list[str]:
    """Identities that the text may be: `type:id`, or the id of any type."""
    type_, id_ = split_identity(text)
    whole = [identity(type_, id_, region)] if type_ and id_ else []
    return [each for each in (*whole, *(identity(type_, text, region) for type_ in types)) if each]


def _in_turns(several: Sequence[Iterator[str]]) -> Iterator[str]:
    """One of each, again and again, so that no type hides another."""
    return (each for turn in zip_longest(*several) for each in turn if each is not None)


def _round(profiles: Iterator[tuple[str, ...]], most: int) -> list[tuple[str, ...]]:
    """The next ones: so many at most, and with the last of them MOST_IDENTITIES identities."""
    found: list[tuple[str, ...]] = []
    size = 0
    while len(found) < most and size < MOST_IDENTITIES and (each := next(profiles, None)):
        found.append(each)
        size += len(each)
    return found


def _met(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    return {each for row in rows for each in row["met"]}


def _name(rows: Iterable[Mapping[str, Any]], connected: Sequence[str]) -> str | None:
    """The newest that events of a profile gave."""
    own = [row for row in rows if row["attributed"] in connected and row["names"]]
    newest = max((row["named_ms"] for row in own), default=None)
    return newest_name(name for row in own if row["named_ms"] == newest for name in row["names"])
