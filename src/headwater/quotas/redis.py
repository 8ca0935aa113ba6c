"""Quotas in Redis or Valkey, for several gateways at once. A count is read and raised by one script, so it is exact.

A window is one hash, `<prefix>{<window>}`: whatever signals a request is about, it asks one slot. It is kept some
minutes by the server's own clock, so that no gateway's clock decides how long.

A server that forgets (restarted without its append-only file, flushed, failed over to a replica that lagged) would give
a minute's quota twice. So each window has a random token, and each gateway keeps count of what it was granted: when the
token is not the one it knew, it adds its count to the new window before it asks again. What another gateway was granted
is missing until that one asks, too.

The URL is one server's: the primary, or what leads there. Nodes of a Redis Cluster redirect, which is not followed.

A request that the server may have answered, while the answer was lost, has used up its quota though it is refused: a
limit may be kept too strictly in a minute in which Redis is away, and is never exceeded by that.
"""

import asyncio
import hashlib
import secrets
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import redis.asyncio as client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, NoScriptError, RedisError

from headwater.errors import StartError, UnavailableError
from headwater.quotas.base import Status
from headwater.rules.quota import Grant, Want, grant, window_of

WhenAway = Literal["refuse", "allow"]
"""What becomes of events whose signal has a limit while Redis cannot be asked: refused (503), or taken uncounted."""

_SET_BACK = 2
"""Windows by which a clock may be set back without anybody getting a quota twice."""
_KEPT_MS = 5 * 60_000
"""How long a window is kept from its first grant on: longer than gateways' clocks differ."""
_REST_SECONDS = 0.25
"""After a failure nobody waits for the server for so long: requests are answered at once, as it is away."""
_TRIES = 3
_AT_ONCE = 256
"""Questions sent together."""


class _Uncounted(Grant, frozen=True, gc=False):
    """A grant that no count was raised for, so that there is none to lower."""


class _Window(msgspec.Struct):
    """What this gateway knows of a window."""

    token: str = ""
    granted: dict[str, int] = {}
    """To this gateway, by signal id."""


class _Script:
    """Run by its digest; sent whole when the server does not know that."""

    def __init__(self, name: str) -> None:
        self.text = (Path(__file__).parent / "scripts" / f"{name}.lua").read_text()
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


_GRANT, _RESTORE, _GIVE_BACK = _Script("grant"), _Script("restore"), _Script("give_back")


class RedisQuotas:
    """Implements `quotas.base.Quotas`. One event loop's; `close` it there.

    `grant` and `used` raise UnavailableError while the server cannot be asked; with `when_away="allow"` neither does.
    """

    def __init__(
        self,
        url: str,
        when_away: WhenAway = "refuse",
        prefix: str = "headwater:quota:",
        timeout_seconds: float = 1.0,
    ) -> None:
        """`url`: redis://, rediss:// or unix://, as redis-py has it. StartError for one that cannot be. Connects at the
        first question."""
        try:
            pool = client.ConnectionPool.from_url(
                url,
                socket_timeout=timeout_seconds,
                socket_connect_timeout=timeout_seconds,
                retry=Retry(NoBackoff(), 0),  # it would count twice what only the answer was lost of
            )
        except ValueError as error:
            raise StartError(f"the URL of Redis cannot be used: {error}") from error
        self._client = client.Redis.from_pool(pool)
        self._allows = when_away == "allow"
        self._prefix = prefix
        self._timeout = timeout_seconds
        self._gateway = secrets.token_hex(8)
        self._newest = 0
        self._windows: dict[int, _Window] = {}
        self._waiting: deque[tuple[tuple[Any, ...], asyncio.Future[Any]]] = deque()
        self._asking: asyncio.Task[None] | None = None
        self._rest_until = 0.0
        self._away = ""
        self._refused = self._unchecked = self._restored = 0

    def window(self, now_ms: int) -> int:
        now = window_of(now_ms)
        if now > self._newest or now < self._newest - _SET_BACK:
            self._newest = now
        return self._newest

    async def grant(self, wants: Mapping[str, Want], window: int, whole: bool) -> dict[str, Grant]:
        if not wants:
            return {}
        try:
            used = await self._take(wants, self._known(window), window, whole)
        except UnavailableError:
            if not self._allows:
                self._refused += 1
                raise
            return self._uncounted(wants, whole)
        return {id: grant(count, want) for (id, want), count in zip(wants.items(), used, strict=True)}

    async def used(self, signal_ids: Iterable[str], window: int) -> dict[str, int]:
        ids = list(signal_ids)
        if not ids:
            return {}
        try:
            found = await self._ask("HMGET", self._key(window), *ids)
        except UnavailableError:
            if not self._allows:
                raise
            granted = self._known(window).granted
            return {id: granted.get(id, 0) for id in ids}
        return {id: int(count or 0) for id, count in zip(ids, found, strict=True)}

    async def give_back(self, grants: Mapping[str, Grant], window: int) -> None:
        """Never fails: what cannot be given back is used up for the rest of the minute."""
        known = self._windows.get(window)
        back = {id: each.count for id, each in grants.items() if each.count and not isinstance(each, _Uncounted)}
        if known is None or not back:
            return
        for id, count in back.items():
            known.granted[id] = known.granted.get(id, 0) - count
        try:
            await self._run(_GIVE_BACK, window, [known.token, *_flat(back)])
        except UnavailableError:
            return

    def status(self) -> Status:
        return Status(self._away, self._refused, self._unchecked, self._restored)

    async def close(self) -> None:
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    async def _take(self, wants: Mapping[str, Want], known: _Window, window: int, whole: bool) -> list[int]:
        """What was used of each before; what fits is taken."""
        asked = [part for id, want in wants.items() for part in (id, want.limit, want.count)]
        for _ in range(_TRIES):
            token = known.token
            more = [token, secrets.token_hex(8), _KEPT_MS, int(whole), *asked]
            answer: list[Any] = await self._run(_GRANT, window, more)
            found, used = answer[0], [int(count) for count in answer[1:]]
            if used:
                known.token = known.token or found.decode()
                self._note(wants, known, used, whole)
                return used
            if known.token == token:  # nobody else saw it first
                await self._restore(known, window)
        self._gone("it forgets what it counted")
        raise self._refusal()

    def _note(self, wants: Mapping[str, Want], known: _Window, used: Sequence[int], whole: bool) -> None:
        given = {id: grant(count, want).count for (id, want), count in zip(wants.items(), used, strict=True)}
        if whole and any(given[id] < want.count for id, want in wants.items()):
            return
        for id, count in given.items():
            known.granted[id] = known.granted.get(id, 0) + count

    async def _restore(self, known: _Window, window: int) -> None:
        token, granted = known.token, {id: count for id, count in known.granted.items() if count > 0}
        more = [secrets.token_hex(8), _KEPT_MS, self._gateway, *_flat(granted)]
        found = await self._run(_RESTORE, window, more)
        if known.token == token:
            known.token = found.decode()
            self._restored += 1

    def _uncounted(self, wants: Mapping[str, Want], whole: bool) -> dict[str, Grant]:
        """As if nothing had been used yet."""
        grants = {id: grant(0, want) for id, want in wants.items()}
        if not (whole and any(grants[id].count < want.count for id, want in wants.items())):
            self._unchecked += sum(each.count for each in grants.values())
        return {id: _Uncounted(each.count, each.remaining) for id, each in grants.items()}

    def _known(self, window: int) -> _Window:
        found = self._windows.get(window)
        if found is None:
            for old in [each for each in self._windows if abs(each - window) > _SET_BACK]:
                del self._windows[old]
            found = self._windows[window] = _Window()
        return found

    def _key(self, window: int) -> str:
        return f"{self._prefix}{{{window}}}"

    async def _run(self, script: _Script, window: int, more: Sequence[Any]) -> Any:
        try:
            return await self._ask("EVALSHA", script.digest, 1, self._key(window), *more)
        except NoScriptError:
            return await self._ask("EVAL", script.text, 1, self._key(window), *more)

    async def _ask(self, *command: Any) -> Any:
        """The answer. What is asked while the server is busy with others' questions is sent together, behind them."""
        if time.monotonic() < self._rest_until:
            raise self._refusal()
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all())
        return await answer

    async def _ask_all(self) -> None:
        asked: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        try:
            while self._waiting:
                count = min(len(self._waiting), _AT_ONCE)
                asked = [each for each in (self._waiting.popleft() for _ in range(count)) if not each[1].done()]
                found = await self._answers([command for command, _ in asked])
                for (_, answer), each in zip(asked, found, strict=True):
                    _settle(answer, each)
        except BaseException as error:  # nobody may wait for ever
            for _, answer in (*asked, *self._waiting):
                _settle(answer, UnavailableError(f"the quotas cannot be asked: {error!r}"))
            self._waiting.clear()
            raise
        finally:
            self._asking = None

    async def _answers(self, commands: Sequence[tuple[Any, ...]]) -> Sequence[Any]:
        """Each one's answer, or what was wrong with it. Asked once more where the connection had ended, as all have
        when the server was restarted."""
        if time.monotonic() < self._rest_until:
            return [self._refusal() for _ in commands]
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    found = await self._send(commands)
                except BusyLoadingError:
                    raise
                except (client.ConnectionError, OSError):
                    found = await self._send(commands)
        except (RedisError, OSError, TimeoutError) as error:
            self._gone(str(error) or type(error).__name__)
            return [self._refusal() for _ in commands]
        wrong = [each for each in found if isinstance(each, Exception) and not isinstance(each, NoScriptError)]
        if wrong:  # it is loading, read-only, full, or no server for this
            self._gone(str(wrong[0]))
            return [self._refusal() if each in wrong else each for each in found]
        self._away = ""
        return found

    async def _send(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        found: list[Any] = await pipeline.execute(raise_on_error=False)
        return found

    def _gone(self, why: str) -> None:
        self._away = why
        self._rest_until = time.monotonic() + _REST_SECONDS

    def _refusal(self) -> UnavailableError:
        return UnavailableError(f"the quotas cannot be asked: {self._away}")


def _settle(answer: asyncio.Future[Any], found: Any) -> None:
    if answer.done():
        return  # whoever asked has gone
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)


def _flat(counts: Mapping[str, int]) -> list[str | int]:
    return [part for pair in counts.items() for part in pair]
