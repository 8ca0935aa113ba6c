"""Jobs: each step written down, what fails tried again, what a crash cut short gone on with."""

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from headwater.jobs import DONE, Jobs
from headwater.state.base import Job, JobKind
from headwater.state.sqlite import SqliteState


class Counting:
    """A job of three steps; `fails` are raised, one a try."""

    kind: JobKind = "retention"

    def __init__(self, *fails: BaseException) -> None:
        self.begun = 0
        self.done: list[str] = []
        self.fails = list(fails)
        self.waits = 0

    def wanted(self) -> Iterable[Job]:
        if not self.begun:
            self.begun = 1
            yield Job("job_1", self.kind, "ws_a", {}, "1", 5)

    def step(self, job: Job) -> Job:
        if self.fails:
            raise self.fails.pop()
        if self.waits:
            self.waits -= 1
            return job
        self.done.append(job.step)
        return replace(job, step=DONE if job.step == "3" else str(int(job.step) + 1))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteState]:
    state = SqliteState(tmp_path / "state.db")
    yield state
    state.close()


def test_a_job_is_done_step_by_step(state: SqliteState) -> None:
    work = Counting()
    jobs = Jobs(state, [work], lambda: 77_000)
    while jobs.look():
        pass
    assert work.done == ["1", "2", "3"]
    assert state.job("job_1") == Job("job_1", "retention", "ws_a", {}, DONE, 5, 77_000)


def test_what_fails_is_told_and_tried_again_later(state: SqliteState) -> None:
    now = 1_000_000
    work = Counting(OSError("no space"), ValueError("x" * 5000))
    jobs = Jobs(state, [work], lambda: now)
    assert not jobs.look()
    failed = state.job("job_1")
    assert failed and failed.failure.startswith("ValueError: xxx") and len(failed.failure) == 1000
    assert not jobs.look()
    assert len(work.fails) == 1, "it was tried again at once"
    now += 1_000
    jobs.look()
    now += 1_999
    jobs.look()
    assert not work.done, "the pause was not longer after the second failure"
    now += 1
    while jobs.look():
        pass
    found = state.job("job_1")
    assert found and (found.failure, found.step) == ("", DONE)


def test_a_step_that_has_to_wait_is_asked_again(state: SqliteState) -> None:
    work = Counting()
    work.waits = 2
    jobs = Jobs(state, [work])
    assert not jobs.look()
    assert not jobs.look()
    assert jobs.look()


def test_after_a_crash_it_goes_on_where_it_was(state: SqliteState) -> None:
    work = Counting()
    jobs = Jobs(state, [work])
    jobs.look()
    work.fails = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        jobs.look()
    again = Counting()
    again.begun = 1
    left = Jobs(state, [again])
    while left.look():
        pass
    assert again.done == ["2", "3"]


def test_the_thread_wakes_works_and_ends(state: SqliteState) -> None:
    work, stop = Counting(), threading.Event()
    jobs = Jobs(state, [work])
    thread = threading.Thread(target=jobs.run, args=(stop,))
    thread.start()
    while work.done != ["1", "2", "3"]:
        assert thread.is_alive()
    with jobs.lock:  # a backup: no step is done meanwhile
        pass
    stop.set()
    jobs.wake()
    thread.join(5)
    assert not thread.is_alive()
