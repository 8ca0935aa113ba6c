"""What other threads have the one that steps do, when it has taken in all that is stored."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

from headwater.errors import HeadwaterError, UnavailableError

T = TypeVar("T")


class Commands:
    """A queue of them."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def ask(self, work: Callable[[], T], seconds: float, wake: Callable[[], None]) -> T:
        """Has it done, and gives what came of it. What nobody waits for any more is not begun.

        Raises what headwater raises on purpose, and UnavailableError when it takes longer or fails otherwise.
        """
        done: Future[T] = Future()

        def carry_out() -> None:
            if not done.set_running_or_notify_cancel():
                return  # whoever asked was told that it is not done
            try:
                done.set_result(work())
            except HeadwaterError as error:
                done.set_exception(error)
            except BaseException as error:
                done.set_exception(UnavailableError("cohorts start anew after a failure"))
                raise error

        self._waiting.put(carry_out)
        wake()
        try:
            return done.result(seconds)
        except TimeoutError:
            done.cancel()
            raise UnavailableError("this takes longer than an answer may; ask again") from None

    def obey(self) -> None:
        """Carries out all there are. For the thread that steps; raises what is nobody's purpose."""
        while True:
            try:
                command = self._waiting.get_nowait()
            except Empty:
                return
            command()
