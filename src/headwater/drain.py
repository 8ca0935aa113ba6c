"""The log as an erasure sees it: first all of it has to be stored, in the end none of it may be left."""

from typing import Any, Protocol

from headwater.log.base import Reader
from headwater.pipeline import Pipeline
from headwater.state.base import State

Place = Any
"""A point in the log, as JSON: what it holds is the drain's own."""


class Drain(Protocol):
    def end(self) -> Place:
        """How far the log is durable."""

    def stored(self, place: Place) -> bool:
        """Whether all of the log before a place is in the store, and everybody has heard of it. Sees to it that what
        has nothing to store there gets there, too."""

    def trimmed(self, place: Place) -> bool:
        """Whether the log has nothing any more from before a place. Sees to it, so it is called again until then."""


class LogDrain:
    """`Drain` of one log and its pipeline; a place is a position."""

    def __init__(self, reader: Reader, state: State, pipeline: Pipeline) -> None:
        self._reader = reader
        self._state = state
        self._pipeline = pipeline

    def end(self) -> Place:
        return self._reader.durable()

    def stored(self, place: Place) -> bool:
        if self._is_stored(place):
            self._pipeline.between(lambda: None)
            return True
        self._pipeline.between(self._pipeline.pass_over)
        return self._is_stored(place)

    def trimmed(self, place: Place) -> bool:
        self._reader.want(place)
        self._pipeline.between(self._pipeline.pass_over)
        segments = self._reader.survey().segments
        return not segments or segments[0].base >= place

    def _is_stored(self, place: Place) -> bool:
        return all(cursor.position >= place for cursor in self._state.cursors().values())
