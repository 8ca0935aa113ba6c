"""Quotas: who may still send how many events of a signal in this minute."""

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from headwater.rules.quota import Grant, Want


class Status(msgspec.Struct, frozen=True):
    """How it stands with whoever counts, and what that meant since the start."""

    away: str = ""
    """Why it could not be asked the last time; empty when it could."""
    refused: int = 0
    """Requests refused because of that."""
    unchecked: int = 0
    """Events granted without a count."""
    restored: int = 0
    """Windows that it had forgotten."""


class Quotas(Protocol):
    """Exact under concurrency: never more than the limit is granted in a window, whoever asks at once."""

    def window(self, now_ms: int) -> int:
        """The window that counts now: whole UTC minutes since 1970. It does not go back with a clock that is set back
        a little, for then a minute's quota could be had twice."""

    async def grant(self, wants: Mapping[str, Want], window: int, whole: bool) -> dict[str, Grant]:
        """Takes from each signal's window what fits, by signal id; with `whole`, all wants or (when one does not
        fit) nothing: then each grant tells what could have been given, and nothing is used up."""

    async def used(self, signal_ids: Iterable[str], window: int) -> dict[str, int]:
        """Events granted in the window so far, by signal id: 0 for a signal of which none was."""

    async def give_back(self, grants: Mapping[str, Grant], window: int) -> None:
        """Undoes a grant whose events did not become durable."""

    def status(self) -> Status: ...
