"""The gateway's open routes: is it alive, is it ready, its figures, its documentation. They need no key."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse, JSONResponse

from headwater.errors import UnavailableError
from headwater.log.base import Appender
from headwater.web import docs
from headwater.web.asking import errors
from headwater.web.metrics import GatewayMetrics
from headwater.web.openapi import OPERATING
from headwater.web.proxy import EngineProxy

_AWAY = (
    "it is starting, or it ended and will be started anew within seconds. Events are taken meanwhile. If it stays so, "
    "what the engine logged last says why."
)


_TEXT = {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}


def router(
    log: Appender,
    engine: EngineProxy,
    metrics: GatewayMetrics,
    credentials: Path | None,
    api: Callable[[], dict[str, Any]],
) -> APIRouter:
    """`credentials`: the file without which it is not ready; None where it need not have one. `api` gives the OpenAPI
    document; asked once, when first wanted."""
    routes = APIRouter(tags=[OPERATING])

    making: list[asyncio.Future[tuple[bytes, str]]] = []

    def _make() -> tuple[bytes, str]:
        document = api()
        return bytes(JSONResponse(document).body), docs.page(document)

    async def _documents() -> tuple[bytes, str]:
        """Made once, also when many ask at once: anyone may, and the half second it takes is the senders'."""
        if not making:
            making.append(asyncio.ensure_future(asyncio.to_thread(_make)))
        return await asyncio.shield(making[0])

    @routes.get("/livez", summary="The gateway runs")
    async def livez() -> dict[str, bool]:
        """For whatever restarts it: 200 as long as it answers at all, whether or not it takes events."""
        return {"alive": True}

    @routes.get(
        "/readyz",
        summary="Events are acknowledged and questions answered",
        responses={503: {"description": "What is not ready, and why"}, 400: errors(400)[400]},
    )
    async def readyz(
        of: Annotated[
            Literal["gateway"] | None, Query(description="`gateway`: only whether it takes events itself.")
        ] = None,
    ) -> Response:
        """`gateway` decides over ingest, `engine` over questions; ready means both, and that credentials exist. What
        spreads senders over several gateways asks `?of=gateway`: each of them, and not the engine they share."""
        parts = {"gateway": _gateway(log, credentials)}
        if of is None:
            parts["engine"] = await _engine(engine)
        ready = not any(parts.values())
        told = {name: {"ready": not why, "why": why} for name, why in parts.items()}
        headers = {} if ready else {"retry-after": "1"}
        return JSONResponse({"ready": ready, **told}, 200 if ready else 503, headers)

    @routes.get("/metrics", summary="Figures for Prometheus", response_class=Response, responses={200: _TEXT})
    async def figures() -> Response:
        """Of the gateway, and of the engine while that answers."""
        text = metrics.render()
        try:
            theirs = await engine.fetch("/metrics", 2)
            text += theirs.content if theirs.status_code == 200 else b""
        except UnavailableError:
            pass  # The engine's figures are missing while it is away: that shows by itself.
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    @routes.get("/openapi.json", summary="This API as an OpenAPI 3.1 document")
    async def openapi() -> Response:
        """For code generators and API clients; `headwater openapi` prints the same without a server."""
        return Response((await _documents())[0], media_type="application/json")

    @routes.get("/docs", summary="This API for people", response_class=HTMLResponse)
    async def readable() -> HTMLResponse:
        """One page of plain HTML, without scripts."""
        return HTMLResponse((await _documents())[1], headers=docs.HEADERS)

    return routes


def _gateway(log: Appender, credentials: Path | None) -> str:
    status = log.status()
    if not status.ready:
        return status.why
    if credentials is None or os.path.exists(credentials):  # Path.exists raises when the disk fails
        return ""
    return f"no credentials: {credentials.name} is missing (headwater keys create)"


async def _engine(engine: EngineProxy) -> str:
    try:
        answer = await engine.fetch("/readyz", 2)
    except UnavailableError as error:
        return f"{error}: {_AWAY}"
    if answer.status_code == 200:
        return ""
    is_problem = "json" in answer.headers.get("content-type", "")
    return str(answer.json().get("detail", "not ready")) if is_problem else f"it answers {answer.status_code}"
