"""The short way (msgspec) and the long way (field by field) of a dialect must agree on every body."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.dialects import bigmind, bik
from headwater.dialects.base import BodyError

_junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.just(10**30),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
_dates = st.sampled_from(["2026-11-22T04:05:06Z", "2026-11-22", "2026-02-30", "", "now", "2024-01-01T00:00:00+05:30"])


def _object(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Mostly good values, sometimes junk, sometimes absent; sometimes a field nobody knows."""
    good = {name: st.one_of(values, values, values, _junk) for name, values in fields.items()}
    return st.fixed_dictionaries({}, optional=good | {"extra": _junk, "Name": st.just("x"), "note": _junk})


_bik_event = _object(
    {
        "name": st.text(max_size=4),
        "email": st.sampled_from(["A@b.test", " a@b.c ", "", " ", "none", "a@b@c"]),
        "phoneNumber": st.sampled_from(["+19494572000", "", "12", "+1 949 457 2000", "0091"]),
        "eventName": st.sampled_from(["ordered", "x", ""]),
        "eventProperties": st.dictionaries(st.text(max_size=4), _junk, max_size=3),
        "createdAt": _dates,
        "isMigration": st.booleans(),
    }
)
_bigmind_event = _object(
    {
        "signal": st.sampled_from(["a", "b-c", ""]),
        "version": st.sampled_from([1, 2, "latest", 0, "1", 1.0, True]),
        "identity": st.fixed_dictionaries(
            {"id": st.sampled_from(["1", "", "a@B.test", "x" * 2000, "+19494572000"])},
            optional={"type": st.sampled_from(["account", "email", "phone", "a:b", "", "y" * 200])},
        ),
        "data": st.dictionaries(st.text(max_size=4), _junk, max_size=3),
        "timestamp": _dates,
        "reference": st.text(max_size=4),
    }
)


def _bodies(event: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    events = st.lists(st.one_of(event, event, event, _junk), max_size=3)
    return st.one_of(st.fixed_dictionaries({"events": events}), st.fixed_dictionaries({"event": event}), event, _junk)


def _outcome(read: Any, body: bytes, single: bool) -> Any:
    try:
        request = read(body, single, None)
    except BodyError as error:
        return error.message
    return request.events, request.migrating, request.faults, request.prefix if request.faults else None


@given(body=_bodies(_bik_event), single=st.booleans())
def test_bik(body: Any, single: bool) -> None:
    raw = json.dumps(body).encode()
    assert _outcome(bik.Bik().decode, raw, single) == _outcome(bik._read, raw, single)


@given(body=_bodies(_bigmind_event), single=st.booleans())
def test_bigmind(body: Any, single: bool) -> None:
    raw = json.dumps(body).encode()
    assert _outcome(bigmind.Bigmind().decode, raw, single) == _outcome(bigmind._read, raw, single)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("isMigrtion", "isMigration"),
        ("ismigration", "isMigration"),
        ("is_migration", "isMigration"),
        ("created_at", "createdAt"),
        ("emial", "email"),
        ("Email", "email"),
        ("evnetName", "eventName"),
        ("phonenumber", "phoneNumber"),
        ("page", None),
        ("note", None),
        ("source", None),
        ("phone", None),
    ],
)
def test_near_miss(key: str, meant: str | None) -> None:
    assert bik.near_miss(key) == meant
