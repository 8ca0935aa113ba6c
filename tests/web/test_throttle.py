"""How often something may be tried: by a clock of the test's own."""

import pytest

from headwater.web.onetime import LIFE_MS, OneTimeLinks
from headwater.web.throttle import Throttle, name_of


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def tried(throttle: Throttle, name: str, times: int = 1) -> list[bool]:
    """Whether it was let through, each time; what is let through counts."""
    found = []
    for _ in range(times):
        found.append(throttle.wait(name) == 0)
        if found[-1]:
            throttle.count(name)
    return found


def test_a_name_has_so_many_tries_a_minute() -> None:
    clock = Clock()
    throttle = Throttle(3, 100, clock=clock)
    assert tried(throttle, "a", 5) == [True] * 3 + [False] * 2
    assert tried(throttle, "b") == [True]
    clock.now = 59.0
    assert throttle.wait("a") == 1
    clock.now = 60.0
    assert tried(throttle, "a", 4) == [True] * 3 + [False]
    assert throttle.wait("a") == 60


def test_past_what_all_have_a_name_has_one() -> None:
    throttle = Throttle(3, 6, clock=Clock())
    assert [tried(throttle, each, 2) for each in "abc"] == [[True, True]] * 3
    assert tried(throttle, "a") == [False]
    assert tried(throttle, "d", 2) == [True, False]


def test_memory_is_bounded() -> None:
    throttle = Throttle(1, 1 << 62, known=5, clock=Clock())
    for number in range(1000):
        throttle.count(str(number))
    assert throttle.count("0") == 1001
    assert throttle.wait("4") > 0 and throttle.wait("5") == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        (None, None, True),
    ],
)
def test_one_house_has_one_name(one: str | None, other: str | None, same: bool) -> None:
    assert (name_of(one) == name_of(other)) is same


def test_a_link_lives_for_a_quarter_of_an_hour() -> None:
    links = OneTimeLinks()
    (late, link), (soon, _) = links.make("key_a", 1000), links.make("key_a", 1000)
    assert link.expires_ms == 1000 + LIFE_MS
    assert links.spend(late, 1000 + LIFE_MS) is None
    assert links.spend(soon, 999 + LIFE_MS) is not None and links.spend(soon, 1000) is None


def test_there_are_a_thousand_links_at_most() -> None:
    links = OneTimeLinks()
    tokens = [links.make(f"key_{number}", 0)[0] for number in range(1001)]
    assert links.spend(tokens[0], 0) is None
    assert all(links.spend(each, 0) for each in tokens[1:])
