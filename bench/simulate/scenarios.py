"""What is asked of the simulation: what happens after a failure, and how much of everything a rate needs."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

from simulate.parts import Tally
from simulate.settings import Setup
from simulate.world import World

FAULT_AT = 60.0
SECONDS = 240.0


@dataclass(frozen=True)
class Outcome:
    """Of one run with one failure."""

    name: str
    refused: dict[str, int]
    p50_ms: float
    p99_ms: float
    slowest_ms: float
    most_waiting: int
    """Events, at worst."""
    oldest_seconds: float
    recovered_seconds: float | None
    """From the failure to the last second in which an event waited longer than any before it, and than three seconds;
    None: it did at the end."""
    led_seconds: float | None
    """And in which the leader was further behind than before, and than two seconds."""


def standard() -> Setup:
    """A hundred thousand events a second, twelve partitions, on three brokers."""
    return Setup(rate=100_000, gateways=2, partitions=12, engines=4, shards=3)


FAULTS: dict[str, Callable[[World], None]] = {}


def fault(name: str) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    def known(happens: Callable[[World], None]) -> Callable[[World], None]:
        FAULTS[name] = happens
        return happens

    return known


@fault("nothing happens")
def _nothing(world: World) -> None:
    pass


@fault("a broker is killed, and back after 60 s")
def _broker(world: World) -> None:
    world.clock.at(FAULT_AT, lambda: world.kill_broker(0))
    world.clock.at(FAULT_AT + 60, lambda: world.start_broker(0))


@fault("two of three brokers are killed, and back after 60 s")
def _brokers(world: World) -> None:
    for number in range(2):
        world.clock.at(FAULT_AT, lambda number=number: world.kill_broker(number))
        world.clock.at(FAULT_AT + 60, lambda number=number: world.start_broker(number))


@fault("an engine is killed")
def _engine(world: World) -> None:
    world.clock.at(FAULT_AT, lambda: world.kill_engine(1))


@fault("the engine that leads is killed")
def _leader(world: World) -> None:
    world.clock.at(FAULT_AT, lambda: world.kill_engine(0))


@fault("an engine is stopped, another killed while it takes over; both are back after 60 s")
def _rebalance(world: World) -> None:
    world.clock.at(FAULT_AT, lambda: world.stop_engine(1))
    world.clock.at(FAULT_AT + 1.7, lambda: world.kill_engine(2))
    for number in (1, 2):
        world.clock.at(FAULT_AT + 60, lambda number=number: world.start_engine(number))


@fault("engines are replaced one after the other, 30 s apart")
def _rollout(world: World) -> None:
    for number in range(world.setup.engines):
        at = FAULT_AT + 30 * number
        world.clock.at(at, lambda number=number: world.stop_engine(number))
        world.clock.at(at + 5, lambda number=number: world.start_engine(number))


@fault("PostgreSQL is away for 4 s")
def _short(world: World) -> None:
    world.clock.at(FAULT_AT, world.stop_database)
    world.clock.at(FAULT_AT + 4, world.start_database)


@fault("PostgreSQL is away for 60 s")
def _database(world: World) -> None:
    world.clock.at(FAULT_AT, world.stop_database)
    world.clock.at(FAULT_AT + 60, world.start_database)


def run(name: str, setup: Setup, seconds: float = SECONDS) -> Outcome:
    world = World(setup)
    FAULTS[name](world)
    return outcome(name, world.run(seconds))


def outcome(name: str, tally: Tally) -> Outcome:
    waits = _spread(tally)
    before = [sample for sample in tally.samples if 10 < sample[0] <= FAULT_AT]
    after = [sample for sample in tally.samples if sample[0] > FAULT_AT]
    return Outcome(
        name,
        dict(tally.refused),
        *[1000 * each for each in waits],
        max(waiting for _, waiting, *_ in after),
        max(oldest for *_, oldest, _ in after),
        _until(after, 2, max(3.0, *(oldest for *_, oldest, _ in before))),
        _until(after, 3, max(2.0, *(behind for *_, behind in before))),
    )


def _until(samples: list[tuple[float, int, float, float]], which: int, bound: float) -> float | None:
    """Seconds from the failure to the last moment at which it was over the bound; None when that is the end."""
    over = [sample[0] for sample in samples if sample[which] > bound]
    if not over:
        return 0.0
    return None if over[-1] >= samples[-1][0] - 5 else over[-1] - FAULT_AT


def _spread(tally: Tally) -> tuple[float, float, float]:
    """The median, the 99th of 100, and the slowest, in seconds, by batches."""
    waits = sorted((wait, batches) for _, wait, batches in tally.waits)
    total, seen, found = sum(batches for _, batches in waits), 0, []
    wanted = [0.5 * total, 0.99 * total]
    for wait, batches in waits:
        seen += batches
        while wanted and seen >= wanted[0]:
            found.append(wait)
            wanted.pop(0)
    return found[0], found[1], waits[-1][0]


# --- how much is needed --------------------------------------------------------------------------------------------

RATES = (10_000, 50_000, 100_000, 250_000, 500_000, 1_000_000)
LOAD = 0.6
"""What a part is given to do, of what it can: the rest is for peaks, and for what a dead one leaves to others."""


def sized(rate: int, live: float = 0.0) -> Setup:
    """By arithmetic: what the simulation then has to confirm."""
    blank = Setup(rate=rate)
    costs = blank.costs
    gateways = max(2, ceil(rate / blank.batch_events * costs.batch / LOAD))
    engines = max(2, ceil(rate * costs.event_read / LOAD) + 1)
    shards = max(1, ceil(rate * (costs.event_insert + costs.insert_begin / 20_000) / LOAD))
    block_seconds = costs.block_begin + costs.block_commit + costs.insert_begin
    each = blank.block_events / (block_seconds + blank.block_events * (costs.event_read + costs.event_insert))
    partitions = max(12, 3 * engines, ceil(rate / each / LOAD))
    return replace(
        blank,
        gateways=gateways,
        engines=engines,
        shards=shards,
        partitions=min(1024, ceil(partitions / 6) * 6),
        live=live,
    )


def follows(setup: Setup, seconds: float = 60.0) -> bool:
    """Whether neither what waits nor what the leader is behind grows."""
    tally = World(setup).run(seconds)
    late = [sample for sample in tally.samples if sample[0] > seconds / 3]
    return not tally.refused and max(each[2] for each in late) < 5 and late[-1][3] < 5


def holds(setup: Setup, seconds: float = 60.0) -> bool:
    """Whether what waits to be stored does not grow, and nothing is refused; whatever the leader does."""
    tally = World(setup).run(seconds)
    return not tally.refused and max(each[2] for each in tally.samples if each[0] > seconds / 3) < 5


def most_followed(live: float, step: float = 1.1) -> int:
    """The highest rate that one leader follows, in an installation that stores it easily: events/s."""
    rate = 2_000.0
    while follows(replace(sized(int(rate)), live=live), 40.0):
        rate *= step
    return int(rate / step)


def sizing() -> Iterator[dict[str, Any]]:
    """A row a rate: what it needs, whether that holds, and after how long a killed engine is made up for."""
    for rate in RATES:
        setup = sized(rate)
        after = run("an engine is killed", setup, 180.0)
        row = asdict(setup)
        row = {name: row[name] for name in ("rate", "gateways", "partitions", "engines", "shards")}
        yield row | {"holds": holds(setup, 30.0), "p99_ms": after.p99_ms, "recovered_seconds": after.recovered_seconds}
