"""Where events go on to, and how far that is, over HTTP."""

from typing import Any, Literal

from fastapi import APIRouter, Response
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel, Field

from headwater import clock
from headwater.destinations.all import Destinations
from headwater.destinations.runner import Status
from headwater.web.asking import Threads, Workspace, errors, takes

TAG = "Questions"


class DestinationLane(BaseModel):
    """One lane of a destination."""

    lane: Literal["realtime", "migration"]
    delivered: int = Field(description="Events, since the engine began.", examples=[120431])
    behind: int = Field(
        description="Stored blocks that are not delivered; an open hour's are among them.", examples=[3]
    )


class DestinationStatus(BaseModel):
    """A destination that gets this workspace's events."""

    name: str = Field(examples=["lake"])
    kind: str = Field(examples=["parquet"])
    status: Literal["running", "failing"] = Field(description="`failing`: the last try failed; it is tried again.")
    error: str | None = Field(description="Why it failed.", examples=["OSError: No space left on device"])
    erases: bool = Field(description="Whether erased people are taken out of what it has written.")
    delivered_at: str | None = Field(description="The last delivery, since the engine began.")
    lanes: list[DestinationLane]


class DestinationList(BaseModel):
    data: list[DestinationStatus]


def router(destinations: Destinations) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()

    @routes.get(
        "/v1/destinations",
        summary="Where events go on to, and how far that is",
        response_model=DestinationList,
        responses=errors(400),
        dependencies=[takes()],
    )
    async def listed(workspace: Workspace) -> Response:
        """Those that the operator has set up for this workspace, or for all."""
        return await threads.answer(lambda: {"data": [_told(each) for each in destinations.page(workspace)]})

    return routes


def _told(status: Status) -> dict[str, Any]:
    return {
        "name": status.name,
        "kind": status.kind,
        "status": "failing" if status.failing else "running",
        "error": status.failing or None,
        "erases": status.erases,
        "delivered_at": clock.iso_or_none(status.delivered_ms),
        "lanes": [{"lane": lane, "delivered": at.delivered, "behind": at.behind} for lane, at in status.lanes.items()],
    }


class DestinationFigures(Collector):
    """How far destinations are, for Prometheus."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations

    def collect(self) -> "list[Metric]":
        by_lane = ["destination", "lane"]
        events = CounterMetricFamily("headwater_destination_events", "Events delivered.", labels=by_lane)
        behind = GaugeMetricFamily(
            "headwater_destination_behind_blocks", "Stored blocks that are not delivered.", labels=by_lane
        )
        failures = CounterMetricFamily(
            "headwater_destination_failures", "Failed tries, each made again.", labels=["destination"]
        )
        ready = GaugeMetricFamily(
            "headwater_destination_ready", "1 when the last try did not fail.", labels=["destination"]
        )
        for each in self._destinations.status():
            failures.add_metric([each.name], each.failures)
            ready.add_metric([each.name], not each.failing)
            for lane, at in each.lanes.items():
                events.add_metric([each.name, lane.value], at.delivered)
                behind.add_metric([each.name, lane.value], at.behind)
        return [events, behind, failures, ready]
