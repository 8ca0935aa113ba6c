"""Which rejected events are meant, and which lane takes one that is replayed."""

from uuid import uuid4

import pytest

from headwater.config import Windows
from headwater.errors import InvalidError
from headwater.events import Lane
from headwater.outcomes import Reason
from headwater.rules.lane import place_again
from headwater.rules.refused import MOST_IDS, Refused, parse_refused

NOW = 1_790_000_000_000
WINDOWS = Windows()
PAST, FUTURE = WINDOWS.past_ms, WINDOWS.future_ms


def test_all_of_them_when_nothing_is_said() -> None:
    assert parse_refused({}) == Refused()
    assert Refused().parameters()["ids"] == []


def test_every_name_narrows() -> None:
    id_ = str(uuid4())
    asked = {"reason": "schema_violation", "signal": "s", "backfill": "bf_1", "from": "2026-01-01", "to": "2026-01-02"}
    found = parse_refused(asked, [id_.upper()])
    assert found == Refused(
        Reason.SCHEMA_VIOLATION, "s", "bf_1", (id_,), 1_767_225_600_000, 1_767_225_600_000 + 86_400_000
    )


@pytest.mark.parametrize(
    ("asked", "ids", "path"),
    [
        ({"reason": "schema"}, [], "reason"),
        ({"reason": ""}, [], "reason"),
        ({"signal": ""}, [], "signal"),
        ({"backfill": ""}, [], "backfill"),
        ({"signal": "\ud800"}, [], "signal"),
        ({"backfill": "a\udfff"}, [], "backfill"),
        ({"from": "yesterday"}, [], "from"),
        ({}, ["x"], "ids[0]"),
        ({}, [str(uuid4()), ""], "ids[1]"),
        ({}, [str(uuid4())] * (MOST_IDS + 1), "ids"),
    ],
)
def test_what_cannot_be_is_named(asked: dict[str, str], ids: list[str], path: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_refused(asked, ids)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("occurred", "asked", "old_migrates", "lane", "reason"),
    [
        (NOW, None, False, Lane.REALTIME, None),
        (NOW - PAST, None, False, Lane.REALTIME, None),
        (NOW - PAST - 1, None, False, Lane.MIGRATION, None),
        (NOW + FUTURE, None, True, Lane.REALTIME, None),
        (NOW + FUTURE + 1, None, True, Lane.MIGRATION, None),
        (NOW, Lane.MIGRATION, False, Lane.MIGRATION, None),
        (NOW - 10 * PAST, Lane.MIGRATION, True, Lane.MIGRATION, None),
        (NOW, Lane.REALTIME, False, Lane.REALTIME, None),
        (NOW - PAST - 1, Lane.REALTIME, False, Lane.REALTIME, Reason.OUTSIDE_REALTIME_WINDOW),
        (NOW - PAST - 1, Lane.REALTIME, True, Lane.REALTIME, Reason.OUTSIDE_REALTIME_WINDOW),
        (NOW + FUTURE + 1, Lane.REALTIME, False, Lane.REALTIME, Reason.OUTSIDE_REALTIME_WINDOW),
        (NOW + FUTURE + 1, Lane.REALTIME, True, Lane.REALTIME, Reason.TIMESTAMP_IN_FUTURE),
    ],
)
def test_the_lane_that_takes_it_now(
    occurred: int, asked: Lane | None, old_migrates: bool, lane: Lane, reason: Reason | None
) -> None:
    assert place_again(WINDOWS, occurred, NOW, asked, old_migrates) == (lane, reason)
