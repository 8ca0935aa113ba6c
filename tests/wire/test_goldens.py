"""Every request, response, error, header and table row of the documents, over a real socket; and what our own guides
say of the other dialects."""

from pathlib import Path

import pytest

from wire.client import Client
from wire.goldens import Case, load
from wire.scene import Scene

HERE = Path(__file__).parent
FOLDERS = ("bik", "bigmind", "segment", "cloudevents")
CASES = [(folder, case) for folder in FOLDERS for case in load(HERE / folder)]


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[f"{folder}: {case.name}" for folder, case in CASES])
def test_golden(case: Case, client: Client) -> None:
    Scene(client, case).play()


def test_names_are_unique() -> None:
    names = [(folder, case.name) for folder, case in CASES]
    assert len(names) == len(set(names))
