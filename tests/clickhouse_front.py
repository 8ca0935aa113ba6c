"""A ClickHouse server for tests: chDB behind as much of ClickHouse's HTTP as clickhouse-connect speaks.

Own process, since chDB opens one directory a process. What it does like a server: parameters and settings in the URL or
as a form, bodies compressed either way, databases, a user with a password, errors by their codes, an answer that breaks
off in the middle, queries that go on when their client has gone, `KILL QUERY` by query id. What chDB has not: replicas.

    python clickhouse_front.py PORT DIRECTORY PASSWORD [CERTIFICATE KEY]
"""

import base64
import gzip
import os
import re
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame

OWN = {
    "query", "database", "query_id", "session_id", "session_timeout", "session_check", "quota_key", "role", "user",
    "password", "compress", "decompress", "buffer_size", "wait_end_of_query", "default_format", "stacktrace",
    "client_protocol_version", "enable_http_compression", "send_progress_in_http_headers",
    "http_headers_progress_interval_ms", "cancel_http_readonly_queries_on_client_close",
    "http_write_exception_in_output_format",
}  # fmt: skip
"""Parameters that are no settings of the engine's, or none that it has."""

LONGEST_FIELD = int(os.environ.get("HEADWATER_TEST_FRONT_FIELD", 1 << 24))
"""Bytes; a server's `http_max_field_value_size`."""
STREAMED = {"JSONEachRow", "TabSeparated", "TSV", "Native"}
TAG = "frontfrontfront0"

_FORMAT = re.compile(r"\s+FORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_INSERT = re.compile(r"^(?:\s|--[^\n]*\n)*INSERT\s+INTO\s.*?\sFORMAT\s+(\w+)\s*$", re.IGNORECASE | re.DOTALL)
_INPUT = re.compile(r"\binput\(\s*('(?:[^'\\]|\\.)*')\s*\)")
_KILL = re.compile(r"^\s*KILL QUERY\s.*WHERE startsWith\(initial_query_id, '([^']*)'\) SYNC", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(r"Code: (\d+)")

STATUS = {"60": 404, "81": 404, "516": 403, "62": 400, "159": 408}


class Running:
    """The ids of the queries under way."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._changed = threading.Condition()

    @contextmanager
    def query(self, id_: str) -> Iterator[None]:
        with self._changed:
            self._ids.append(id_)
        try:
            yield
        finally:
            with self._changed:
                self._ids.remove(id_)
                self._changed.notify_all()

    def wait(self, prefix: str) -> int:
        """Like KILL QUERY … SYNC of queries that are past killing: returns when they have ended. How many they were."""
        with self._changed:
            found = sum(each.startswith(prefix) for each in self._ids)
            self._changed.wait_for(lambda: not any(each.startswith(prefix) for each in self._ids))
        return found


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Front"

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n")
        else:
            self._query({}, b"")

    def do_POST(self) -> None:
        """Reads all of the body first, as a server does not, so that a client which went away counts as one."""
        body = self._body()
        if (kind := self.headers.get("Content-Type", "")).startswith("multipart/form-data"):
            try:
                form = _form(kind, body)
            except ValueError as error:
                self._fail(str(error))
                return
            self._query(form, b"")
        else:
            self._query({}, body)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(pieces)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        match self.headers.get("Content-Encoding", ""):
            case "gzip":
                return gzip.decompress(body)
            case "deflate":
                return zlib.decompress(body)
            case "lz4":
                return lz4.frame.decompress(body)
            case _:
                return body

    def _query(self, form: dict[str, str], body: bytes) -> None:
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True)) | form
        if not self._may_enter(given):
            self._fail("Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)")
            return
        with self.server.running.query(given.get("query_id", "")):
            connection = self.server.connected()
            try:
                self._run(connection, given, body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
                self.connection.close()
            except Exception as error:
                self._fail(str(error))
            finally:
                connection.close()

    def _may_enter(self, given: dict[str, str]) -> bool:
        user, password = given.get("user", "default"), given.get("password", "")
        if (header := self.headers.get("Authorization", "")).startswith("Basic "):
            user, _, password = base64.b64decode(header[6:]).decode().partition(":")
        return (user, password) == ("default", self.server.password)

    def _run(self, connection: Any, given: dict[str, str], body: bytes) -> None:
        query = given.get("query", "")
        if kill := _KILL.match(query or body.decode(errors="replace")):
            self._answer(200, b"".join([b"waiting\n"] * self.server.running.wait(kill[1])))
            return
        self._prepare(connection, given)
        parameters = {name[6:]: value for name, value in given.items() if name.startswith("param_")}
        if (insert := _INSERT.match(query)) and body:
            self._insert(connection, query, insert[1], body, parameters)
            return
        text = query + ("\n" if query and body else "") + body.decode()
        found = _FORMAT.search(text)
        kind = found[1] if found else given.get("default_format", "TabSeparated")
        if found:
            text = text[: found.start()]
        if kind in STREAMED and re.match(r"(?:\s|--[^\n]*\n)*(SELECT|WITH)\b", text, re.IGNORECASE):
            self._stream(connection.send_query(text, kind, params=parameters), kind)
        else:
            self._answer(200, connection.query(text, kind, params=parameters).bytes(), kind)

    def _prepare(self, connection: Any, given: dict[str, str]) -> None:
        for name, value in given.items():
            if name not in OWN and not name.startswith("param_"):
                if not re.fullmatch(r"\w+", name):
                    raise ValueError(f"Code: 115. DB::Exception: no setting '{name}'. (UNKNOWN_SETTING)")
                connection.query(f"SET {name} = {_literal(value)}")
        if database := given.get("database"):
            connection.query(f"USE `{database}`")

    def _insert(self, connection: Any, query: str, kind: str, body: bytes, parameters: dict[str, str]) -> None:
        """chDB takes inserted data as a part of the statement alone, and for `input` not even so: there from a file."""
        if not (source := _INPUT.search(query)):
            connection.query(b"\n".join((query.encode(), body)))
            self._answer(200, b"")
            return
        with tempfile.NamedTemporaryFile(dir=self.server.folder) as file:
            file.write(body)
            file.flush()
            self.server.dawdle()
            read = f"file({_literal(file.name)}, '{kind}', {source[1]})"
            text = _FORMAT.sub("", query[: source.start()] + read + query[source.end() :])
            connection.query(text, params=parameters)
        if self.server.hangs_up():
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ConnectionResetError
        self._answer(200, b"")

    def _stream(self, result: Any, kind: str) -> None:
        """The head is not sent before the first rows are there, so that most errors have a status of their own."""
        pieces = (piece.bytes() for piece in result)
        first = next(pieces, b"")
        squeeze = self._squeeze()
        self.send_response(200)
        self._head(kind, squeeze)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        packer = _Packer(squeeze)
        try:
            self._chunk(packer.begin() + packer.pack(first))
            for piece in pieces:
                self._chunk(packer.pack(piece))
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:
            self._chunk(packer.pack(f"\r\n__exception__\r\n{TAG}\r\n{error}\n__exception__\r\n".encode()))
        finally:
            with suppress(Exception):
                result.close()
        self._chunk(packer.end())
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        if data:
            self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")

    def _squeeze(self) -> str:
        asked = self.headers.get("Accept-Encoding", "") if "enable_http_compression=1" in self.path else ""
        return next((one for one in ("lz4", "gzip") if one in asked), "")

    def _head(self, kind: str, squeeze: str) -> None:
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("X-ClickHouse-Format", kind)
        self.send_header("X-ClickHouse-Timezone", "UTC")
        self.send_header("X-ClickHouse-Exception-Tag", TAG)
        self.send_header("X-ClickHouse-Summary", "{}")
        if squeeze:
            self.send_header("Content-Encoding", squeeze)

    def _answer(self, status: int, body: bytes, kind: str = "", **headers: str) -> None:
        self.send_response(status)
        squeeze = self._squeeze() if status == 200 and body else ""
        if kind:
            self._head(kind, squeeze)
        if kind and squeeze:
            packer = _Packer(squeeze)
            body = packer.begin() + packer.pack(body) + packer.end()
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _fail(self, message: str) -> None:
        found = _CODE.search(message)
        code = found[1] if found else "1001"
        with suppress(OSError):
            headers = {"X_ClickHouse_Exception_Code": code}
            self._answer(STATUS.get(code, 500), (message + " (version 26.9.2.1)\n").encode(), **headers)

    def log_message(self, format: str, *args: object) -> None:
        if os.environ.get("HEADWATER_TEST_FRONT_LOG"):
            super().log_message(format, *args)


class Front(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, folder: Path, password: str) -> None:
        self.folder, self.password = folder, password
        self.running = Running()
        self._path = f"{folder / 'data'}?log_queries=0&max_server_memory_usage_to_ram_ratio=0.5"
        self._kept = chdb.connect(self._path)  # type: ignore[no-untyped-call]
        super().__init__(("127.0.0.1", port), Handler)

    def connected(self) -> Any:
        """A session of its own."""
        return chdb.connect(self._path)  # type: ignore[no-untyped-call]

    def dawdle(self) -> None:
        """Holds an insert up as long as a file `slow` says, in seconds: what a busy server does."""
        with suppress(FileNotFoundError):
            time.sleep(float((self.folder / "slow").read_text()))

    def hangs_up(self) -> bool:
        """Whether to do the next insert and not to answer it: once for each file `hang-up`."""
        with suppress(FileNotFoundError):
            (self.folder / "hang-up").unlink()
            return True
        return False


class _Packer:
    """Compresses a body piece by piece; every piece can be read at once."""

    def __init__(self, kind: str) -> None:
        self._gzip = zlib.compressobj(1, wbits=31) if kind == "gzip" else None
        self._lz4 = lz4.frame.LZ4FrameCompressor() if kind == "lz4" else None

    def begin(self) -> bytes:
        return bytes(self._lz4.begin()) if self._lz4 else b""

    def pack(self, data: bytes) -> bytes:
        if self._gzip:
            return self._gzip.compress(data) + self._gzip.flush(zlib.Z_SYNC_FLUSH)
        return bytes(self._lz4.compress(data)) if self._lz4 else data

    def end(self) -> bytes:
        if self._gzip:
            return self._gzip.flush()
        return bytes(self._lz4.flush()) if self._lz4 else b""


def _form(kind: str, body: bytes) -> dict[str, str]:
    """The fields of a multipart form; no files."""
    boundary = b"\r\n--" + kind.partition("boundary=")[2].strip('"').encode()
    fields = {}
    for part in (b"\r\n" + body).split(boundary)[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        if len(value) > LONGEST_FIELD:
            raise ValueError("Code: 1000. DB::Exception: Field value too long. (POCO_EXCEPTION)")
        if name := re.search(rb'name="([^"]*)"', head):
            fields[name[1].decode()] = value.decode()
    return fields


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def main(port: str, folder: str, password: str, *pair: str) -> None:
    front = Front(int(port), Path(folder), password)
    if pair:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        front.socket = context.wrap_socket(front.socket, server_side=True)
    front.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
