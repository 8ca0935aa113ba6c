"""Work over what is stored, step by step, one job at a time: what a crash cut short is gone on with."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from headwater.clock import now_ms
from headwater.state.base import Job, JobKind, State

LOOK_SECONDS = 1.0
"""Between two looks for something to do."""
FIRST_BACK_OFF, LAST_BACK_OFF = 1.0, 60.0
"""Seconds until what failed is tried again."""
DONE = "done"
"""The step behind the last."""

_logger = logging.getLogger(__name__)


class Work(Protocol):
    """A kind of job."""

    kind: JobKind

    def wanted(self) -> Iterable[Job]:
        """What is to be begun: written down before its first step is done."""

    def step(self, job: Job) -> Job:
        """Does the next step, and gives the job as it is to be written down: `step` is the one after, or `DONE`.

        The same job back: not yet, it is asked again soon. A step may be done again after a crash, so each must bear
        that. Whatever it raises is told with the job, and it is tried again.
        """


class Jobs:
    """One thread works on them; `lock` is held while a step is done."""

    def __init__(self, state: State, works: Sequence[Work], clock: Callable[[], int] = now_ms) -> None:
        self._state = state
        self._works = works
        self._clock = clock
        self._wake = threading.Event()
        self._not_before: dict[str, float] = {}
        self._pauses: dict[str, float] = {}
        self.lock = threading.RLock()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set."""
        while not stop.is_set():
            try:
                moved = self.look()
            except Exception:
                _logger.exception("jobs could not be looked at; it is tried again")
                moved = False
            if not moved:
                self._wake.wait(LOOK_SECONDS)
                self._wake.clear()

    def look(self) -> bool:
        """Does a step of every job that is open, oldest first. Whether any of them got on."""
        moved = False
        for work in self._works:
            with self.lock:
                for job in work.wanted():
                    self._state.put_job(job)
            for job in reversed([each for each in self._state.jobs(work.kind) if each.done_ms is None]):
                moved |= self._advance(work, job)
        return moved

    def _advance(self, work: Work, job: Job) -> bool:
        now = self._clock() / 1000
        if now < self._not_before.get(job.id, 0):
            return False
        try:
            with self.lock:
                after = work.step(job)
                moved = after != job
                if moved or job.failure:
                    self._state.put_job(self._written(after))
        except Exception as error:
            self._failed(job, error)
            return False
        self._pauses.pop(job.id, None)
        return moved

    def _written(self, job: Job) -> Job:
        done_ms = self._clock() if job.step == DONE else None
        return msgspec.structs.replace(job, failure="", done_ms=done_ms)

    def _failed(self, job: Job, error: Exception) -> None:
        pause = self._pauses[job.id] = min(2 * self._pauses.get(job.id, FIRST_BACK_OFF / 2), LAST_BACK_OFF)
        self._not_before[job.id] = self._clock() / 1000 + pause
        _logger.exception("%s failed at step '%s'; it is tried again in %.0f s", job.id, job.step, pause)
        failure = f"{type(error).__name__}: {error}"[:1000]
        # As it is written down now: the step may have moved it on before something failed.
        known = self._state.job(job.id) or job
        if failure != known.failure:
            self._state.put_job(msgspec.structs.replace(known, failure=failure))
