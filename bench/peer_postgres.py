"""The peer FastAPI + PostgreSQL: every request is one durable transaction. Prints its port.

    python bench/peer_postgres.py URL

The same models as FastAPI + SQLite (peer_models.py), over a pool of asyncpg: a request's events are unnested from
arrays by one prepared INSERT, a transaction of its own; `synchronous_commit = on`, so the answer is behind a sync,
which the commits of other connections may share. In the peer's favour: no index, `json` (kept as text) instead of
`jsonb`, and connections go back to the pool without the query that resets them.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI
from uvicorn import Config, Server

from listening import listener
from peer_models import (
    Done,
    OneShopEvent,
    Row,
    ShopEvents,
    Signal,
    Signals,
    TakenAll,
    TakenOne,
    shop_row,
    signal_row,
    taken,
)

TABLE = """
CREATE TABLE IF NOT EXISTS events
    (id uuid, signal text, identity text, occurred_at timestamptz, data json, reference text)
"""
INSERT = """
INSERT INTO events (id, signal, identity, occurred_at, data, reference)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::json[], $6::text[])
"""
URL, CONNECTIONS = sys.argv[1], 16


async def unchanged(connection: asyncpg.Connection) -> None:
    """Nothing of a session is ever set here."""


@asynccontextmanager
async def pooled(app: FastAPI) -> AsyncIterator[None]:
    global pool
    settings = {"min_size": CONNECTIONS, "max_size": CONNECTIONS, "reset": unchanged}
    async with asyncpg.create_pool(URL, server_settings={"synchronous_commit": "on"}, **settings) as pool:
        await pool.execute(TABLE)
        yield


app = FastAPI(lifespan=pooled)
pool: asyncpg.Pool


async def store(rows: Sequence[Row]) -> None:
    await pool.execute(INSERT, *map(list, zip(*rows, strict=True)))


@app.post("/v1/events/batch")
async def signals(body: Signals) -> TakenAll:
    rows = [signal_row(event) for event in body.events]
    await store(rows)
    return TakenAll(data=[taken(row) for row in rows])


@app.post("/v1/events")
async def signal(body: Signal) -> TakenOne:
    row = signal_row(body)
    await store([row])
    return TakenOne(data=taken(row))


@app.post("/integrations/bikPlatformFunctions-events/sendEvents")
async def shop_events(body: ShopEvents) -> Done:
    await store([shop_row(event) for event in body.events])
    return Done()


@app.post("/integrations/bikPlatformFunctions-events/sendEvent")
async def shop_event(body: OneShopEvent) -> Done:
    await store([shop_row(body.event)])
    return Done()


if __name__ == "__main__":
    config = Config(app, loop="uvloop", http="httptools", lifespan="on", access_log=False, log_level="warning")
    Server(config).run(sockets=[listener()])
