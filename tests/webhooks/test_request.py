"""One request: to an address that was looked at, and to no other."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest

from headwater.rules.address import Network, networks
from headwater.webhooks import request
from headwater.webhooks.request import KEPT, Poster, Reply
from receiving import receiving
from tools import lack, need

HERE = networks(["127.0.0.1"])
"""Allowed here; 127.0.0.2 is this machine just as much, and is not."""


class Names:
    """A name server that gives other addresses each time."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if not self._answers:
            raise OSError("nobody knows it")
        return self._answers.pop(0)


def posted(
    url: str,
    names: Names,
    times: int = 1,
    tls: ssl.SSLContext | None = None,
    allowed: Sequence[Network] = HERE,
) -> list[Reply]:
    async def run() -> list[Reply]:
        poster = Poster(allowed, names, tls)
        try:
            return [await poster.post(url, {"webhook-id": "msg_1"}, b"{}") for _ in range(times)]
        finally:
            await poster.close()

    return asyncio.run(run())


def test_a_name_is_resolved_once_and_what_was_judged_is_what_is_reached() -> None:
    names = Names(["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1"])
    with receiving() as public, receiving("127.0.0.2", public.port) as private:
        first, second, third = posted(f"http://hooks.example:{public.port}/a?b=c", names, 3)
        assert not private.got()
    assert (first.status, first.error) == (200, "") and third.status == 200
    assert second.status is None and second.error.startswith("not sent: 'url' must lead to a public address")
    assert names.asked == ["hooks.example"] * 3, "once for each request"
    assert [(each.path, each.headers["host"]) for each in public.got()] == [
        ("/a?b=c", f"hooks.example:{public.port}")
    ] * 2


@pytest.mark.parametrize("other", ["10.0.0.1", "127.0.0.2", "::1", "::ffff:169.254.169.254", "64:ff9b::7f00:2"])
def test_of_several_addresses_none_may_be_private(other: str) -> None:
    with receiving() as receiver:
        for answer in (["127.0.0.1", other], [other, "127.0.0.1"]):
            (reply,) = posted(f"http://hooks.example:{receiver.port}/", Names(answer))
            assert reply.status is None and "resolves to one that is" in reply.error
        assert not receiver.got()


def test_an_address_that_nobody_listens_on_leaves_the_next_one() -> None:
    with receiving() as receiver:
        url = f"http://hooks.example:{receiver.port}/"
        reply, _ = posted(url, Names(["::ffff:127.0.0.1", "127.0.0.1"], ["127.0.0.1"]), 2)
        assert reply.status == 200


def test_no_redirect_is_followed_and_nothing_is_kept() -> None:
    with receiving("127.0.0.2") as private, receiving() as receiver:
        receiver.answer = lambda _: (307, {"location": private.url, "set-cookie": "a=b"}, b"")
        replies = posted(receiver.url, Names(), 2)
        assert {reply.error for reply in replies} == {"answered 307: redirects are not followed"}
        assert len(receiver.got()) == 2 and not private.got()
        assert all("cookie" not in each.headers for each in receiver.got())


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver, receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        (reply,) = posted(receiver.url, Names())
        assert reply.status == 200 and not proxy.got()


def test_an_answer_is_read_so_far_and_no_further() -> None:
    with receiving() as receiver:
        receiver.answer = lambda _: (200, {}, b"x" * (4 << 20))
        (reply,) = posted(receiver.url, Names())
        assert (reply.status, reply.answer) == (200, b"x" * KEPT)


def test_a_receiver_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "TOTAL_SECONDS", 0.2)
    with receiving() as receiver:
        go_on = Event()

        def waiting(_: object) -> tuple[int, dict[str, str], bytes]:
            go_on.wait(10)
            return 200, {}, b""

        receiver.answer = waiting
        (reply,) = posted(receiver.url, Names())
        go_on.set()
        assert reply.status is None and reply.error


def test_what_cannot_be_reached_is_told() -> None:
    with receiving() as receiver:
        port = receiver.port
    (reply,) = posted(f"http://127.0.0.1:{port}/", Names())
    assert reply.status is None and reply.error.startswith("ConnectError")
    (reply,) = posted("http://hooks.example/", Names())
    assert reply.error == "not sent: OSError: its host cannot be resolved: OSError: nobody knows it"
    (reply,) = posted("http://hooks.example/", Names([]))
    assert reply.error == "not sent: OSError: its host has no address"


def test_tls_goes_by_the_name_and_not_by_the_address(tmp_path: Path) -> None:
    cert, key = tmp_path / "hooks.pem", tmp_path / "hooks.key"
    command = [need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=hooks"]
    subprocess.run([*command, "-addext", "subjectAltName=DNS:hooks.example"], check=True, capture_output=True)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(cert, key)
    with receiving(tls=serving) as receiver:
        trusting = ssl.create_default_context(cafile=str(cert))
        (good,) = posted(f"https://hooks.example:{receiver.port}/", Names(["127.0.0.1"]), tls=trusting)
        (other,) = posted(f"https://other.example:{receiver.port}/", Names(["127.0.0.1"]), tls=trusting)
        (strange,) = posted(f"https://hooks.example:{receiver.port}/", Names(["127.0.0.1"]))
        assert good.status == 200 and receiver.names[0] == "hooks.example"
        assert other.status is None and "CERTIFICATE_VERIFY_FAILED" in other.error
        assert strange.status is None and "CERTIFICATE_VERIFY_FAILED" in strange.error
        assert len(receiver.got()) == 1


def test_an_ipv6_address_is_reached_as_it_is_written() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        lack("there is no IPv6 here")
    with receiving("::1") as receiver:
        url = f"http://[::1]:{receiver.port}/hook"
        (reply,) = posted(url, Names(), allowed=networks(["::1"]))
        assert reply.status == 200 and receiver.got()[0].headers["host"] == f"[::1]:{receiver.port}"
        (reply,) = posted(url, Names())
        assert reply.status is None and "loopback" in reply.error
