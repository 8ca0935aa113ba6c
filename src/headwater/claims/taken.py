"""Claims over a log and a shelf: reserved in memory, durable in the log, taken over by the shelf in the background."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from headwater.claims.base import InFlightError, Row, Shelf
from headwater.claims.waking import Waking
from headwater.clock import now_ms
from headwater.errors import HeadwaterError, UnavailableError
from headwater.events import Batch, Claim
from headwater.log.base import Appender, Reader

TAKE_OVER_SECONDS = 1.0
_NOTE_SECONDS = 10.0
"""How often the shelf is told how far the log is, when there was nothing to take over: so long the log is kept."""
_PRUNE_SECONDS = 60.0
_PRUNED = 50_000
"""Claims removed at once, at most."""
_PIECE = 10_000
"""Claims taken over in one transaction, at most."""
_PIECE_BYTES = 16 << 20
"""Bytes of their values, about."""
_MOST = 1_000_000
"""Claims that may wait for a shelf that fails; one more and nothing is reserved, or memory would fill."""

_T = TypeVar("_T")

_logger = logging.getLogger(__name__)


class TakenClaims:
    """Implements `claims.base.Claims`. Before the first `hold` it must `recover` what the last gateway left in the log.

    `keep_ms`: how long a claim is kept at least. `is_open`: whether a backfill (workspace, id) is open; its claims are
    kept longer.
    """

    def __init__(self, log: Appender, shelf: Shelf, keep_ms: int, is_open: Callable[[str, str], bool]) -> None:
        self._log = log
        self._shelf = shelf
        self._keep_ms = keep_ms
        self._is_open = is_open
        self._holders: dict[bytes, _Hold] = {}
        self._fresh: dict[bytes, bytes] = {}
        """Durable, and not on the shelf yet."""
        self._rows: list[Row] = []
        """The same, as the shelf wants them."""
        self._flying: dict[object, int] = {}
        """Batches handed to the log, in order, with the durable end of that moment: theirs lie behind it."""
        self._reading = ThreadPoolExecutor(1, "claims-reader")
        self._writing = ThreadPoolExecutor(1, "claims-writer")
        self._noted = 0
        """The position that the shelf knows."""

    def recover(self, reader: Reader) -> bool:
        """Takes over what lies in the log behind the shelf's position. Returns whether that is all of it now: what the
        shelf does not take, on a full disk, it is given again by `run`, and known meanwhile. Raises CorruptionError."""
        end, taken, size = reader.durable(), True, 0
        self._noted = self._shelf.position()
        for found in reader.claims(self._noted):
            self._remember(found.claims, found.batch, found.workspace)
            size += sum([len(claim.value) for claim in found.claims])
            if taken and (len(self._rows) >= _PIECE or size >= _PIECE_BYTES):
                taken, size = self._hand_in(found.end), 0
        if self._rows:
            return taken and self._hand_in(end)
        return self._tell(end)

    def hold(self) -> "_Hold":
        return _Hold(self)

    async def run(self) -> None:
        """Takes over and prunes for ever; to be cancelled."""
        loop = asyncio.get_running_loop()
        noted = pruned = loop.time()
        while True:
            await asyncio.sleep(TAKE_OVER_SECONDS)
            try:
                idle = loop.time() - noted < _NOTE_SECONDS
                await self.take_over(note=not idle)
                noted = noted if idle else loop.time()
                if loop.time() - pruned >= _PRUNE_SECONDS and await self.prune() < _PRUNED:  # else more is waiting
                    pruned = loop.time()
            except (HeadwaterError, OSError) as error:
                _logger.error("claims cannot be taken over now, %d wait: %s", len(self._rows), error)
            except Exception:  # if this ended, the log would never be trimmed again
                _logger.exception("claims cannot be taken over now, %d wait", len(self._rows))

    async def take_over(self, note: bool = True) -> None:
        """Hands to the shelf all that is durable by now. With `note` the shelf is told the position in any case.

        The log is told afterwards, so that it never begins behind the shelf's position. Only where there is nothing
        to hand over, it may be trimmed though the shelf fails.
        """
        end = self._log.durable()  # before the look at what is in flight: what lies before it is settled, or there
        end = min(end, next(iter(self._flying.values()), end))
        if self._rows:
            await self._take_rows(end)
            self._log.claimed(end)
        elif note and end > self._noted:
            try:
                await self._take([], end)
            finally:
                self._log.claimed(end)

    async def _take_rows(self, end: int) -> None:
        """In pieces, of which the last one brings the position."""
        rows, self._rows = self._rows, []
        begin = 0
        try:
            while begin < len(rows):
                upto = _piece_of(rows, begin)
                piece = rows[begin:upto]
                await self._take(piece, end if upto == len(rows) else self._noted)
                self._forget(piece)
                begin = upto
        finally:
            self._rows = rows[begin:] + self._rows

    async def _take(self, rows: Sequence[Row], position: int) -> None:
        await self._in(self._writing, self._shelf.take, rows, now_ms(), position)
        self._noted = position

    async def prune(self) -> int:
        """Removes what has been kept long enough; returns how many."""
        backfills = await self._in(self._writing, self._shelf.backfills)
        kept = {backfill for backfill in backfills if self._is_open(*backfill)}
        before_ms = now_ms() - self._keep_ms
        pruned: int = await self._in(self._writing, self._shelf.prune, before_ms, kept, _PRUNED)
        return pruned

    def close(self) -> None:
        """Does not take over what is left: the log has it."""
        for pool in (self._reading, self._writing):
            pool.shutdown()

    # --- for holds -------------------------------------------------------------------------------------------------

    def holder_of(self, keys: Iterable[bytes]) -> "_Hold | None":
        """Somebody who holds one of them."""
        return next((holder for key in keys if (holder := self._holders.get(key))), None)

    def reserve(self, keys: Iterable[bytes], hold: "_Hold") -> None:
        if len(self._fresh) > _MOST:
            raise UnavailableError("claims cannot be written down, and too many wait for it")
        self._holders.update(dict.fromkeys(keys, hold))

    def let_go(self, keys: Iterable[bytes]) -> None:
        for key in keys:
            del self._holders[key]

    async def find(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """The keys are reserved: nobody adds a claim of theirs meanwhile, and none that was durable goes missing."""
        found = {key: self._fresh[key] for key in keys if key in self._fresh}
        rest = [key for key in keys if key not in found]
        if rest:
            found |= await self._in(self._reading, self._shelf.find, rest)
        return found

    def append(self, batch: Batch, hold: "_Hold") -> Awaitable[None]:
        claims, batch_id, workspace = batch.claims, batch.id, batch.workspace
        keys = [claim.key for claim in claims]
        begun, flight = self._log.durable(), object()
        with hold.handing_over(keys):
            future = asyncio.ensure_future(self._log.append(batch))
        self._flying[flight] = begun

        def settled(future: asyncio.Future[None]) -> None:
            del self._flying[flight]
            if not future.cancelled() and future.exception() is None:
                self._remember(claims, batch_id, workspace)
            self.let_go(keys)
            hold.wake()

        future.add_done_callback(settled)
        return asyncio.shield(future)  # it becomes durable or not, whether its caller stays or goes

    def _remember(self, claims: Iterable[Claim], batch: bytes, workspace: str) -> None:
        for claim in claims:
            self._fresh[claim.key] = claim.value
            self._rows.append(Row(claim, batch, workspace))

    def _forget(self, rows: Iterable[Row]) -> None:
        """The shelf has them."""
        for row in rows:
            if self._fresh.get(row.claim.key) is row.claim.value:  # else there is a newer one of this key
                del self._fresh[row.claim.key]

    def _hand_in(self, end: int) -> bool:
        """At a start, when nobody waits. Whether it was taken."""
        try:
            self._shelf.take(self._rows, now_ms(), end)
            self._log.claimed(end)
        except (UnavailableError, OSError) as error:
            _logger.warning("claims could not be taken over yet: %s", error)
            return False
        self._forget(self._rows)
        self._rows, self._noted = [], end
        return True

    def _tell(self, end: int) -> bool:
        """The same where there is nothing to take: the log needs the shelf for nothing then."""
        self._hand_in(end)  # for the position's sake
        try:
            self._log.claimed(end)
        except OSError as error:
            _logger.warning("the log cannot be told that no claims are in it: %s", error)
            return False
        return True

    async def _in(self, pool: ThreadPoolExecutor, function: Callable[..., _T], *values: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(pool, function, *values)


def _piece_of(rows: Sequence[Row], begin: int) -> int:
    """Where the piece ends that begins there."""
    size = 0
    for upto in range(begin, min(begin + _PIECE, len(rows))):
        size += len(rows[upto].claim.value)
        if size >= _PIECE_BYTES:
            return upto + 1
    return min(begin + _PIECE, len(rows))


class _Hold(Waking):
    """Implements `claims.base.Hold`."""

    __slots__ = ("_claims", "_keys")

    def __init__(self, claims: TakenClaims) -> None:
        super().__init__()
        self._claims = claims
        self._keys: set[bytes] = set()
        """Reserved, and not handed to the log."""

    async def take(
        self, keys: Collection[bytes], *, wait: bool = True, void: Callable[[bytes], bool] = lambda _: False
    ) -> Mapping[bytes, bytes]:
        while holder := self._claims.holder_of(keys):
            if not wait:
                raise InFlightError("another request holds it")
            await holder.change()
        mine = set(keys)
        self._claims.reserve(mine, self)
        self._keys |= mine
        found = await self._claims.find(mine)
        known = {key: value for key, value in found.items() if not void(value)}
        self._give_back(known.keys())
        return known

    def append(self, batch: Batch) -> Awaitable[None]:
        return self._claims.append(batch, self)

    @contextmanager
    def handing_over(self, keys: Collection[bytes]) -> Iterator[None]:
        """Once it is left well they hang on the log, not on the `with`."""
        if len(self._keys.intersection(keys)) != len(keys):
            raise ValueError("a batch's claims must be reserved, each once")
        yield
        self._keys.difference_update(keys)

    def __enter__(self) -> "_Hold":
        return self

    def __exit__(self, *_: object) -> None:
        if self._keys:
            self._give_back(self._keys)

    def _give_back(self, keys: Collection[bytes]) -> None:
        if keys:
            keys = set(keys)
            self._claims.let_go(keys)
            self._keys -= keys
            self.wake()
