"""Metrics, states and attributes, from lists of events."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from truth.values import at_path, canonical, greatest
from truth.world import Happening, World

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day_of(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def ms_of(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def period_start(ms: int, period: str, steps: int = 0) -> int:
    """When the UTC period of a moment began, or the one that many periods later."""
    moment = day_of(ms).replace(minute=0, second=0, microsecond=0)
    if period == "hour":
        return ms_of(moment + timedelta(hours=steps))
    moment = moment.replace(hour=0)
    if period == "day":
        return ms_of(moment + timedelta(days=steps))
    if period == "week":
        return ms_of(moment + timedelta(days=7 * steps - moment.weekday()))
    months = moment.year * 12 + moment.month - 1 + steps
    return ms_of(moment.replace(year=months // 12, month=months % 12 + 1, day=1))


def aggregate(aggregation: str, count: int, numbers: list[Fraction]) -> Fraction | None:
    """None for an average, a minimum or a maximum of nothing."""
    match aggregation:
        case "count":
            return Fraction(count)
        case "sum":
            return sum(numbers, Fraction())
    if not numbers:
        return None
    return {"min": min(numbers), "max": max(numbers), "avg": sum(numbers, Fraction()) / len(numbers)}[aggregation]


def measure(world: World, slug: str, events: Iterable[Happening]) -> Fraction | None:
    """A metric over all of these events that are of its signal."""
    mine = [one for one in events if one.signal == slug]
    numbers = [value for one in mine if (value := world.measured(one)) is not None]
    return aggregate(world.signals[slug].aggregation, len(mine), numbers)


def buckets(world: World, slug: str, profile: frozenset[str] | None = None) -> dict[int, Fraction]:
    """A metric by the start of its period (ms): a profile's, or everybody's."""
    events = world.processed if profile is None else world.histories[profile]
    by_start: dict[int, list[Happening]] = {}
    for one in events:
        if one.signal == slug:
            by_start.setdefault(period_start(one.at, world.signals[slug].period), []).append(one)
    found = {start: measure(world, slug, mine) for start, mine in by_start.items()}
    return {start: value for start, value in found.items() if value is not None}


def recent(world: World, slug: str, events: Iterable[Happening], periods: int, now: int) -> Fraction | None:
    """A metric over its last periods, the running one included."""
    period = world.signals[slug].period
    first, end = period_start(now, period, 1 - periods), period_start(now, period, 1)
    return measure(world, slug, [one for one in events if first <= one.at < end])


def newest(values: Iterable[tuple[int, Any]]) -> Any:
    """Of (time, value) the newest value, None when there is none; of several as new the greatest."""
    there = [(at, value) for at, value in values if value is not None]
    last = max((at for at, _ in there), default=0)
    return greatest([value for at, value in there if at == last]) if there else None


def state(world: World, slug: str, events: Iterable[Happening]) -> tuple[Any, int, str] | None:
    """The value, since when (ms), and the id of the event that said so."""
    path = world.signals[slug].value
    mine = [one for one in events if one.signal == slug]
    if not mine:
        return None
    value = newest((one.at, at_path(one.data, path)) for one in mine)
    since = max(one.at for one in mine)
    ids = [one.id for one in mine if one.at == since and canonical(at_path(one.data, path)) == canonical(value)]
    return value, since, min(ids)


def attribute(name: str, events: Iterable[Happening]) -> Any:
    """None when there is none."""
    if name == "name":
        return newest((one.at, one.name) for one in events)
    return newest((one.at, one.data.get(name)) for one in events if one.signal == "customerCreated")


def attributes(events: Iterable[Happening]) -> dict[str, Any]:
    events = list(events)
    names = {key for one in events if one.signal == "customerCreated" for key in one.data}
    return {key: value for key in sorted(names) if (value := attribute(key, events)) is not None}
