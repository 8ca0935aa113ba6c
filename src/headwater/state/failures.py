"""SQLite that does not do what it is asked: a full disk, a broken one, a file that somebody else holds."""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from headwater.errors import CorruptionError, UnavailableError


@contextmanager
def told(what: str) -> Iterator[None]:
    """SQLite's errors as headwater's, where people's requests meet them."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise CorruptionError(f"{what}: the file is damaged: {error}") from error
    except apsw.Error as error:
        raise UnavailableError(f"{what}: the file cannot be used now: {error}") from error
