"""Whose turn it is: the migration lane yields to the realtime lane, and yet never starves."""

import msgspec

from headwater.events import Lane


class TurnPolicy(msgspec.Struct, frozen=True):
    """How far the migration lane yields."""

    starve_ms: int = 5_000
    """A migration lane that has waited so long gets a turn although realtime events wait."""
    live_ms: int = 5_000
    """So long after its last turn the realtime lane counts as live: its next event may come at any moment."""
    share: int = 5
    """While the realtime lane waits or is live, migration blocks are this many times smaller, so that a realtime
    event never waits for a big one."""


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One block for one lane."""

    lane: Lane
    most: int
    """Events, at most."""


def next_turn(
    policy: TurnPolicy, block_events: int, *, realtime: bool, migration: bool, idle_ms: dict[Lane, int]
) -> Turn | None:
    """The next turn, None when no lane has anything waiting.

    `realtime` and `migration` say whether something waits there; `idle_ms` is how long ago each lane's last turn was.
    """
    starved = migration and idle_ms[Lane.MIGRATION] >= policy.starve_ms
    if realtime and not starved:
        return Turn(Lane.REALTIME, block_events)
    if not migration:
        return None
    live = realtime or idle_ms[Lane.REALTIME] < policy.live_ms
    return Turn(Lane.MIGRATION, max(1, block_events // policy.share) if live else block_events)
