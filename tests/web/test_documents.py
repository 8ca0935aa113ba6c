"""The API's documents need no key: however many ask at once, they are made once."""

import asyncio
import time
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI

from headwater.log.base import Appender
from headwater.web import status
from headwater.web.metrics import GatewayMetrics
from headwater.web.proxy import EngineProxy


def test_many_who_ask_at_once_have_them_made_once() -> None:
    made: list[float] = []

    def api() -> dict[str, Any]:
        made.append(time.monotonic())
        time.sleep(0.2)  # until all have asked
        return {"openapi": "3.1.0", "info": {"title": "headwater", "version": "1"}, "paths": {}, "components": {}}

    parts = cast(Appender, None), cast(EngineProxy, None), cast(GatewayMetrics, None)
    app = FastAPI(docs_url=None, openapi_url=None)
    app.include_router(status.router(*parts, Path(), api))

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://headwater") as client:
            return await asyncio.gather(*(client.get(f"/{each}") for each in ["openapi.json", "docs"] * 20))

    answers = asyncio.run(ask())
    assert {each.status_code for each in answers} == {200} and len(made) == 1
    assert asyncio.run(ask())[0].status_code == 200 and len(made) == 1
