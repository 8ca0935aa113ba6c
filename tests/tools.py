"""What some tests use beside Python. Where it is missing they are skipped and say so; where promised, they fail."""

import os
import shutil
from collections.abc import Sequence
from typing import NoReturn, TypeVar

import pytest

T = TypeVar("T")

PROMISED = "HEADWATER_TEST_COMPLETE"
"""Set by `.ci/run` once `.ci/tools` has seen to everything."""


SHARE = "HEADWATER_TORTURE"
"""Per cent of the numbers that `make torture` takes; `.ci/run` sets it, for it has forty minutes in all."""


def often(count: int) -> int:
    """How many times a long test does what it does."""
    return max(1, count * int(os.environ.get(SHARE, "100")) // 100)


def sampled(cases: Sequence[T]) -> Sequence[T]:
    """All of them, or that share, evenly."""
    wanted = often(len(cases))
    return [cases[number * len(cases) // wanted] for number in range(wanted)]


def need(*names: str) -> str:
    """The path of the first of these commands that is there."""
    for name in names:
        if path := shutil.which(name):
            return path
    return lack(f"{names[0]} is not installed: see .ci/tools")


def lack(why: str) -> NoReturn:
    """The test cannot run here."""
    if os.environ.get(PROMISED):
        pytest.fail(why)
    pytest.skip(why)
