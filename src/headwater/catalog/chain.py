"""The audit's chain: each row's hash covers the row and the hash before it, so that none can be changed or left out.

    hash(n) = HMAC-SHA256(secret, hash(n - 1) || JSON of row n)       beside the row
    seal(n) = HMAC-SHA256(secret, seal(n - 1) || hash(n))             in a table of its own, only the newest is kept
    seal(0) = HMAC-SHA256(secret, "begin")                            so that "there was never a row" is no free word

The hashes alone would not tell that the last rows were cut off. The seal does, and it never heals: it is carried on
from what is stored, so that a row written after the cut does not make up for those that are gone. Who has the secret
and the file can still forge both; so can whoever puts back a whole older file, or sets the file's version back to one
before the chain: the next start then chains what it finds.
"""

import hmac
from collections.abc import Iterable, Sequence

import msgspec

Row = tuple[int, str, str, str, str, str, int, str | None]
"""Id, workspace, actor, action, target, detail as its JSON text, moment in ms, address: as the table has them."""

BEGIN = b""
"""What stands for the hash before the first one."""


def hash_of(secret: bytes, previous: bytes, row: Row) -> bytes:
    """32 bytes."""
    return hmac.digest(secret, previous + msgspec.json.encode(row), "sha256")


def begun(secret: bytes) -> bytes:
    """The seal before the first row, 32 bytes."""
    return hmac.digest(secret, b"begin", "sha256")


def seal_of(secret: bytes, previous: bytes, hash: bytes) -> bytes:
    """32 bytes."""
    return hmac.digest(secret, previous + hash, "sha256")


def examine(secret: bytes, rows: Iterable[tuple[Row, bytes]], given: int, seal: bytes) -> tuple[int, list[str]]:
    """How many rows there are, and what is wrong with them; `rows` in the order of their ids, each with its hash.

    `given`: the highest id that was ever given; `seal`: the one that is kept. Goes on behind a fault with the hash that
    is stored, so that one changed row is told as one.
    """
    found: list[str] = []
    known, sealed, last, count = BEGIN, begun(secret), 0, 0
    for row, stored in rows:
        if row[0] != last + 1:
            found.append(_gap(last + 1, row[0] - 1))
        elif not hmac.compare_digest(hash_of(secret, known, row), stored):
            found.append(f"row {row[0]} ({row[3]} of {row[4]}) is not what was written, or not where it was written")
        known, last, sealed, count = stored, row[0], seal_of(secret, sealed, stored), count + 1
    if last < given:
        found.append(_gap(last + 1, given))
    elif not found and not hmac.compare_digest(sealed, seal):
        found.append(f"the seal is not that of these {count} rows: others were there, and are gone")
    return count, found


def _gap(first: int, last: int) -> str:
    return f"row {first} is gone" if first == last else f"rows {first} to {last} are gone"


def row_of(values: Sequence[object]) -> Row:
    """A row of the table as it was read."""
    row: Row = msgspec.convert(values, Row)
    return row
