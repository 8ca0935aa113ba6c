"""Claims that several gateways share: reserved in PostgreSQL before the append, written down there after it.

Of two gateways that want the same key exactly one gets it, and the other waits until it is known: a reservation is a
row that only one can have put there. Among the requests of one gateway the same is settled in memory.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from headwater.claims.base import InFlightError, Row
from headwater.claims.desk import Desk, Found
from headwater.claims.waking import Waking
from headwater.errors import LogUnavailableError, UnavailableError
from headwater.events import Batch
from headwater.log.base import Appender

WAIT_SECONDS = 10.0
"""How long one waits for the database; and for what another gateway holds: it may have died, and only the log knows
what it did."""
_PAUSES = (0.01, 0.25)
"""Between two looks: the first, and the longest."""


class SharedClaims:
    """Implements `claims.base.Claims`, for one event loop: to be made in it.

    A holder that cannot be heard of appends nothing any more: see `claims.postgres_database.LEASE_SECONDS`.
    """

    def __init__(self, log: Appender, url: str) -> None:
        """Raises StartError."""
        self._log = log
        self._desk = Desk(url, self._forget)
        self._holders: dict[bytes, _Hold] = {}
        self._fresh: dict[bytes, bytes] = {}
        """Durable, and not in the database yet."""

    def hold(self) -> "_Hold":
        return _Hold(self)

    def close(self) -> None:
        """What is not written down by now, the engine finds in the log."""
        self._desk.close()

    # --- for holds -------------------------------------------------------------------------------------------------

    def holder_of(self, keys: Iterable[bytes]) -> "_Hold | None":
        """Somebody of this gateway who holds one of them."""
        return next((holder for key in keys if (holder := self._holders.get(key))), None)

    async def reserve(
        self, keys: set[bytes], hold: "_Hold", void: Callable[[bytes], bool]
    ) -> tuple[dict[bytes, bytes], dict[bytes, int]] | None:
        """The values of those that are known; all others are held by `hold`, and come with the holder's number.
        None when another gateway holds one: then nothing is reserved."""
        self._holders.update(dict.fromkeys(keys, hold))
        try:
            found = await self._reserve(keys, void)
        except BaseException:
            self.let_go(keys)
            hold.wake()
            raise
        gone = keys if found is None else found[0].keys()
        if gone:
            self.let_go(gone)
            hold.wake()
        return found

    async def _reserve(
        self, keys: set[bytes], void: Callable[[bytes], bool]
    ) -> tuple[dict[bytes, bytes], dict[bytes, int]] | None:
        known = {key: value for key in keys if (value := self._fresh.get(key)) is not None and not void(value)}
        wanted, got = keys - known.keys(), dict[bytes, int]()
        try:
            for forced in (False, True):  # a claim that is void is reserved in spite of it
                rest = wanted - got.keys()
                if not rest:
                    break
                found = await self._ask(rest, forced)
                got |= dict.fromkeys(found.reserved, found.number)
                known |= {key: value for key, value in found.known.items() if not void(value)}
                wanted -= known.keys()
                if not any(key in found.known for key in wanted - got.keys()):
                    break
        except BaseException:
            self.give_back(got)
            raise
        if wanted - got.keys():
            self.give_back(got)
            return None
        self.give_back({key: number for key, number in got.items() if key not in wanted})
        return known, {key: got[key] for key in wanted}

    async def _ask(self, keys: set[bytes], forced: bool) -> Found:
        """What is reserved after nobody waits any more, the desk gives back."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await self._desk.ask(keys, forced)
        except TimeoutError:
            raise UnavailableError("claims: the database does not answer", retry_after=5) from None

    def give_back(self, numbers: Mapping[bytes, int]) -> None:
        """Keys, with the holder's number."""
        for number in set(numbers.values()):
            self._desk.free([key for key, of in numbers.items() if of == number], number)

    def let_go(self, keys: Iterable[bytes]) -> None:
        for key in keys:
            del self._holders[key]

    def append(self, batch: Batch, hold: "_Hold", numbers: Mapping[bytes, int]) -> Awaitable[None]:
        keys = [claim.key for claim in batch.claims]
        with hold.handing_over(keys):
            if not all(self._desk.lasts(numbers[key]) for key in keys):
                raise UnavailableError("claims: the database was not reached for a while; reservations may be void")
            future = asyncio.ensure_future(self._log.append(batch))
        rows = [Row(claim, batch.id, batch.workspace) for claim in batch.claims]

        def settled(future: asyncio.Future[None]) -> None:
            error = asyncio.CancelledError() if future.cancelled() else future.exception()
            for number in {numbers[row.claim.key] for row in rows}:
                mine = [row for row in rows if numbers[row.claim.key] == number]
                self._settle(mine, number, error)
            self.let_go(keys)
            hold.wake()

        future.add_done_callback(settled)
        return asyncio.shield(future)  # it becomes durable or not, whether its caller stays or goes

    def _settle(self, rows: Sequence[Row], number: int, error: BaseException | None) -> None:
        keys = [row.claim.key for row in rows]
        if error is None:
            self._fresh.update({row.claim.key: row.claim.value for row in rows})
            self._desk.keep(rows, number)
        elif isinstance(error, LogUnavailableError):
            self._desk.free(keys, number)
        else:
            self._desk.doubt(keys, number)

    def _forget(self, rows: Sequence[Row]) -> None:
        """The database has them."""
        for row in rows:
            if self._fresh.get(row.claim.key) is row.claim.value:  # else there is a newer one of this key
                del self._fresh[row.claim.key]


class _Hold(Waking):
    """Implements `claims.base.Hold`."""

    __slots__ = ("_claims", "_numbers")

    def __init__(self, claims: SharedClaims) -> None:
        super().__init__()
        self._claims = claims
        self._numbers: dict[bytes, int] | None = None
        """What is reserved and not handed to the log, with the number of the holder."""

    async def take(
        self, keys: Collection[bytes], *, wait: bool = True, void: Callable[[bytes], bool] = lambda _: False
    ) -> Mapping[bytes, bytes]:
        loop, mine = asyncio.get_running_loop(), set(keys)
        until, (pause, longest) = loop.time() + WAIT_SECONDS, _PAUSES
        while True:
            while holder := self._claims.holder_of(mine):
                if not wait:
                    raise InFlightError("another request holds it")
                await holder.change()
            found = await self._claims.reserve(mine, self, void)
            if found is not None:
                break
            if not wait:
                raise InFlightError("another gateway's request holds it")
            if loop.time() > until:
                raise UnavailableError("claims: another gateway holds it, and is not done", retry_after=5)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
            pause = min(2 * pause, longest)
        known, numbers = found
        self._numbers = (self._numbers or {}) | numbers
        return known

    def append(self, batch: Batch) -> Awaitable[None]:
        return self._claims.append(batch, self, dict(self._numbers or {}))

    @contextmanager
    def handing_over(self, keys: Collection[bytes]) -> Iterator[None]:
        """Once it is left well they hang on the log, not on the `with`."""
        held = self._numbers or {}
        if len(held.keys() & set(keys)) != len(keys):
            raise ValueError("a batch's claims must be reserved, each once")
        yield
        for key in keys:
            del held[key]

    def __enter__(self) -> "_Hold":
        return self

    def __exit__(self, *_: object) -> None:
        if self._numbers:
            numbers, self._numbers = self._numbers, None
            self._claims.give_back(numbers)
            self._claims.let_go(numbers)
            self.wake()
