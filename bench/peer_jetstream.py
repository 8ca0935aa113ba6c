"""The peer Litestar + NATS JetStream: every request is one message on disk. Prints its port.

    python bench/peer_jetstream.py NATS_URL

Litestar reads the body into msgspec structs (peer_structs.py), which checks its shape; the body is published as it
came, and the answer is sent after JetStream's, which `sync_interval: always` puts behind a sync. An event is numbered
by its message and its place in it.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
from litestar import Litestar, Request, post
from nats.js import JetStreamContext
from uvicorn import Config, Server

from listening import listener
from peer_structs import Done, OneShopEvent, ShopEvents, Signal, Signals, Taken, TakenAll, TakenOne

STREAM = "events"


@asynccontextmanager
async def connected(app: Litestar) -> AsyncIterator[None]:
    connection = await nats.connect(sys.argv[1])
    app.state.stream = connection.jetstream(timeout=30)
    await app.state.stream.add_stream(name=STREAM, subjects=[f"{STREAM}.*"])
    try:
        yield
    finally:
        await connection.close()


async def store(request: Request, subject: str) -> int:
    """The number of the message, once it is on disk."""
    stream: JetStreamContext = request.app.state.stream
    return (await stream.publish(f"{STREAM}.{subject}", await request.body())).seq


@post("/v1/events/batch", status_code=200)
async def signals(data: Signals, request: Request) -> TakenAll:
    number = await store(request, "batch")
    taken = [Taken(id=f"{number}-{place}", reference=event.reference) for place, event in enumerate(data.events)]
    return TakenAll(taken)


@post("/v1/events", status_code=200)
async def signal(data: Signal, request: Request) -> TakenOne:
    return TakenOne(Taken(id=str(await store(request, "single")), reference=data.reference))


@post("/integrations/bikPlatformFunctions-events/sendEvents", status_code=200)
async def shop_events(data: ShopEvents, request: Request) -> Done:
    await store(request, "batch")
    return Done()


@post("/integrations/bikPlatformFunctions-events/sendEvent", status_code=200)
async def shop_event(data: OneShopEvent, request: Request) -> Done:
    await store(request, "single")
    return Done()


app = Litestar([signals, signal, shop_events, shop_event], lifespan=[connected], openapi_config=None)

if __name__ == "__main__":
    config = Config(app, loop="uvloop", http="httptools", lifespan="on", access_log=False, log_level="warning")
    Server(config).run(sockets=[listener()])
