"""All destinations of an engine."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from headwater.destinations.base import DeliveryError
from headwater.destinations.declared import Made
from headwater.destinations.runner import Followed, Runner, Status, words
from headwater.state.positions import Positions

Reached = Mapping[str, Mapping[str, Any] | None]
"""How far an erasure is, by the names of destinations: `base.ErasingInPieces`; None where people are gone."""


class Destinations:
    def __init__(self, made: Sequence[Made], positions: Positions, followed: Followed) -> None:
        self._runners = [Runner(each.declared, each.destination, positions, followed) for each in made]

    def workers(self) -> list[tuple[str, Callable[[threading.Event], None]]]:
        """Names, and what threads of them run until it is set."""
        return [(f"destination-{each.status().name}", each.run) for each in self._runners]

    def status(self) -> list[Status]:
        return [each.status() for each in self._runners]

    def page(self, workspace: str) -> list[Status]:
        """Those that get events of a workspace."""
        return [each for each in self.status() if each.workspace in ("", workspace)]

    def erase(self, workspace: str, keys: Collection[str], until_ms: int, reached: Reached) -> Reached:
        """Takes people (`type:id`) out of a piece of whatever can take them out; asked again, with what it gave, until
        they are gone from each. Raises DeliveryError when one of them failed, once none of the others got on."""
        before = {each.status().name: reached.get(each.status().name, {}) for each in self._runners}
        after, failed = {**before}, None
        for runner, (name, at) in zip(self._runners, before.items(), strict=True):
            if at is not None:
                try:
                    after[name] = runner.erase(workspace, keys, until_ms, at)
                except Exception as error:
                    failed = name, error
        if failed is not None and after == before:
            raise DeliveryError(
                f"destination {failed[0]}: {words(failed[1])}"
            ) from None  # a plug-in's own words may quote an event
        return after
