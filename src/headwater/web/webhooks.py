"""Webhooks over HTTP. Questions need the scope `read`, changes the scope `admin`."""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response

from headwater.rules.filters import DEFAULT_LIMIT
from headwater.web.asking import MAY_CHANGE, NO_CONTENT, Threads, Workspace, errors, takes
from headwater.web.parameters import Cursor, Limit
from headwater.web.webhook_models import (
    DeliveryAnswer,
    DeliveryDetail,
    DeliveryPage,
    ReplayBody,
    Replayed,
    ResumeBody,
    RotateBody,
    WebhookAnswer,
    WebhookBody,
    WebhookMade,
    WebhookPage,
    WebhookPatch,
)
from headwater.webhooks.endpoints import Endpoints

TAG = "Webhooks"

Id = Annotated[str, Path(description="`wh_…`")]
MessageId = Annotated[str, Path(description="`msg_…`: the header `webhook-id`.")]
Status = Annotated[
    Literal["pending", "delivered", "failed", "erased"] | None, Query(description="Only those in this state.")
]


def router(endpoints: Endpoints) -> APIRouter:
    """The routes. Errors are raised as exceptions: see `web.problems`."""
    routes = APIRouter(tags=[TAG])
    threads = Threads()
    _lasting(routes, endpoints, threads)
    _turned(routes, endpoints, threads)
    _delivered(routes, endpoints, threads)
    return routes


def _lasting(routes: APIRouter, endpoints: Endpoints, threads: Threads) -> None:
    """Made, listed, shown, changed, deleted."""

    @routes.post(
        "/v1/webhooks",
        summary="Create a webhook",
        status_code=201,
        response_model=WebhookMade,
        responses=errors(400, 409, 413),
        dependencies=[MAY_CHANGE],
    )
    async def create(workspace: Workspace, body: WebhookBody) -> Response:
        """It is told what happens from now on. The answer has the secret that its deliveries are signed with, this once
        alone."""
        make = partial(endpoints.create, workspace, body.url, body.events, body.cohorts, body.description)
        return await threads.change(make, "webhook.create", lambda made: made.id, 201)

    @routes.get(
        "/v1/webhooks",
        summary="List webhooks",
        response_model=WebhookPage,
        responses=errors(400),
        dependencies=[takes("limit", "cursor")],
    )
    async def list_(workspace: Workspace, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
        """Oldest first."""
        return await threads.answer(lambda: endpoints.list(workspace, limit, cursor))

    @routes.get("/v1/webhooks/{id}", summary="Show a webhook", response_model=WebhookAnswer, responses=errors(404))
    async def show(workspace: Workspace, id: Id) -> Response:
        """Whether it works, and since when not."""
        return await threads.answer(lambda: endpoints.show(workspace, id))

    @routes.patch(
        "/v1/webhooks/{id}",
        summary="Change or pause a webhook",
        response_model=WebhookAnswer,
        responses=errors(400, 404, 413),
        dependencies=[MAY_CHANGE],
    )
    async def update(workspace: Workspace, id: Id, body: WebhookPatch) -> Response:
        """What waits is sent to the new url. Events that it was not told before are told from now on."""
        changes = body.model_dump(exclude_none=True)
        return await threads.change(lambda: endpoints.update(workspace, id, changes), "webhook.update", lambda _: id)

    @routes.delete(
        "/v1/webhooks/{id}",
        summary="Delete a webhook",
        status_code=204,
        responses=errors(404),
        dependencies=[MAY_CHANGE],
    )
    async def delete(workspace: Workspace, id: Id) -> Response:
        """With its log; what waits is not sent any more."""
        work = partial(endpoints.remove, workspace, id)
        return await threads.change(work, "webhook.delete", lambda _: id, NO_CONTENT)


def _turned(routes: APIRouter, endpoints: Endpoints, threads: Threads) -> None:
    """Tried, resumed, given another secret."""

    @routes.post(
        "/v1/webhooks/{id}/test",
        summary="Send a ping",
        status_code=202,
        response_model=DeliveryAnswer,
        responses=errors(404),
        dependencies=[MAY_CHANGE],
    )
    async def test(workspace: Workspace, id: Id) -> Response:
        """A delivery of the type `ping`, signed like any other and tried once, also when the webhook is paused. What
        came of it is in the log."""
        return await threads.change(lambda: endpoints.ping(workspace, id), "webhook.test", lambda _: id, 202)

    @routes.post(
        "/v1/webhooks/{id}/rotate",
        summary="Give a webhook a new secret",
        response_model=WebhookMade,
        responses=errors(400, 404, 413),
        dependencies=[MAY_CHANGE],
    )
    async def rotate(workspace: Workspace, id: Id, body: RotateBody | None = None) -> Response:
        """The old one signs beside it for a while, so that receivers can change at their leisure; 0 hours: not at all.
        Of two rotations the one before the last secret signs no more."""
        hours = (body or RotateBody()).overlap_hours
        return await threads.change(lambda: endpoints.rotate(workspace, id, hours), "webhook.rotate", lambda _: id)

    @routes.post(
        "/v1/webhooks/{id}/resume",
        summary="Resume a paused webhook",
        response_model=WebhookAnswer,
        responses=errors(400, 404, 413),
        dependencies=[MAY_CHANGE],
    )
    async def resume(workspace: Workspace, id: Id, body: ResumeBody | None = None) -> Response:
        """What waits is tried at once, and what happened meanwhile is told, unless it is skipped."""
        skip = (body or ResumeBody()).skip
        return await threads.change(lambda: endpoints.resume(workspace, id, skip), "webhook.resume", lambda _: id)


def _delivered(routes: APIRouter, endpoints: Endpoints, threads: Threads) -> None:
    """The log, and what is sent again of it."""

    @routes.get(
        "/v1/webhooks/{id}/deliveries",
        summary="What was delivered, or is to be",
        response_model=DeliveryPage,
        responses=errors(400, 404),
        dependencies=[takes("status", "limit", "cursor")],
    )
    async def deliveries(
        workspace: Workspace, id: Id, status: Status = None, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> Response:
        """Newest first. They are kept for 30 days after their end, the newest 100,000."""
        return await threads.answer(lambda: endpoints.deliveries(workspace, id, status, limit, cursor))

    @routes.get(
        "/v1/webhooks/{id}/deliveries/{message}",
        summary="One delivery with its attempts",
        response_model=DeliveryDetail,
        responses=errors(404),
    )
    async def delivery(workspace: Workspace, id: Id, message: MessageId) -> Response:
        """What is sent, and what was answered each time."""
        return await threads.answer(lambda: endpoints.delivery(workspace, id, message))

    @routes.post(
        "/v1/webhooks/{id}/deliveries/{message}/replay",
        summary="Send a delivery again",
        status_code=202,
        response_model=DeliveryAnswer,
        responses=errors(404, 409),
        dependencies=[MAY_CHANGE],
    )
    async def replay(workspace: Workspace, id: Id, message: MessageId) -> Response:
        """Whatever became of it, under the same `webhook-id`. 409 when it told of somebody who was erased."""
        work = partial(endpoints.replay, workspace, id, message)
        return await threads.change(work, "webhook.replay", lambda _: id, 202)

    @routes.post(
        "/v1/webhooks/{id}/replay",
        summary="Send all failed deliveries again",
        status_code=202,
        response_model=Replayed,
        responses=errors(400, 404, 413),
        dependencies=[MAY_CHANGE],
    )
    async def replay_failed(workspace: Workspace, id: Id, body: ReplayBody) -> Response:
        """Those that were made since a time, each under the same `webhook-id`."""
        work = partial(endpoints.replay_failed, workspace, id, body.since)
        return await threads.change(work, "webhook.replay", lambda _: id, 202)
