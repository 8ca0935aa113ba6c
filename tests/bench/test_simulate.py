"""The simulation of bench/simulate: what it says agrees with what can be reckoned."""

import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


@pytest.fixture
def small() -> Any:
    settings = import_module("simulate.settings")
    return settings.Setup(rate=20_000, gateways=2, partitions=6, engines=2)


def world(setup: Any) -> Any:
    return import_module("simulate.world").World(setup)


def scenarios() -> Any:
    return import_module("simulate.scenarios")


def test_things_happen_in_their_order() -> None:
    clock, seen = import_module("simulate.clock").Clock(), []
    clock.after(2, lambda: seen.append("b"))
    clock.after(1, lambda: clock.after(1, lambda: seen.append("c")))
    clock.after(1, lambda: seen.append("a"))
    clock.after(9, lambda: seen.append("never"))
    clock.run(5)
    assert seen == ["a", "b", "c"] and clock.now == 5


def test_a_server_does_one_thing_after_the_other() -> None:
    module = import_module("simulate.clock")
    clock, done = module.Clock(), []
    server = module.Server(clock)
    for _ in range(3):
        server.do(2.0, lambda: done.append(clock.now))
    assert server.waits() == 6
    clock.run(10)
    assert done == [2, 4, 6] and server.busy == 6 and server.waits() == 0


def test_what_comes_is_stored_and_counted_once(small: Any) -> None:
    ran = world(small)
    tally = ran.run(30)
    assert abs(tally.acknowledged / 30 - 20_000) < 600
    assert not tally.refused and 0 <= ran.waiting() < 20_000
    inside = sum(each.events + each.under_way for each in ran.partitions)
    assert tally.acknowledged == tally.stored + inside


def test_the_same_seed_is_the_same_run(small: Any) -> None:
    one, same, other = (world(replace(small, seed=seed)).run(10) for seed in (1, 1, 2))
    assert one.waits == same.waits and one.samples == same.samples
    assert one.waits != other.waits


def test_a_gateway_takes_what_its_core_can(small: Any) -> None:
    tally = world(replace(small, gateways=1, rate=400_000, engines=6)).run(10)
    most = 10 / small.costs.batch * small.batch_events
    assert 0.95 * most < tally.acknowledged <= 1.01 * most
    assert set(tally.refused) == {"too many in flight"}


def test_engines_that_are_too_few_fall_behind(small: Any) -> None:
    ran = world(
        replace(small, rate=120_000, gateways=4, engines=1, shards=4, costs=replace(small.costs, event_read=20e-6))
    )
    ran.run(30)
    grown = (120_000 - 1 / 20e-6) * 30
    assert 0.8 * grown < ran.waiting() < 1.2 * grown


@pytest.mark.parametrize("happens", ["kill_engine", "stop_engine"])
def test_partitions_of_an_engine_that_is_gone_are_stored_by_others(small: Any, happens: str) -> None:
    ran = world(small)
    ran.clock.at(10, lambda: getattr(ran, happens)(1))
    tally = ran.run(60)
    assert all(each in ran.engines[0].owned for each in ran.partitions)
    assert tally.samples[-1][2] < 2
    assert tally.acknowledged == tally.stored + sum(each.events + each.under_way for each in ran.partitions)
    worst = max(sample[2] for sample in tally.samples)
    assert (10 < worst < 25) if happens == "kill_engine" else worst < 5


def test_an_engine_that_comes_back_gets_its_share(small: Any) -> None:
    ran = world(small)
    ran.clock.at(5, lambda: ran.kill_engine(0))
    ran.clock.at(30, lambda: ran.start_engine(0))
    ran.run(60)
    assert [len(engine.owned) for engine in ran.engines] == [3, 3]


def test_a_dead_brokers_batches_wait_and_new_ones_go_elsewhere(small: Any) -> None:
    ran = world(small)
    ran.clock.at(10, lambda: ran.kill_broker(0))
    tally = ran.run(40)
    late = [(at, wait) for at, wait, _ in tally.waits if wait > 1]
    assert not tally.refused and late
    times = small.times
    assert max(wait for _, wait in late) < times.broker_session + times.election + 1
    answered = [at for at, wait, _ in tally.waits if 12 < at < 18 and wait < 0.1]
    assert len(answered) > 500


def test_without_replicas_in_sync_nothing_is_taken(small: Any) -> None:
    ran = world(small)
    for number in (0, 1):
        ran.clock.at(10, lambda number=number: ran.kill_broker(number))
        ran.clock.at(30, lambda number=number: ran.start_broker(number))
    tally = ran.run(60)
    assert tally.refused.keys() == {"no partition takes batches"}
    assert not [at for at, *_ in tally.waits if 10.1 < at < 30]
    assert [at for at, *_ in tally.waits if at > 31]


def test_postgresql_may_be_away_for_less_than_a_lease(small: Any) -> None:
    for seconds, refused in ((4, False), (20, True)):
        ran = world(small)
        ran.clock.at(10, ran.stop_database)
        ran.clock.at(10 + seconds, ran.start_database)
        tally = ran.run(60)
        assert bool(tally.refused) == refused and tally.samples[-1][2] < 2


def test_what_is_sized_holds_and_for_three_times_the_rate_does_not() -> None:
    sized = scenarios().sized(100_000)
    assert scenarios().holds(sized, 20.0)
    assert not scenarios().holds(replace(sized, rate=300_000), 20.0)


def test_it_runs_from_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH / "simulate"), "--quick"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "| an engine is killed |" in ran.stdout


def test_the_page_holds_what_was_simulated() -> None:
    report = import_module("simulate.report")
    figures = import_module("json").loads(report.FIGURES.read_text())
    page = report.PAGE.read_text()
    assert report.written(page, report.tables_of(figures)) == page
