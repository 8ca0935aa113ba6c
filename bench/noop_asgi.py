"""A server that only reads the body and answers: uvicorn with uvloop and httptools, raw ASGI. Prints its port."""

from typing import Any

from uvicorn import Config, Server

from listening import listener

BODY = b'{"status":200,"success":true}'
HEAD = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    chunks, more = [], True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    b"".join(chunks)
    await send({"type": "http.response.start", "status": 200, "headers": HEAD})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    config = Config(app, loop="uvloop", http="httptools", lifespan="off", access_log=False, log_level="warning")
    Server(config).run(sockets=[listener()])
