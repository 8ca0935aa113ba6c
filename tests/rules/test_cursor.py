"""Cursors come back as the place they were made of; anything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import InvalidError
from headwater.rules import cursor


@given(st.text())
def test_a_place_comes_back(place: str) -> None:
    made = cursor.encoded(place)
    assert made.isascii() and not set(made) & set("+/=&?# ")
    assert cursor.decoded(made) == place


def test_none_is_the_beginning() -> None:
    assert cursor.decoded(None) == "" and cursor.numbered(None) is None
    assert cursor.numbered(cursor.encoded("17")) == 17


@pytest.mark.parametrize("text", ["é", "a", "****", "_w", "a b="])
def test_what_was_never_given_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="cursor"):
        cursor.decoded(text)


@pytest.mark.parametrize("place", ["x", "-1", "1" * 19, "1.0", "²", "٣"])
def test_a_number_is_digits(place: str) -> None:
    with pytest.raises(InvalidError, match="cursor"):
        cursor.numbered(cursor.encoded(place))
