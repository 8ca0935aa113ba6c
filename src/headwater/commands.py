"""What other threads have one thread do, at a moment that it chooses."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

from headwater.errors import UnavailableError

T = TypeVar("T")


class Commands:
    """A queue of them. Errors of the kind `told` are for whoever asked alone. Any other is the thread's as well: `obey`
    raises it, and whoever asked gets an UnavailableError that says `otherwise`."""

    def __init__(self, told: type[BaseException] = BaseException, otherwise: str = "") -> None:
        self._told = told
        self._otherwise = otherwise
        self._waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def put(self, work: Callable[[], T]) -> Future[T]:
        """What will have come of it. Cancel it to wait no more: what was not begun then is not done."""
        done: Future[T] = Future()

        def carry_out() -> None:
            if not done.set_running_or_notify_cancel():
                return  # whoever asked was told that it is not done
            try:
                done.set_result(work())
            except self._told as error:
                done.set_exception(error)
            except BaseException:
                done.set_exception(UnavailableError(self._otherwise))
                raise

        self._waiting.put(carry_out)
        return done

    def obey(self) -> None:
        """Carries out all there are. For the thread itself."""
        while True:
            try:
                command = self._waiting.get_nowait()
            except Empty:
                return
            command()
