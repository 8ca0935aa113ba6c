"""Those who wait for what another request holds."""

import asyncio


class Waking:
    """What somebody holds, and others of this event loop wait for."""

    __slots__ = ("_woken",)

    def __init__(self) -> None:
        self._woken: asyncio.Future[None] | None = None

    async def change(self) -> None:
        """Returns when something may no longer be held."""
        if self._woken is None:
            self._woken = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._woken)

    def wake(self) -> None:
        woken, self._woken = self._woken, None
        if woken:
            woken.set_result(None)
