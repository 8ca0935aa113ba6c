"""The end of an engine whose destination hangs."""

import threading
from contextlib import ExitStack
from typing import Any

import pytest

from harness import until
from headwater.wiring import answers as wired
from headwater.wiring.answers import working
from headwater.wiring.engines import _Leader


class Hanging:
    """As `Answers`, with one worker and one destination that never comes back."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.hangs, self.released = threading.Event(), threading.Event()

    def workers(self) -> Any:
        return [("jobs", self._work)]

    def destinations(self) -> Any:
        return [("destination-hung", self._hang)]

    def wake(self) -> None:
        pass

    def _work(self, stop: threading.Event) -> None:
        stop.wait()
        self.ended.append("jobs")

    def _hang(self, _: threading.Event) -> None:
        self.hangs.set()
        self.released.wait()
        self.ended.append("destination")


@pytest.mark.timeout(60)
def test_a_hung_destination_does_not_keep_the_end_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wired, "DESTINATIONS_SECONDS", 0.1)
    hanging = Hanging()
    with working(hanging):  # type: ignore[arg-type]
        assert hanging.hangs.wait(10)
        (thread,) = [each for each in threading.enumerate() if each.name == "destination-hung"]
        assert thread.daemon, "it would keep the process"
    assert hanging.ended == ["jobs"] and "destination-hung hangs" in caplog.text
    hanging.released.set()
    until(lambda: not thread.is_alive())


class Deposed:
    """As `PostgresLeadership`: leads once, and then no more."""

    def lead(self, _: str) -> bool:
        return True

    def leads(self) -> bool:
        return False


class Serving:
    should_exit = False


@pytest.mark.parametrize("fails", [False, True])
def test_who_leads_no_more_says_so_before_all_else_ends(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    serving, seen = Serving(), []
    leader = _Leader(*[None] * 6, serving)  # type: ignore[arg-type]

    def lead(stack: ExitStack) -> None:
        stack.callback(lambda: seen.append((leader.lost, serving.should_exit)))  # what hangs ends here
        if fails:
            raise OSError("no database")

    monkeypatch.setattr(leader, "_lead", lead)
    leader.run(Deposed(), "http://engine", threading.Event())  # type: ignore[arg-type]
    assert seen == [(True, True)] and leader.lost and serving.should_exit
