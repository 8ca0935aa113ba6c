"""Live streams through the gateway's line to an engine that a test can make odd: silent, gone, slow, endless."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from headwater.catalog.base import Principal
from headwater.errors import UnavailableError
from headwater.web import proxy
from headwater.web.body import Bodies
from headwater.web.lines import to_socket
from headwater.web.proxy import EngineProxy, Streams

STARTED = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
MINE = Principal("ws_AAAAAAAA", "key_AAAAAA", frozenset(("read",)))
Way = Callable[[Any, Any], Awaitable[None]]


class Engine:
    """An application on a Unix socket that answers as `way` does, and knows how many it is answering."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.way: Way = endless
        self.running = 0
        self.server = uvicorn.Server(uvicorn.Config(self, uds=str(socket), lifespan="off", log_level="critical"))
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            self.thread.join(0.01)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.running += 1
        try:
            await self.way(receive, send)
        finally:
            self.running -= 1

    def stop(self) -> None:
        self.server.should_exit = True
        self.server.force_exit = True
        self.thread.join()


async def endless(receive: Any, send: Any) -> None:
    gone = asyncio.create_task(until_gone(receive))
    await send(STARTED)
    while not gone.done():
        await send({"type": "http.response.body", "body": b": \n\n", "more_body": True})
        await asyncio.wait({gone}, timeout=0.05)


async def silent(receive: Any, send: Any) -> None:
    await send(STARTED)
    await send({"type": "http.response.body", "body": b"event: hello\n\n", "more_body": True})
    await until_gone(receive)


async def dying(receive: Any, send: Any) -> None:
    await send(STARTED)
    await send({"type": "http.response.body", "body": b"event: hello\n\n", "more_body": True})
    raise OSError("as an engine that is killed")


async def until_gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Client:
    """The gateway's client, as its protocol shows it to an application."""

    def __init__(self, method: str = "GET") -> None:
        self.scope = {"method": method, "raw_path": b"/v1/live", "query_string": b"", "headers": []}
        self.leaves = asyncio.Event()
        self.sent: list[Any] = []
        self.told = asyncio.Event()
        self._asked = False

    async def receive(self) -> Any:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.told.set()

    @property
    def whole(self) -> bool:
        """Whether the answer came to its end."""
        return bool(self.sent) and self.sent[-1] == {"type": "http.response.body", "body": b""}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path / "engine.sock")
    yield engine
    engine.stop()


def run(socket: Path, story: Callable[[EngineProxy], Awaitable[None]]) -> None:
    async def all_of() -> None:
        line = EngineProxy(to_socket(socket), 1 << 20, Bodies(1 << 24))
        try:
            async with asyncio.timeout(20):
                await story(line)
        finally:
            await line.close()

    asyncio.run(all_of())


def begin(
    line: EngineProxy, client: Client, may: Callable[[], bool] = lambda: True, who: Principal = MINE
) -> "asyncio.Task[None]":
    return asyncio.create_task(line.stream(client.scope, client.receive, client.send, who, may))


async def ends(probe: Callable[[], bool]) -> None:
    for _ in range(200):
        if probe():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the engine still answers")


@pytest.mark.parametrize("way", [endless, silent])
def test_a_client_that_leaves_ends_the_engines_side_at_once(engine: Engine, way: Way) -> None:
    engine.way = way

    async def story(line: EngineProxy) -> None:
        client = Client()
        stream = begin(line, client)
        await client.told.wait()
        assert engine.running == 1
        client.leaves.set()
        await asyncio.wait_for(stream, 2)
        await ends(lambda: engine.running == 0)

    run(engine.socket, story)


def test_an_engine_that_dies_ends_the_answer_whole(engine: Engine) -> None:
    engine.way = dying

    async def story(line: EngineProxy) -> None:
        client = Client()
        await begin(line, client)
        assert client.whole and client.sent[0]["status"] == 200

    run(engine.socket, story)


def test_an_engine_that_hangs_is_given_up(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "_SILENT_SECONDS", 0.3)
    engine.way = silent

    async def story(line: EngineProxy) -> None:
        client = Client()
        await begin(line, client)
        assert client.whole

    run(engine.socket, story)


def test_without_an_engine_it_is_unavailable(tmp_path: Path) -> None:
    async def story(line: EngineProxy) -> None:
        for _ in range(proxy.STREAMS_EACH + 1):
            client = Client()
            with pytest.raises(UnavailableError, match="does not answer"):
                await begin(line, client)
            assert not client.sent

    run(tmp_path / "nobody.sock", story)


def test_who_may_no_longer_is_ended(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "_AGAIN_SECONDS", 0.1)

    async def story(line: EngineProxy) -> None:
        looks: list[int] = []

        def may() -> bool:
            looks.append(len(looks))
            return len(looks) < 3

        client = Client()
        await asyncio.wait_for(begin(line, client, may), 5)
        assert client.whole and len(looks) == 3

    run(engine.socket, story)


def test_a_gateway_that_stops_ends_its_streams(engine: Engine) -> None:
    async def story(line: EngineProxy) -> None:
        client = Client()
        stream = begin(line, client)
        await client.told.wait()
        line.stopping = lambda: True
        await asyncio.wait_for(stream, 2)
        assert client.whole

    run(engine.socket, story)


def test_head_is_answered_and_holds_nothing(engine: Engine) -> None:
    async def story(line: EngineProxy) -> None:
        client = Client("HEAD")
        await asyncio.wait_for(begin(line, client), 2)
        assert client.sent[0]["headers"] and client.whole
        await ends(lambda: engine.running == 0)

    run(engine.socket, story)


def test_streams_take_none_of_the_turns_of_questions(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "STREAMS_EACH", 100)

    async def story(line: EngineProxy) -> None:
        clients = [Client() for _ in range(proxy.STREAMS)]
        streams = [begin(line, client) for client in clients]
        await asyncio.gather(*(client.told.wait() for client in clients))
        with pytest.raises(UnavailableError):
            await begin(line, Client())
        engine.way = asked
        question = Client()
        await asyncio.wait_for(line.forward(question.scope, question.receive, question.send, MINE), 2)
        assert question.sent[0]["status"] == 200
        for client in clients:
            client.leaves.set()
        await asyncio.gather(*streams)
        await ends(lambda: engine.running == 0)

    run(engine.socket, story)


async def asked(receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def test_places_are_few_for_each_and_for_all() -> None:
    streams = Streams(3, 2)
    held = [streams.place(workspace) for workspace in ("one", "one", "two")]
    for each in held[:2]:
        each.__enter__()
    with pytest.raises(UnavailableError) as found, streams.place("one"):
        raise AssertionError("one has two")
    assert found.value.retry_after > 0
    held[2].__enter__()
    with pytest.raises(UnavailableError), streams.place("three"):
        raise AssertionError("there are three")
    held[0].__exit__(None, None, None)
    with streams.place("three"):
        pass
