"""Requests of which no step of the intake has anything to say, as most are: decided signal by signal, in one pass."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from headwater.events import Event
from headwater.rules.schema import Validator
from headwater.signals import Signal

FindValidator = Callable[[str, int], Validator]
"""Of a signal's id and a version of its schema."""


class Decided(NamedTuple):
    """What the steps would have decided."""

    signals: Sequence[Signal]
    """Each event's."""
    may_be_limited: bool
    """False when none of them has a limit."""


def decide(events: Sequence[Event], known: Mapping[str, Signal], validator: FindValidator) -> Decided | None:
    """Gives each event its signal's id and version, if each just names an active signal, asks for no version, fits, and
    measures nothing. None says nothing about any of them, and changes none. `known`: signals by their slugs."""
    groups, signals = _by_slug(events), dict[str, Signal]()
    for slug, group in groups.items():
        signal = known.get(slug)
        if signal is None or not signal.active or signal.draft or signal.value is not None:
            return None
        if not _all_fit(signal, group, validator):
            return None
        signals[slug] = signal
    for slug, signal in signals.items():
        id_, version = signal.id, signal.latest
        for event in groups[slug]:
            event.signal_id = id_
            event.schema_version = version
    return Decided(_in_order(events, signals), any(signal.rate_limit is not None for signal in signals.values()))


def _all_fit(signal: Signal, events: Sequence[Event], validator: FindValidator) -> bool:
    if {event.schema_version for event in events} != {None}:
        return False
    return signal.latest is None or validator(signal.id, signal.latest).all_ok([event.data for event in events])


def _by_slug(events: Sequence[Event]) -> Mapping[str, Sequence[Event]]:
    """The events that name each signal; most requests name one."""
    slugs = {event.signal for event in events}
    if len(slugs) == 1:
        return {slugs.pop(): events}
    found: dict[str, list[Event]] = {slug: [] for slug in slugs}
    for event in events:
        found[event.signal].append(event)
    return found


def _in_order(events: Sequence[Event], signals: Mapping[str, Signal]) -> Sequence[Signal]:
    """Each event's signal."""
    if len(signals) == 1:
        return [*signals.values()] * len(events)
    return [signals[event.signal] for event in events]
