"""The peer FastAPI + SQLite: every request is one durable transaction. Prints its port.

    python bench/peer_sqlite.py DATABASE

What one would write in an afternoon for the same two wire shapes (peer_models.py): the rows of a request are inserted
in one transaction, and the answer is sent after the commit. WAL with `synchronous=FULL`: one fsync a commit. The table
has no index, in the peer's favour: appending is all it does.
"""

import sqlite3
import sys

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
    (id TEXT, signal TEXT, identity TEXT, occurred_at TEXT, data TEXT, reference TEXT)
"""
INSERT = "INSERT INTO events (id, signal, identity, occurred_at, data, reference) VALUES (?, ?, ?, ?, ?, ?)"


def opened(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(TABLE)
    return database


app = FastAPI()
database = opened(sys.argv[1])


def store(rows: list[Row]) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        database.executemany(INSERT, [(*row[:3], row[3].isoformat(), *row[4:]) for row in rows])
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


# Blocking calls in `async def`: with one SQLite connection that is faster than FastAPI's threads, measured.
@app.post("/v1/events/batch")
async def signals(body: Signals) -> TakenAll:
    rows = [signal_row(event) for event in body.events]
    store(rows)
    return TakenAll(data=[taken(row) for row in rows])


@app.post("/v1/events")
async def signal(body: Signal) -> TakenOne:
    row = signal_row(body)
    store([row])
    return TakenOne(data=taken(row))


@app.post("/integrations/bikPlatformFunctions-events/sendEvents")
async def shop_events(body: ShopEvents) -> Done:
    store([shop_row(event) for event in body.events])
    return Done()


@app.post("/integrations/bikPlatformFunctions-events/sendEvent")
async def shop_event(body: OneShopEvent) -> Done:
    store([shop_row(body.event)])
    return Done()


if __name__ == "__main__":
    config = Config(app, loop="uvloop", http="httptools", lifespan="off", access_log=False, log_level="warning")
    Server(config).run(sockets=[listener()])
