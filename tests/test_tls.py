"""TLS by certificate files: the whole of headwater behind it, renewal, and who never finishes a handshake."""

import json
import os
import re
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

import certificates
from certificates import Pair
from harness import Server, keyed, running, until
from headwater.errors import StartError
from headwater.web import tls

HANDSHAKE_SECONDS = 10


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, pair: Pair) -> Iterator[Server]:
    with running(Server(tmp_path_factory.mktemp("tls") / "data", *pair.options, ca=pair.cert)) as server:
        yield server


def headwater(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}
    command = [sys.executable, "-m", "headwater", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=clean | environment, check=False)


def certificate(server: Server) -> str:
    """What the server shows now, as PEM."""
    return ssl.get_server_certificate(("127.0.0.1", server.port), timeout=10)


def test_it_serves(secure: Server, pair: Pair) -> None:
    assert secure.credentials()["url"] == secure.url == f"https://127.0.0.1:{secure.port}"
    assert json.loads((secure.data_dir / "serve.json").read_bytes())["url"] == secure.url
    until(lambda: f"curl --cacert {pair.cert} {secure.url}/v1/events/batch" in secure.log(), what="it greets")
    with secure.client() as client:
        signal = {"name": "over TLS", "slug": "over-tls", "type": "event", "rate_limit": None}
        assert client.post("/v1/signals", json=signal).status_code == 201
        assert client.get("/v1/audit").json()["data"][0]["address"] == "127.0.0.1"
        event = {"signal": "over-tls", "identity": {"type": "account", "id": "1"}, "data": {"x": "y" * 1000}}
        answer = client.post("/v1/events/batch", json={"events": [event] * 100})
        assert answer.status_code == 200
        secure.wait_processed([answer.json()["data"][0]["id"]])
        assert len(client.get("/v1/events/export").content) > 100_000


def test_who_does_not_trust_it_is_told(secure: Server) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"), keyed(secure.url, secure.key) as client:
        client.get("/livez")


def test_plain_http_is_not_answered(secure: Server) -> None:
    with pytest.raises(httpx.TransportError), keyed(f"http://127.0.0.1:{secure.port}", secure.key) as client:
        client.get("/livez")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_it_speaks(secure: Server, pair: Pair, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=pair.cert)
    context.minimum_version = context.maximum_version = version
    with keyed(secure.url, secure.key, verify=context) as client:
        assert client.get("/v1/signals").status_code == 200


def test_older_versions_are_refused(secure: Server) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", secure.port), timeout=10) as connection, pytest.raises(ssl.SSLError):
        context.wrap_socket(connection)


def test_the_command_line_with_a_ca(secure: Server, pair: Pair) -> None:
    where = ("--data-dir", str(secure.data_dir))
    listed = headwater("events", "list", "--json", "--ca", str(pair.cert), *where)
    assert listed.returncode == 0 and isinstance(json.loads(listed.stdout), list), listed.stderr
    assert headwater("signals", "list", *where, HEADWATER_CA=str(pair.cert)).returncode == 0
    made = headwater("keys", "create", "--json", "--ca", str(pair.cert), *where)
    assert made.returncode == 0, made.stderr
    with secure.client(json.loads(made.stdout)["key"]) as client:
        assert client.get("/v1/signals").status_code == 200


def test_the_command_line_without_one_says_what_to_do(secure: Server, tmp_path: Path) -> None:
    where = ("--data-dir", str(secure.data_dir))
    untrusted = headwater("events", "list", *where)
    assert untrusted.returncode == 1 and "--ca" in untrusted.stderr and "Traceback" not in untrusted.stderr
    missing = headwater("events", "list", "--ca", str(tmp_path / "none.pem"), *where)
    assert missing.returncode == 1 and "none.pem" in missing.stderr and "Traceback" not in missing.stderr


def test_renewal_without_a_restart(tmp_path: Path, pair: Pair) -> None:
    """Also to another kind of key; a connection that is open stays; what does not fit is left aside."""
    live = Pair(tmp_path / "live.pem", tmp_path / "live.key")
    shutil.copy(pair.cert, live.cert)
    shutil.copy(pair.key, live.key)
    renewed = certificates.make(tmp_path, "renewed", "rsa")
    newest = renewed.cert.read_text()
    server = Server(tmp_path / "data", *live.options, ca=live.cert)
    try:
        server.start()
        # However long it rests, it is kept: a new one would be held against the certificate of before.
        with server.client(limits=httpx.Limits(keepalive_expiry=None)) as kept:
            assert kept.get("/v1/signals").status_code == 200
            renewed.cert.replace(live.cert)
            time.sleep(3)
            assert certificate(server) == pair.cert.read_text()  # its key has not come yet
            renewed.key.replace(live.key)
            until(lambda: certificate(server) == newest, 10, "the new certificate is shown")
            assert kept.get("/v1/signals").status_code == 200
        assert "is not the key of the certificate" in server.log()
        live.cert.write_text("garbage")
        live.key.unlink()
        time.sleep(3)
        assert server.pids().keys() >= {"gateway"}
        assert certificate(server) == newest
    finally:
        server.kill_group()


def refused(data_dir: Path, *options: str) -> str:
    """What a start that cannot be says."""
    began = time.monotonic()
    ended = headwater("serve", "--port", "0", "--data-dir", str(data_dir), *options)
    assert ended.returncode in (75, 78), ended.stderr
    assert "Traceback" not in ended.stderr and time.monotonic() - began < 30
    return ended.stderr


def test_a_start_says_what_is_wrong_with_the_files(tmp_path: Path, pair: Pair) -> None:
    other = certificates.make(tmp_path, "other")
    assert "is not the key of" in refused(tmp_path / "data", "--tls-cert", str(pair.cert), "--tls-key", str(other.key))
    assert "both" in refused(tmp_path / "data", "--tls-cert", str(pair.cert))
    assert "both" in refused(tmp_path / "data", "--tls-key", str(pair.key))


def test_what_can_be_wrong_with_the_files(tmp_path: Path, pair: Pair) -> None:
    none, garbage = tmp_path / "none.pem", tmp_path / "garbage.pem"
    garbage.write_text("-----BEGIN CERTIFICATE-----\ngarbage\n-----END CERTIFICATE-----\n")
    rsa, locked = certificates.make(tmp_path, "rsa", "rsa"), certificates.make(tmp_path, "locked", passphrase="secret")
    wrong = {
        f"cannot read {none}": [(none, pair.key), (pair.cert, none)],
        f"cannot read {tmp_path}": [(pair.cert, tmp_path)],
        "is not the key of": [(pair.cert, rsa.key), (rsa.cert, pair.key)],
        "are not a certificate and its key": [(pair.key, pair.cert), (garbage, pair.key), (pair.cert, garbage)],
        "has a passphrase": [locked],
    }
    for words, files in wrong.items():
        for cert, key in files:
            with pytest.raises(StartError, match=re.escape(words)):
                tls.load(cert, key)


def test_a_public_url(tmp_path: Path, pair: Pair) -> None:
    url = "https://events.example"
    server = Server(tmp_path / "data", *pair.options, "--public-url", url + "/", ca=pair.cert)
    try:
        server.start()
        assert server.credentials()["url"] == url
        until(lambda: f"curl {url}/v1/events/batch" in server.log(), what="it greets")
    finally:
        server.kill_group()
    assert "--public-url" in refused(tmp_path / "data", "--public-url", "events.example")


def closed_after(connection: socket.socket) -> float:
    """Seconds until the server closes."""
    began = time.monotonic()
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - began


def test_a_handshake_that_never_ends_is_ended(secure: Server) -> None:
    """Many of them at once, and a good client beside them."""
    starts = [b"", b"\x16\x03\x01", b"\x16\x03\x01\x40\x00\x01"] * 50
    many = [socket.create_connection(("127.0.0.1", secure.port), timeout=30) for _ in starts]
    for connection, start in zip(many, starts, strict=True):
        connection.sendall(start)
    with secure.client() as client:
        assert client.get("/v1/signals").status_code == 200
    assert closed_after(many[0]) < HANDSHAKE_SECONDS + 10
    for connection in many:
        assert closed_after(connection) < 5
        connection.close()


@pytest.mark.torture
@pytest.mark.parametrize("start", [b"", b"\x16\x03\x01\x40\x00\x01"], ids=["silent", "begun"])
def test_10_000_handshakes_that_never_end(secure: Server, start: bytes) -> None:
    """Memory stays, a good client gets in."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    before, many = secure.resident("gateway"), []
    for number in range(10_000):
        connection = socket.create_connection(("127.0.0.1", secure.port), timeout=30)
        connection.sendall(start)
        many.append(connection)
        if number % 1000 == 999:
            with secure.client() as client:
                assert client.get("/v1/signals").status_code == 200
    print(f"gateway MiB: {before} to {secure.resident('gateway')}")
    assert secure.resident("gateway") < before + 200
    for connection in many:
        connection.close()


@pytest.mark.torture
def test_a_handshake_that_drips_is_ended(secure: Server) -> None:
    began = time.monotonic()
    gone = suppress(BrokenPipeError, ConnectionResetError)
    with socket.create_connection(("127.0.0.1", secure.port), timeout=30) as connection, gone:
        connection.sendall(b"\x16\x03\x01\x40\x00")
        while time.monotonic() - began < HANDSHAKE_SECONDS + 10:
            connection.sendall(b"\x01")
            time.sleep(0.5)
    assert time.monotonic() - began < HANDSHAKE_SECONDS + 10


def test_a_slow_head_over_tls_is_ended(secure: Server, pair: Pair) -> None:
    context = ssl.create_default_context(cafile=pair.cert)
    with (
        socket.create_connection(("127.0.0.1", secure.port), timeout=40) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"GET /v1/signals HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_leaves_without_goodbye(secure: Server, pair: Pair) -> None:
    """Its connection goes, too: none is left in the gateway's books."""
    context = ssl.create_default_context(cafile=pair.cert)
    for _ in range(20):
        plain = socket.create_connection(("127.0.0.1", secure.port), timeout=10)
        connection = context.wrap_socket(plain, server_hostname="127.0.0.1")
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.recv(65536)
        os.close(connection.detach())

    def gone() -> bool:
        with open(f"/proc/{secure.pids()['gateway']}/net/tcp") as table:
            local = f"0100007F:{urlsplit(secure.url).port:04X}"
            states = [line.split()[3] for line in table if line.split()[1] == local]
        return states.count("08") == 0  # CLOSE_WAIT: the peer has gone, and we have not

    until(gone, 20, "no connection waits to be closed")
