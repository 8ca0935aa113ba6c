"""Where verbs run that change the catalog."""

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Change(Protocol):
    """Runs a verb, and gives what it gives. `asking.Threads.do` is one for a catalog that any thread may use and whose
    changes wait for other machines: everything else goes on meanwhile."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


async def at_once(work: Callable[[], T], /) -> T:
    """On the event loop's own thread, with nothing between: for a catalog that is one thread's."""
    return work()
