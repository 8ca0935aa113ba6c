"""What some tests use beside Python. Where it is missing they are skipped and say so; where promised, they fail."""

import os
import shutil
from typing import NoReturn

import pytest

PROMISED = "HEADWATER_TEST_COMPLETE"
"""Set by `.ci/run` once `.ci/tools` has seen to everything."""


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
