"""When deliveries are tried again, with the time passed in."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from headwater.clock import DAY_MS, HOUR_MS, MINUTE_MS
from headwater.rules.retries import JITTER, LAST_MS, LONGEST_PAUSE_MS, next_attempt, pause_ms, retry_after, schedule

NOW = 1_800_000_000_000


def test_a_day_of_attempts() -> None:
    at = list(schedule())
    assert at[:5] == [0, 5_000, 20_000, 65_000, 200_000]
    assert at[-1] == DAY_MS and 12 <= len(at) <= 16
    pauses = [after - before for before, after in itertools.pairwise(at)]
    assert max(pauses) == LONGEST_PAUSE_MS and pauses[:-1] == sorted(pauses[:-1])


@given(st.integers(1, 1000), st.integers(0, 2 * DAY_MS), st.floats(0, 1), st.integers(0, 3 * DAY_MS))
def test_the_next_one_is_later_and_never_behind_the_last(attempts: int, past: int, draw: float, asked: int) -> None:
    found = next_attempt(NOW - past, attempts, NOW, draw, asked)
    if past >= LAST_MS:
        assert found is None
        return
    assert found is not None and NOW < found <= NOW - past + LAST_MS
    if found < NOW - past + LAST_MS:
        assert found - NOW >= asked
        assert found - NOW <= max(asked, pause_ms(attempts) * (1 + JITTER))


def test_what_a_receiver_asks_for() -> None:
    assert retry_after("120", NOW) == 2 * MINUTE_MS
    assert retry_after("Fri, 15 Jan 2027 09:00:00 GMT", NOW) == HOUR_MS
    assert retry_after("Fri, 15 Jan 2027 07:00:00 GMT", NOW) == 0
    for text in (None, "", "soon", "-5", "١٢", "1.5", "Fri, 99 Jan 2027 09:00:00 GMT"):
        assert retry_after(text, NOW) == 0
    assert retry_after("9" * 400, NOW) >= DAY_MS
