"""gzip bodies: bounded in what they inflate to, and in the work they can make."""

import asyncio
import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import UnavailableError
from headwater.web.body import Bodies, BodyRefused, inflate, read_body

MOST = 2_000_000


def _long(seed: bytes, times: int) -> bytes:
    return seed * times


PARTS = st.builds(_long, st.binary(max_size=4_000), st.integers(1, 400))


@given(parts=st.lists(PARTS, max_size=6), level=st.integers(0, 9))
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


def read(bodies: Bodies, body: bytes, pieces: int = 1, **headers: bytes) -> bytes:
    """What an application gets that reads a body which comes in pieces."""
    size = -(-len(body) // pieces)
    left = [body[at : at + size] for at in range(0, len(body), size)]

    async def receive() -> Any:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def whole() -> bytes:
        with bodies.share() as share:
            return await read_body(receive, {k.replace("_", "-").encode(): v for k, v in headers.items()}, MOST, share)

    return asyncio.run(whole())


@pytest.mark.parametrize("size", [1, 200_000, 1_500_000, MOST])
def test_gzip_large_and_small(size: int) -> None:
    bodies = Bodies(4 * MOST)
    plain = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert read(bodies, gzip.compress(plain), content_encoding=b"gzip") == plain
    assert bodies.left == 4 * MOST


@pytest.mark.parametrize("body", [bytes(MOST + 1), bytes(256 * 1024 * 1024)], ids=["one more", "256 MiB"])
def test_gzip_of_too_much(body: bytes) -> None:
    bodies = Bodies(4 * MOST)
    with pytest.raises(BodyRefused) as caught:
        read(bodies, gzip.compress(body, 1), content_encoding=b"gzip")
    assert caught.value.status == 413
    assert bodies.left == 4 * MOST


def test_all_bodies_together_are_bounded() -> None:
    bodies = Bodies(1000)
    with bodies.share() as other:
        other.take(600)
        for pieces in (1, 7):
            with pytest.raises(UnavailableError):
                read(bodies, bytes(401), pieces)
            assert bodies.left == 400
        assert read(bodies, bytes(400), 7) == bytes(400)
        with pytest.raises(UnavailableError):
            read(bodies, gzip.compress(bytes(401)), content_encoding=b"gzip")
    assert bodies.left == 1000
