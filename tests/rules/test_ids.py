"""Ids and keys: their form, their checksum, and what is kept of a key."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.rules.ids import ALPHABET, key_digest, key_is_wellformed, new_id, new_key

SECRET = b"s" * 32


def test_an_id_is_its_kind_and_eight_base62_characters() -> None:
    ids = {new_id("sig") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"sig_[0-9A-Za-z]{8}", each) for each in ids)


def test_a_new_key_is_wellformed() -> None:
    keys = [new_key() for _ in range(1000)]
    assert len(set(keys)) == 1000
    assert all(re.fullmatch(r"sk_[0-9A-Za-z]{38}", key) and key_is_wellformed(key) for key in keys)


@given(st.integers(0, 40), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(place: int, character: str) -> None:
    key = new_key()
    changed = key[:place] + character + key[place + 1 :]
    assert key_is_wellformed(changed) == (changed == key)


@given(st.integers(3, 39))
def test_two_swapped_characters_are_noticed(place: int) -> None:
    key = new_key()
    swapped = key[:place] + key[place + 1] + key[place] + key[place + 2 :]
    assert key_is_wellformed(swapped) == (swapped == key)


@pytest.mark.parametrize("text", ["", "sk_", "sk_your_api_key_here", "sk_" + "ä" * 38, "sk_" + "\ud800" * 38, "x" * 41])
def test_what_is_no_key_is_no_key(text: str) -> None:
    assert not key_is_wellformed(text)


@given(st.text(max_size=60))
def test_any_text_can_be_asked_about(text: str) -> None:
    assert not key_is_wellformed(text)


def test_a_digest_needs_the_secret() -> None:
    key = new_key()
    assert key_digest(SECRET, key) == key_digest(SECRET, key)
    assert len(key_digest(SECRET, key)) == 32
    assert key_digest(SECRET, key) != key_digest(b"t" * 32, key)
    assert key_digest(SECRET, key) != key_digest(SECRET, new_key())
