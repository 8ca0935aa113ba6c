"""Cohorts, decided from a definition's JSON and lists of events, at a moment."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from truth.measures import aggregate, attribute, ms_of, recent, state
from truth.values import at_path, compares, filtered, number, passes
from truth.world import Happening, World

Json = Mapping[str, Any]
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
OPS = ("=", "!=", "<", "<=", ">", ">=", "in", "contains", "exists", "is")


@dataclass(frozen=True)
class Finding:
    """One condition about one profile."""

    condition: Json
    holds: bool
    observed: Any


def members(world: World, definition: Json, now: int) -> set[frozenset[str]]:
    """The profiles that belong."""
    return {
        profile for profile in world.subjects(definition["subject"]) if holds(world, definition["where"], profile, now)
    }


def belongs(world: World, definition: Json, profile: frozenset[str], now: int) -> bool:
    """Whether this profile does."""
    return profile in world.subjects(definition["subject"]) and holds(world, definition["where"], profile, now)


def holds(world: World, where: Json, profile: frozenset[str], now: int) -> bool:
    if "all" in where:
        return all(holds(world, part, profile, now) for part in where["all"])
    if "any" in where:
        return any(holds(world, part, profile, now) for part in where["any"])
    if "not" in where:
        return not holds(world, where["not"], profile, now)
    return all(finding.holds for finding in look(world, where, profile, now))


def findings(world: World, where: Json, profile: frozenset[str], now: int) -> list[Finding]:
    """Every condition, from left to right."""
    return [finding for leaf in leaves(where) for finding in look(world, leaf, profile, now)]


def leaves(where: Json) -> Iterator[Json]:
    for key in ("all", "any"):
        if key in where:
            for part in where[key]:
                yield from leaves(part)
            return
    if "not" in where:
        yield from leaves(where["not"])
    else:
        yield where


def look(world: World, leaf: Json, profile: frozenset[str], now: int) -> list[Finding]:
    """One condition: one finding, or one for each measure asked for."""
    events = world.histories[profile]
    if "performed" in leaf:
        return list(_performed(leaf, events, now))
    if "sequence" in leaf:
        got = furthest(leaf, events, now)
        return [Finding(leaf, got == len(leaf["sequence"]), got)]
    tests = {op: leaf[op] for op in OPS if op in leaf}
    if "metric" in leaf:
        value = recent(world, leaf["metric"], events, leaf.get("periods", 1), now)
        return [Finding(leaf, compares(value, tests), value)]
    if "state" in leaf:
        found = state(world, leaf["state"], events)
        observed = found[0] if found else None
    else:
        observed = attribute(leaf["attribute"], events)
    return [Finding(leaf, passes(observed, tests), observed)]


def _performed(leaf: Json, events: Sequence[Happening], now: int) -> Iterator[Finding]:
    mine = _chosen(leaf, leaf, events, now)
    measures = [name for name in ("count", "sum", "avg") if name in leaf]
    if not measures:
        yield Finding(leaf, bool(mine), Fraction(len(mine)))
    for name in measures:
        bounds = {op: bound for op, bound in leaf[name].items() if op != "of"}
        values = [] if name == "count" else [number(at_path(one.data, leaf[name]["of"])) for one in mine]
        value = aggregate(name, len(mine), [each for each in values if each is not None])
        yield Finding(leaf, compares(value, bounds), value)


def furthest(leaf: Json, events: Sequence[Happening], now: int) -> int:
    """How many steps of a sequence were made: each strictly later than the one before, at most `gap` later."""
    gap = seconds(leaf["gap"]) * 1000 if "gap" in leaf else None
    reached: set[int] | None = None
    for done, step in enumerate(leaf["sequence"]):
        times = {one.at for one in _chosen(step, leaf, events, now)}
        if reached is not None:
            times = {t for t in times if any(before < t and (gap is None or t <= before + gap) for before in reached)}
        if not times:
            return done
        reached = times
    return len(leaf["sequence"])


def _chosen(step: Json, window: Json, events: Sequence[Happening], now: int) -> list[Happening]:
    return [
        one
        for one in events
        if one.signal == step["performed"]
        and inside(window, one.at, now)
        and filtered(one.data, step.get("filter", {}))
    ]


def inside(leaf: Json, at: int, now: int) -> bool:
    if "within" in leaf:
        return bool(now - seconds(leaf["within"]) * 1000 < at <= now)
    if "between" in leaf:
        first, end = (ms_of(datetime.fromisoformat(day).replace(tzinfo=UTC)) for day in leaf["between"])
        return first <= at < end
    return True


def seconds(duration: str) -> int:
    found = re.fullmatch(r"(\d+)([smhdw])", duration)
    assert found, duration
    return int(found[1]) * UNITS[found[2]]
