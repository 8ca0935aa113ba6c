"""A connection that is ended without an answer: for a sender who must not be told anything."""

import asyncio
import socket
from typing import Any

import httpx
import pytest

from headwater.web.body import cut
from headwater.web.places import Places
from headwater.web.protocol import GuardedProtocol
from headwater.web.server import server


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/cut":
        await cut(scope, receive)
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def test_it_ends_without_a_byte_and_others_go_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        monkeypatch.setattr(GuardedProtocol, "places", Places(100), raising=False)
        monkeypatch.setattr(GuardedProtocol, "answer", staticmethod(lambda *_: None), raising=False)
        listener = socket.create_server(("127.0.0.1", 0))
        serving = server(app, http=GuardedProtocol)
        task = asyncio.create_task(serving.serve(sockets=[listener]))
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
            assert (await client.get("/")).status_code == 200
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                await client.post("/cut", content=b"x" * 100)
            assert (await client.get("/")).status_code == 200
        serving.should_exit = True
        await task

    asyncio.run(run())
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
