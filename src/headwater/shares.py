"""What of a request its signals' limits let through: what it wants, who gets a share, and what is told of them."""

from collections.abc import Iterable, Mapping, Sequence

from headwater.dialects.base import Dialect, Fault, Limited, Limits
from headwater.events import Event
from headwater.rules.quota import Grant, Want, reset_ms
from headwater.signals import Signal


def wants_of(signals: Iterable[Signal | None]) -> dict[str, Want]:
    """What a request wants, by signal id: one for each event, and nothing of a signal without a limit."""
    wants: dict[str, Want] = {}
    for signal in signals:
        assert signal is not None
        if signal.rate_limit is None:
            continue
        want = wants.get(signal.id)
        if want is None:
            wants[signal.id] = Want(signal.rate_limit, 1)
        else:
            want.count += 1
    return wants


def share_out(
    events: Sequence[Event | None],
    places: Sequence[int],
    wants: Mapping[str, Want],
    grants: Mapping[str, Grant],
    whole: bool,
) -> tuple[Sequence[int], list[Limited]]:
    """The indexes of the events that the grants cover, first come first served within the request, and the others with
    their places in it. `whole`: all or none."""
    if not wants:
        return range(len(events)), []
    left = {signal_id: grants[signal_id].count for signal_id, want in wants.items()}
    over = {signal_id for signal_id, want in wants.items() if left[signal_id] < want.count}
    if not over:
        return range(len(events)), []
    chosen: list[int] = []
    limited: list[Limited] = []
    for index, event in enumerate(events):
        assert event is not None
        if event.signal_id in over and (whole or not left[event.signal_id]):
            limited.append(Limited(places[index], event))
        else:
            chosen.append(index)
            left[event.signal_id] = left.get(event.signal_id, 0) - 1
    return ([] if whole else chosen), limited


def limits_of(wants: Mapping[str, Want], grants: Mapping[str, Grant], window: int) -> Limits:
    """What the answer's headers tell. There is one want at least."""
    return Limits(
        max(want.limit for want in wants.values()),
        min(grant.remaining for grant in grants.values()),
        reset_ms(window),
    )


def left_out(dialect: Dialect, faults: list[Fault], limited: list[Limited]) -> list[Fault]:
    """What a lenient answer tells of: the faults, and what was over a limit where the dialect has no list for that."""
    if dialect.limits_whole:
        over = [Fault(each.index, (), "rate_limited", "is over the rate limit of its signal") for each in limited]
        faults = sorted(faults + over, key=lambda fault: fault.index)
    return faults
