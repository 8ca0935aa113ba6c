"""Quotas: who may still send how many events of a signal in this minute."""

from collections.abc import Mapping
from typing import Protocol

from headwater.rules.quota import Grant, Want


class Quotas(Protocol):
    """Exact under concurrency: never more than the limit is granted in a window, whoever asks at once."""

    async def grant(self, wants: Mapping[str, Want], window: int, whole: bool) -> dict[str, Grant]:
        """Takes from each signal's window what fits, by signal id; with `whole`, all wants or (when one does not
        fit) nothing: then each grant tells what could have been given, and nothing is used up."""

    async def give_back(self, grants: Mapping[str, Grant], window: int) -> None:
        """Undoes a grant whose events did not become durable."""
