"""The peer UmaDB: an event store, behind as thin a server as HTTP needs. Prints its port.

    python bench/peer_umadb.py UMADB_URL

Starlette, msgspec structs (peer_structs.py) that check the shape, and UmaDB's own client: a request's events are one
append. The client blocks, so each request has a thread; UmaDB commits what waits together. It numbers the events. In
the peer's favour: no tags, which would be its index of identities (and double what an event costs it).
"""

import sys
from collections.abc import Sequence

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from umadb import Client, Event
from uvicorn import Config, Server

from listening import listener
from peer_structs import Done, OneShopEvent, ShopEvent, ShopEvents, Signal, Signals, Taken, TakenAll, TakenOne

encode = msgspec.json.encode
client = Client(sys.argv[1])


async def append(events: Sequence[Event]) -> int:
    """The position of the last of them, once they are on disk."""
    return await run_in_threadpool(client.append, events)


def made(event: Signal) -> Event:
    return Event(event.signal, encode(event))


def shop_made(event: ShopEvent) -> Event:
    return Event(event.event_name, encode(event))


def answer(body: msgspec.Struct) -> Response:
    return Response(encode(body), media_type="application/json")


async def signals(request: Request) -> Response:
    events = msgspec.json.decode(await request.body(), type=Signals).events
    first = await append([made(event) for event in events]) - len(events) + 1
    taken = [Taken(id=str(place), reference=event.reference) for place, event in enumerate(events, first)]
    return answer(TakenAll(taken))


async def signal(request: Request) -> Response:
    event = msgspec.json.decode(await request.body(), type=Signal)
    return answer(TakenOne(Taken(id=str(await append([made(event)])), reference=event.reference)))


async def shop_events(request: Request) -> Response:
    events = msgspec.json.decode(await request.body(), type=ShopEvents).events
    await append([shop_made(event) for event in events])
    return answer(Done())


async def shop_event(request: Request) -> Response:
    await append([shop_made(msgspec.json.decode(await request.body(), type=OneShopEvent).event)])
    return answer(Done())


app = Starlette(
    routes=[
        Route("/v1/events/batch", signals, methods=["POST"]),
        Route("/v1/events", signal, methods=["POST"]),
        Route("/integrations/bikPlatformFunctions-events/sendEvents", shop_events, methods=["POST"]),
        Route("/integrations/bikPlatformFunctions-events/sendEvent", shop_event, methods=["POST"]),
    ]
)

if __name__ == "__main__":
    config = Config(app, loop="uvloop", http="httptools", lifespan="off", access_log=False, log_level="warning")
    Server(config).run(sockets=[listener()])
