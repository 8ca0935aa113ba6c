"""gzip bodies: bounded in what they inflate to, and in the work they can make."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.web.body import BodyRefused, inflate

MOST = 200_000


@given(parts=st.lists(st.binary(max_size=40_000), max_size=6), level=st.integers(0, 9))
def test_members_one_after_another(parts: list[bytes], level: int) -> None:
    whole = b"".join(parts)
    packed = b"".join(gzip.compress(part, level) for part in parts)
    if len(whole) > MOST:
        with pytest.raises(BodyRefused) as caught:
            inflate(packed, MOST)
        assert caught.value.status == 413
    else:
        assert inflate(packed, MOST) == whole


def test_exactly_the_bound_and_one_more() -> None:
    assert len(inflate(gzip.compress(bytes(MOST)), MOST)) == MOST
    with pytest.raises(BodyRefused) as caught:
        inflate(gzip.compress(bytes(MOST + 1)), MOST)
    assert caught.value.status == 413


@pytest.mark.parametrize(
    "body",
    [
        b"no gzip",
        gzip.compress(b"x" * 100)[:-1],
        gzip.compress(b"x" * 100)[:-8] + bytes(8),
        gzip.compress(b"x") + b"trailing",
        gzip.compress(b"") * 150_000,
    ],
    ids=["none", "cut", "wrong checksum", "trailing bytes", "150,000 members"],
)
def test_broken(body: bytes) -> None:
    with pytest.raises(BodyRefused) as caught:
        inflate(body, MOST)
    assert caught.value.status == 400
