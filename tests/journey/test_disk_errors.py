"""Each write, sync and other call of the log fails in turn, then those of state and catalog; limits of the process.

Nothing that was acknowledged is lost, nothing refused is stored, and it goes on by itself, also after a kill.
"""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EIO, ENOSPC, errorcode
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from figures import Section, tell
from harness import Server, until
from journey.faulty_calls import CUT_SHORT, FaultyCalls
from journey.load import SIGNAL, Ledger, check, load, look_up, prepare
from tools import sampled
from wire.client import Answer, Client
from wire.languages import BIGMIND

FOREVER = 1 << 40
SEGMENT = ("--segment-bytes", "5000")
"""A segment change every few commits."""


@contextmanager
def faulty(directory: Path, role: str, text: str, *options: str) -> Iterator[tuple[Server, FaultyCalls]]:
    """A running server, some of whose calls can be made to fail."""
    calls = FaultyCalls(directory, role, text)
    server = Server(directory / "data", *options, environment=calls.environment)
    try:
        server.start()
        server.wait_engine()
        prepare(server)
        yield server, calls
    except BaseException:
        print(server.log())
        raise
    finally:
        server.kill_group()


_NUMBERS = count()


class Caller:
    """One sender who keeps its connection, and notes every answer."""

    def __init__(self, server: Server, ledger: Ledger) -> None:
        self._server, self._ledger = server, ledger
        self._client = Client(server.url, server.key)
        self._sent, self._number = 0, next(_NUMBERS)

    def post(self, size: int = 50) -> bool:
        """Whether a batch was acknowledged."""
        self._sent += 1
        tokens = [f"{self._number}-{self._sent}-{n}" for n in range(size)]
        events = [
            {"signal": SIGNAL, "identity": {"type": "account", "id": "1"}, "data": {"token": token}} for token in tokens
        ]
        answer = self._client.post(BIGMIND.batch, BIGMIND.batch_of(*events))
        if answer.status == 200:
            self._ledger.acknowledge(tokens, [event["id"] for event in answer.json["data"]])
        else:
            check_refusal(answer)
            self._ledger.refuse(tokens, answer)
        return answer.status == 200

    def posts(self, times: int) -> int:
        """How many of so many batches were acknowledged."""
        return sum([self.post() for _ in range(times)])

    def is_well(self, role: str) -> bool:
        return not self.why(role)

    def readyz(self) -> dict[str, Any]:
        """What it says, over the connection that is there."""
        found: dict[str, Any] = self._client.call("GET", "/readyz").json
        return found

    def why(self, role: str = "gateway") -> str:
        """What ails a role; empty when it is well."""
        return str(self.readyz()[role]["why"])

    def close(self) -> None:
        self._client.close()


def check_refusal(answer: Answer) -> None:
    assert answer.status == 503, answer
    assert BIGMIND.refusal(answer)
    assert 1 <= int(answer.headers["retry-after"]) <= 5, answer


class Case(NamedTuple):
    """Which calls fail, and with what: those from `first` to `last`, and one more, while it is being mended."""

    first: int
    last: int
    error: int = EIO
    again: int = 0

    @property
    def calls(self) -> list[int]:
        return [*range(self.first, self.last + 1), *([self.again] if self.again else [])]


def strikes(server: Server, calls: FaultyCalls, cases: list[Case], kill_every: int) -> None:
    """Fails the calls of each case while batches come in, and waits each time until they are taken again."""
    ledger, seen = Ledger(), set()
    caller = Caller(server, ledger)
    for number, case in enumerate(cases, 1):
        calls.arm(case.first, case.last, case.error, case.again)
        until(partial(_posted_until, caller, calls, len(case.calls)), 60, f"{case} failed")
        seen.update(calls.kinds[each - 1] for each in case.calls)
        calls.disarm()
        until(caller.post, 5, f"events are taken again after {case} of {calls.kinds}")
        if number % kill_every == 0:
            server.kill_group()
            server.start()
            caller.close()
            caller = Caller(server, ledger)
    caller.close()
    assert seen == set("OWSTRMP"), seen
    acknowledged = check(server, ledger)
    look_up(server, ledger, 30)
    told = {"faults": len(cases), "kills": len(cases) // kill_every, "acknowledged": acknowledged, "lost": 0}
    tell(Section.LIMITS, f"calls of the log fail ({_names(cases)})", **told, refused_requests=len(ledger.refused))


def _names(cases: list[Case]) -> str:
    return ", ".join(sorted({errorcode[case.error] for case in cases}))


def _posted_until(caller: Caller, calls: FaultyCalls, struck: int) -> bool:
    caller.post()
    return calls.struck >= struck


EACH = [Case(n, n) for n in range(1, 19)]
ROWS = [Case(1, n) for n in (2, 3, 5, 9, 14)]
MENDING = [Case(1, 1, again=n) for n in range(2, 18)]


def test_each_call_of_the_log_fails_in_turn(tmp_path: Path) -> None:
    """One alone, over some commits and a change of segments; rows of them; and each of those that mend, in turn."""
    with faulty(tmp_path, "gateway", "/data/log", *SEGMENT) as (server, calls):
        strikes(server, calls, EACH + ROWS + MENDING, kill_every=13)


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("error", [EIO, ENOSPC, CUT_SHORT], ids=["EIO", "ENOSPC", "short"])
def test_every_call_of_the_log_fails_in_every_way(tmp_path: Path, error: int) -> None:
    cases = [Case(n, n, error) for n in range(1, 31)]
    cases += [Case(2, n, error) for n in range(3, 13)]
    cases += [Case(2, 2, error, again) for again in range(3, 20)]
    with faulty(tmp_path, "gateway", "/data/log", *SEGMENT) as (server, calls):
        if error == CUT_SHORT:
            cut_short(server, calls, 400)
        else:
            strikes(server, calls, cases, kill_every=12)


def test_writes_that_take_half_are_completed(tmp_path: Path) -> None:
    with faulty(tmp_path, "gateway", "/data/log", *SEGMENT) as (server, calls):
        cut_short(server, calls, 40)


def cut_short(server: Server, calls: FaultyCalls, posts: int) -> None:
    """Every write of the log takes half of what it is given: no reason to refuse anything."""
    ledger = Ledger()
    caller = Caller(server, ledger)
    calls.arm(1, FOREVER, CUT_SHORT)
    assert caller.posts(posts) == posts
    assert calls.struck > posts
    server.kill_group()
    server.start()
    caller.close()
    acknowledged = check(server, ledger)
    tell(Section.LIMITS, "every write of the log takes half", writes=calls.struck, acknowledged=acknowledged, lost=0)


@pytest.mark.parametrize(("error", "told"), [(EIO, "see dmesg"), (ENOSPC, "Make room")], ids=["EIO", "ENOSPC"])
def test_a_log_that_cannot_be_written_says_why_and_goes_on(tmp_path: Path, error: int, told: str) -> None:
    with faulty(tmp_path, "gateway", "/data/log") as (server, calls):
        ledger = Ledger()
        caller = Caller(server, ledger)
        assert caller.post()
        calls.arm(1, FOREVER, error)
        assert not caller.posts(20)
        why = caller.why()
        assert told in why and "since 20" in why, why
        with load(server, ledger, senders=2):
            time.sleep(3)  # the pauses between its tries have grown
            calls.disarm()
            until(caller.post, 5)
        assert not caller.why()
        caller.close()
        server.kill_group()
        server.start()
        check(server, ledger)


# --- state and catalog ----------------------------------------------------------------------------------------------


def test_the_state_fails_at_each_of_its_calls(tmp_path: Path) -> None:
    """Cursor, plan and links: the block is tried again, and nothing is stored twice."""
    state_faults(tmp_path, [Case(n, n + n % 3, EIO if n % 2 else ENOSPC) for n in range(1, 13)], kill_every=6)


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_the_state_fails_in_every_way(tmp_path: Path) -> None:
    cases = [Case(n, n + more, error) for error in (EIO, ENOSPC) for n in range(1, 12) for more in (0, 3)]
    state_faults(tmp_path, sampled(cases), kill_every=10)


def state_faults(directory: Path, cases: list[Case], kill_every: int) -> None:
    with faulty(directory, "engine", "/state.db") as (server, calls):
        ledger = Ledger()
        caller = Caller(server, ledger)
        for number, case in enumerate(cases, 1):
            calls.arm(case.first, case.last, case.error)
            until(partial(_posted_until, caller, calls, 1), 60, "a call of the state fails")
            if number % kill_every == 0:
                server.kill_group()
                calls.disarm()
                server.start()
                server.wait_engine()
                caller.close()
                caller = Caller(server, ledger)
            else:
                calls.disarm()
                until(partial(caller.is_well, "engine"), 30, "the engine is well again")
        caller.close()
        assert not ledger.refused
        acknowledged, kills = check(server, ledger), len(cases) // kill_every
        tell(
            Section.LIMITS, "calls of the state fail", faults=len(cases), kills=kills, acknowledged=acknowledged, lost=0
        )


def test_the_catalog_fails_at_each_of_its_calls(tmp_path: Path) -> None:
    """Management is told to come again; what it was told is so, now and after a kill."""
    with faulty(tmp_path, "gateway", "/catalog.db") as (server, calls):
        made, client, refused = [], Client(server.url, server.key), 0
        for n in range(1, 13):
            calls.arm(n % 6 + 1, n % 6 + 1 + n // 6, EIO if n % 2 else ENOSPC)
            for attempt in range(30):
                slug = f"s-{n}-{attempt}"
                answer = client.call("POST", "/v1/signals", {"name": slug, "slug": slug, "type": "event"})
                assert answer.status in (201, 503), answer
                if answer.status == 201:
                    made.append(slug)
                else:
                    assert answer.headers["content-type"] == "application/problem+json", answer
                    refused += 1
                if calls.struck:
                    break
            assert calls.struck, calls.kinds
            calls.disarm()
            until(partial(_makes, client, made, f"after-{n}"), 5)
        assert refused
        server.kill_group()
        server.start()
        client.close()
        client = Client(server.url, server.key)
        for slug in made:
            assert client.call("GET", f"/v1/signals/{slug}").status == 200, slug
        client.close()
        tell(Section.LIMITS, "calls of the catalog fail", faults=12, signals_made=len(made), lost=0, refused=refused)


def _makes(client: Client, made: list[str], slug: str) -> bool:
    answer = client.call("POST", "/v1/signals", {"name": slug, "slug": slug, "type": "event"})
    assert answer.status in (201, 503), answer
    if answer.status == 201:
        made.append(slug)
    return answer.status == 201


# --- limits of the process ------------------------------------------------------------------------------------------


@contextmanager
def limited(pid: int, which: int, soft: int) -> Iterator[None]:
    """A running process may use no more of something, for as long as the block lasts."""
    before = resource.prlimit(pid, which)
    resource.prlimit(pid, which, (soft, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, which, before)


def descriptors(pid: int) -> int:
    """So few that none can be opened: the count goes by the highest number."""
    return max(int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir()) + 1


def test_files_that_may_not_grow_stop_nothing_for_good(fresh_server: Server) -> None:
    """RLIMIT_FSIZE, of the gateway and of the engine; SIGXFSZ, which comes with it, ends neither."""
    prepare(fresh_server)
    ledger, pids = Ledger(), fresh_server.pids()
    caller = Caller(fresh_server, ledger)
    with limited(pids["gateway"], resource.RLIMIT_FSIZE, 20_000):
        posted = [until(caller.post, 5) for _ in range(100)]
        assert all(posted) and ledger.refused, "a new segment follows one that may not grow"
    with limited(pids["gateway"], resource.RLIMIT_FSIZE, 10):
        assert not caller.posts(5)
        why = caller.why()
        assert "File too large (EFBIG), since 20" in why and "ulimit -f" in why, why
        time.sleep(1)
    until(caller.post, 5)
    with limited(pids["engine"], resource.RLIMIT_FSIZE, 1_000):
        for _ in range(10):
            caller.post()
        why = until(lambda: caller.why("engine"), 30)
        assert "since 20" in why, why
    until(lambda: not caller.why("engine"), 30)
    caller.close()
    assert fresh_server.pids() == pids, "the same processes, all along"
    told = {"acknowledged": check(fresh_server, ledger), "lost": 0, "refused_requests": len(ledger.refused)}
    tell(Section.LIMITS, "files that may not grow (RLIMIT_FSIZE)", **told)


def test_no_descriptors_left_stop_nothing_for_good(tmp_path: Path) -> None:
    """RLIMIT_NOFILE: a new segment cannot be made, nor a part of the store."""
    server = Server(tmp_path / "data", *SEGMENT)
    try:
        server.start()
        server.wait_engine()
        prepare(server)
        ledger, pids = Ledger(), server.pids()
        caller = Caller(server, ledger)
        assert caller.post()
        with limited(pids["gateway"], resource.RLIMIT_NOFILE, descriptors(pids["gateway"])):
            until(lambda: not caller.post(), 5)
            why = until(caller.why, 5)
            assert "Too many open files (EMFILE), since 20" in why and "ulimit -n" in why, why
            time.sleep(1)
        until(caller.post, 5)
        with limited(pids["engine"], resource.RLIMIT_NOFILE, descriptors(pids["engine"])):
            for _ in range(10):
                caller.post()
                time.sleep(0.2)
        until(lambda: not caller.why("engine"), 60)
        caller.close()
        assert server.pids() == pids, "the same processes, all along"
        told = {"acknowledged": check(server, ledger), "lost": 0, "refused_requests": len(ledger.refused)}
        tell(Section.LIMITS, "no descriptors left (RLIMIT_NOFILE)", **told)
    finally:
        server.kill_group()
