"""The naive peer: FastAPI, pydantic models, SQLite; every request is one durable transaction. Prints its port.

    python bench/naive.py DATABASE

What one would write in an afternoon for the same two wire shapes: the models check the shape (no keys, no signals, no
schemas, no quotas), the rows of a request are inserted in one transaction, and the answer is sent after the commit.
WAL with `synchronous=FULL`: one fsync a commit. The table has no index, in the peer's favour: appending is all it does.
"""

import sqlite3
import sys
from datetime import UTC, datetime
from json import dumps
from typing import Annotated, Any
from uuid import uuid4

from fastapi import FastAPI
from pydantic import BaseModel, Field
from uvicorn import Config, Server

from listening import listener

INSERT = "INSERT INTO events (id, signal, identity, occurred_at, data, reference) VALUES (?, ?, ?, ?, ?, ?)"


class Identity(BaseModel):
    type: str
    id: str


class Signal(BaseModel):
    """An event as Bigmind sends it."""

    signal: str
    identity: Identity
    data: dict[str, Any]
    reference: str | None = None
    timestamp: datetime | None = None


class Signals(BaseModel):
    events: Annotated[list[Signal], Field(min_length=1, max_length=100)]


class ShopEvent(BaseModel):
    """An event as BIK sends it."""

    name: str | None = None
    email: str | None = None
    phone: str | None = Field(None, alias="phoneNumber")
    event: str = Field(alias="eventName")
    properties: dict[str, Any] = Field(alias="eventProperties")
    migration: bool = Field(False, alias="isMigration")
    date: datetime | None = Field(None, alias="eventDate")


class ShopEvents(BaseModel):
    events: Annotated[list[ShopEvent], Field(min_length=1, max_length=100)]


class OneShopEvent(BaseModel):
    event: ShopEvent


class Taken(BaseModel):
    id: str
    status: str = "pending"
    reference: str | None = None


class TakenAll(BaseModel):
    success: bool = True
    data: list[Taken]


class TakenOne(BaseModel):
    success: bool = True
    data: Taken


class Done(BaseModel):
    status: int = 200
    success: bool = True


Row = tuple[str, str, str, str, str, str | None]


def opened(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(
        "CREATE TABLE IF NOT EXISTS events (id TEXT, signal TEXT, identity TEXT, occurred_at TEXT, data TEXT,"
        " reference TEXT)"
    )
    return database


app = FastAPI()
database = opened(sys.argv[1])


def store(rows: list[Row]) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        database.executemany(INSERT, rows)
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def row_of(event: Signal) -> Row:
    moment = (event.timestamp or datetime.now(UTC)).isoformat()
    identity = f"{event.identity.type}:{event.identity.id}"
    return str(uuid4()), event.signal, identity, moment, dumps(event.data), event.reference


def shop_row(event: ShopEvent) -> Row:
    moment = (event.date or datetime.now(UTC)).isoformat()
    identity = f"email:{event.email} phone:{event.phone}"
    return str(uuid4()), event.event, identity, moment, dumps(event.properties), None


# Blocking calls in `async def`: with one SQLite connection that is faster than FastAPI's threads, measured.
@app.post("/v1/events/batch")
async def signals(body: Signals) -> TakenAll:
    rows = [row_of(event) for event in body.events]
    store(rows)
    return TakenAll(data=[Taken(id=row[0], reference=row[5]) for row in rows])


@app.post("/v1/events")
async def signal(body: Signal) -> TakenOne:
    row = row_of(body)
    store([row])
    return TakenOne(data=Taken(id=row[0], reference=row[5]))


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
