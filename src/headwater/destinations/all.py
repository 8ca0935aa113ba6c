"""All destinations of an engine."""

import threading
from collections.abc import Callable, Collection, Sequence

from headwater.destinations.declared import Made
from headwater.destinations.runner import Followed, Runner, Status
from headwater.state.positions import Positions


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

    def erase(self, workspace: str, keys: Collection[str], until_ms: int) -> bool:
        """Whether people (`type:id`) are gone from all that can take them out; asked again until then."""
        gone = [each.erase(workspace, keys, until_ms) for each in self._runners]
        return all(gone)
