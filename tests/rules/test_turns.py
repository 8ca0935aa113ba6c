"""The migration lane yields, and is not starved."""

import pytest

from headwater.events import Lane
from headwater.rules.turns import Turn, TurnPolicy, next_turn

POLICY = TurnPolicy(starve_ms=5_000, live_ms=5_000, share=5)
REALTIME, MIGRATION = Lane.REALTIME, Lane.MIGRATION


@pytest.mark.parametrize(
    ("realtime", "migration", "realtime_idle", "migration_idle", "wanted"),
    [
        (False, False, 0, 0, None),
        (False, False, 9_000, 9_000, None),
        (True, False, 0, 0, Turn(REALTIME, 1_000)),
        (True, False, 0, 9_000, Turn(REALTIME, 1_000)),
        (True, True, 0, 4_999, Turn(REALTIME, 1_000)),
        (True, True, 9_000, 0, Turn(REALTIME, 1_000)),
        (True, True, 0, 5_000, Turn(MIGRATION, 200)),
        (False, True, 0, 0, Turn(MIGRATION, 200)),
        (False, True, 4_999, 9_000, Turn(MIGRATION, 200)),
        (False, True, 5_000, 0, Turn(MIGRATION, 1_000)),
    ],
)
def test_turns(realtime: bool, migration: bool, realtime_idle: int, migration_idle: int, wanted: Turn | None) -> None:
    idle = {REALTIME: realtime_idle, MIGRATION: migration_idle}
    assert next_turn(POLICY, 1_000, realtime=realtime, migration=migration, idle_ms=idle) == wanted


def test_a_turn_is_never_empty() -> None:
    turn = next_turn(POLICY, 1, realtime=False, migration=True, idle_ms={REALTIME: 0, MIGRATION: 0})
    assert turn == Turn(MIGRATION, 1)


def test_a_busy_realtime_lane_leaves_the_migration_lane_one_small_block_in_five_seconds() -> None:
    """A minute of blocks of 100 ms each, both lanes always full."""
    last = {REALTIME: 0, MIGRATION: 0}
    events = {REALTIME: 0, MIGRATION: 0}
    for now in range(0, 60_000, 100):
        idle = {lane: now - then for lane, then in last.items()}
        turn = next_turn(POLICY, 1_000, realtime=True, migration=True, idle_ms=idle)
        assert turn is not None
        last[turn.lane] = now
        events[turn.lane] += turn.most
    assert events == {REALTIME: (600 - 11) * 1_000, MIGRATION: 11 * 200}
