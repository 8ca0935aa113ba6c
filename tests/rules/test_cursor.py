"""Cursors come back as the place they were made of; anything else is refused."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import InvalidError
from headwater.rules import cursor


@dataclass(frozen=True)
class Item:
    id: str


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


def test_a_list_is_paged_by_the_ids_in_it() -> None:
    known = [Item("a"), Item("c"), Item("b")]
    first, more = cursor.page_of(known, 2, None)
    assert first == known[:2] and more == cursor.encoded("c")
    assert cursor.page_of(known, 2, more) == (known[2:], None)
    assert cursor.page_of(known, 3, None) == (known, None)
    assert cursor.page_of(known, 3, cursor.encoded("b")) == ([], None)
    with pytest.raises(InvalidError, match="cursor"):
        cursor.page_of(known, 1, cursor.encoded("d"))
