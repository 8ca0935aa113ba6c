"""A server that only reads the body and answers: httptools on a bare asyncio protocol with uvloop. Prints its port."""

import asyncio

import httptools
import uvloop

from listening import listener

BODY = b'{"status":200,"success":true}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Noop(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.chunks: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self.chunks.append(data)

    def on_message_complete(self) -> None:
        b"".join(self.chunks)
        self.chunks.clear()
        self.transport.write(ANSWER)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Noop, sock=listener())
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
