"""Events as they are written, and what is no event."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater_client import ON_RECEIPT, EventError, bik, signal
from headwater_client.events import restored

ACCOUNT = ("account", "1")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class Colour(Enum):
    RED = "red"


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_data_arrive_as_they_were_on_one_line(data: dict[str, Any]) -> None:
    made = signal("visits", ACCOUNT, data, reference="r")
    assert made.fields["data"] == json.loads(json.dumps(data)) and b"\n" not in made.body
    assert restored("bigmind", made.body) == made


def test_a_signal_has_a_time_and_a_reference_of_its_own() -> None:
    first, second = signal("visits", ACCOUNT), signal("visits", ACCOUNT)
    assert first.reference and first.reference != second.reference
    when = datetime.fromisoformat(first.fields["timestamp"])
    assert abs(datetime.now(UTC) - when) < timedelta(minutes=5)
    assert list(first.fields) == ["signal", "identity", "timestamp", "reference"]
    assert "timestamp" not in signal("visits", ACCOUNT, timestamp=ON_RECEIPT).fields


def test_times_are_utc() -> None:
    naive = datetime(2026, 1, 2, 3, 4, 5)
    there = datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    for moment in (naive, there, "2026-01-02T03:04:05.000+00:00"):
        assert signal("v", ACCOUNT, timestamp=moment).fields["timestamp"] == "2026-01-02T03:04:05.000+00:00"


def test_a_bik_event_has_the_vendors_fields() -> None:
    made = bik("addToCart", {"productId": "p"}, email="a@b.c", phone_number="+1", name="Ann", is_migration=True)
    assert set(made.fields) == {
        *("eventName", "eventProperties", "email", "phoneNumber", "name", "createdAt", "isMigration")
    }
    assert "isMigration" not in bik("pageViewed", email="a@b.c").fields
    assert restored("bik", made.body) == made


def test_what_python_has_and_json_has_not() -> None:
    data = {"a": Decimal("9.99"), "b": Decimal(3), "c": UUID(int=1), "d": date(2026, 1, 2), "e": Colour.RED, "f": {1}}
    assert signal("v", ACCOUNT, data).fields["data"] == {
        "a": 9.99,
        "b": 3,
        "c": "00000000-0000-0000-0000-000000000001",
        "d": "2026-01-02",
        "e": "red",
        "f": [1],
    }


SECRET = "s3cret-of-somebody"


def circle() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["self"] = made
    return made


@pytest.mark.parametrize(
    "build",
    [
        lambda: signal("", ACCOUNT),
        lambda: signal("v", ("account", "")),
        lambda: signal("v", SECRET),  # type: ignore[arg-type]
        lambda: signal("v", ACCOUNT, [SECRET]),  # type: ignore[arg-type]
        lambda: signal("v", ACCOUNT, {"x": float("nan"), "y": SECRET}),
        lambda: signal("v", ACCOUNT, {"x": Decimal("inf"), "y": SECRET}),
        lambda: signal("v", ACCOUNT, {"x": object(), "y": SECRET}),
        lambda: signal("v", ACCOUNT, {("x", SECRET): 1}),
        lambda: signal("v", ACCOUNT, {"x": "\ud800" + SECRET}),
        lambda: signal("v", ACCOUNT, circle()),
        lambda: signal("v", ACCOUNT, {"x": 10**5000}),
        lambda: signal("v", ACCOUNT, timestamp=5),  # type: ignore[arg-type]
        lambda: bik("addToCart", {"x": SECRET}),
    ],
)
def test_what_cannot_be_sent_is_told_at_once_and_not_shown(build: Any) -> None:
    with pytest.raises(EventError) as caught:
        build()
    assert SECRET not in str(caught.value)


def test_nothing_of_its_content_is_in_its_repr() -> None:
    made = signal("v", ("account", SECRET), {SECRET: SECRET}, reference=SECRET)
    assert SECRET not in repr(made) and "v" in repr(made)
