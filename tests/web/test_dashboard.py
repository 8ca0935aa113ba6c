"""The dashboard's files through a real gateway that was installed with a small build, and through one without."""

import gzip
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from harness import Server, running
from installs import installed
from wire.client import parse, raw

INDEX = b'<!doctype html><meta name="csp-nonce" content="__CSP_NONCE__"><script src="/ui/assets/app-1a2b.js"></script>'
SCRIPT = b"console.log(1)\n" * 100
BUILD: Mapping[str, bytes] = {
    "index.html": INDEX,
    "assets/app-1a2b.js": SCRIPT,
    "assets/app-1a2b.js.br": b"brotli",
    "assets/app-1a2b.js.gz": gzip.compress(SCRIPT),
    "assets/font-3c4d.woff2": b"font",
    "icon.svg": b"<svg/>",
    ".built": b"a hash",
}
JS = "/ui/assets/app-1a2b.js"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("dashboard")
    with running(Server(folder / "data", environment=installed(folder, BUILD))) as started:
        yield started


@pytest.fixture
def client(serving: Server) -> Iterator[httpx.Client]:
    """It asks for no encoding and follows nothing."""
    with httpx.Client(base_url=serving.url, trust_env=False, headers={"accept-encoding": "identity"}) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/ui"])
def test_the_root_leads_to_it(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (307, "/ui/")


PAGES = [
    "/ui/",
    "/ui/index.html",
    "/ui/live",
    "/ui/cohorts/coh_1?x=1",
    "/ui/profiles/email%3Aa%40b.example",
    "/ui/sign-in",
]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_index_html(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store" and "etag" not in answer.headers
    assert re.sub(rb'content="[^"]+"', b'content="__CSP_NONCE__"', answer.content) == INDEX


def test_each_answer_has_a_nonce_of_its_own(client: httpx.Client) -> None:
    nonces = set()
    for _ in range(5):
        answer = client.get("/ui/")
        (nonce,) = re.findall(r'content="([\w-]{24})"', answer.text)
        assert f"style-src 'self' 'nonce-{nonce}'; " in answer.headers["content-security-policy"]
        nonces.add(nonce)
    assert len(nonces) == 5


@pytest.mark.parametrize("path", ["/", "/ui/", JS, "/ui/icon.svg", "/ui/assets/gone.js"])
def test_the_headers_of_every_answer(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    policy = re.sub(" 'nonce-[^']*'", "", headers["content-security-policy"])
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "set-cookie" not in headers and "strict-transport-security" not in headers


def test_hashed_files_are_kept_for_good(client: httpx.Client) -> None:
    answer = client.get(JS)
    assert answer.content == SCRIPT and answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert client.get("/ui/assets/font-3c4d.woff2").headers["content-type"] == "font/woff2"


def test_others_are_asked_for_again(client: httpx.Client) -> None:
    answer = client.get("/ui/icon.svg")
    assert answer.headers["cache-control"] == "no-cache" and answer.headers["content-type"] == "image/svg+xml"
    tag = answer.headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = client.get("/ui/icon.svg", headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag), known
    assert client.get("/ui/icon.svg", headers={"if-none-match": '"x"'}).status_code == 200


ENCODINGS = [
    ("", None),
    ("identity", None),
    ("gzip", "gzip"),
    ("gzip, deflate, br, zstd", "br"),
    ("br;q=0.5, gzip", "gzip"),
    ("br;q=0, gzip;q=0.1", "gzip"),
    ("GZIP;Q=1.0", "gzip"),
    ("br;q=0", None),
    ("*", "br"),
    ("*;q=0", None),
    ("br;q=0, *", "gzip"),
    ("gzip;q=0.2, identity;q=0.5", None),
    ("br;q=x, gzip;q=", None),
    ("br;level=1", None),
    (";;,,;q=", None),
    ("zstd", None),
]


@pytest.mark.parametrize(("accepted", "coding"), ENCODINGS)
def test_the_encoding_that_the_client_likes(client: httpx.Client, accepted: str, coding: str | None) -> None:
    with client.stream("GET", JS, headers={"accept-encoding": accepted}) as answer:
        body = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == coding and answer.headers["vary"] == "accept-encoding"
    assert body == {None: SCRIPT, "br": b"brotli", "gzip": BUILD["assets/app-1a2b.js.gz"]}[coding]
    assert int(answer.headers["content-length"]) == len(body)
    assert answer.headers["etag"].endswith(f'-{coding}"') if coding else "-" not in answer.headers["etag"]


def test_every_encoding_has_its_own_tag(client: httpx.Client) -> None:
    tag = client.get(JS).headers["etag"]
    same = {"if-none-match": tag, "accept-encoding": "identity"}
    assert client.get(JS, headers=same).status_code == 304
    assert client.get(JS, headers=same | {"accept-encoding": "gzip"}).status_code == 200


MISSING = [
    "/ui/assets/gone.js",
    "/ui/assets/",
    "/ui/assets",
    "/ui/assets/app-1a2b.js.br",
    "/ui/gone.png",
    "/ui/.built",
    "/ui/icon.svg.gz",
]


@pytest.mark.parametrize("path", MISSING)
def test_what_is_no_page_and_not_there(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404 and answer.headers["cache-control"] == "no-store"
    assert b"<" not in answer.content


TRICKS = [
    "/ui/../v1/signals",
    "/ui/..",
    "/ui/./",
    "/ui/%2e%2e/%2e%2e/pyproject.toml",
    "/ui/%2e%2e%2fdata%2fcredentials.json",
    "/ui/..%5c..%5ccredentials.json",
    "/ui/assets/../../__init__.py",
    "/ui/assets/%2e%2e/index.html",
    "/ui/assets//app-1a2b.js",
    "/ui/assets/app-1a2b.js/",
    "/ui/assets/app-1a2b.js%00",
    "/ui/assets/APP-1a2b.js",
]


@pytest.mark.parametrize("path", TRICKS)
def test_no_path_leads_out(serving: Server, path: str) -> None:
    assert get(serving, path).startswith(b"HTTP/1.1 404 "), path


@pytest.mark.parametrize("path", ["//ui/", "//evil.example/", "/UI/", "/uix", "//", "/%2fui/"])
def test_what_only_looks_like_it_needs_a_key(serving: Server, path: str) -> None:
    answer = get(serving, path)
    assert answer.startswith(b"HTTP/1.1 401 ") and b"location" not in answer.lower(), path


@pytest.mark.parametrize(
    "path",
    [
        "/ui%2f",
        "/ui%2fassets%2fx",
        "/ui/profiles/..%2Fx",
        "/ui/signals/a.b",
        "/ui//evil.example",
        "/ui/%00",
        "/ui/%ff%fe",
        "/ui/" + "x/" * 5000,
    ],
)
def test_odd_pages_are_pages(serving: Server, path: str) -> None:
    answer = get(serving, path)
    assert answer.startswith(b"HTTP/1.1 200 ") and b"evil" not in answer, path


def get(server: Server, path: str) -> bytes:
    """The path as it stands, which clients would mend."""
    return raw(server.url, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())


@pytest.mark.parametrize("path", ["/", "/ui/", JS, "/ui/icon.svg", "/ui/assets/gone.js"])
def test_head_is_get_without_its_body(serving: Server, client: httpx.Client, path: str) -> None:
    answer = parse(raw(serving.url, f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()))
    whole = client.get(path)
    assert (answer.status, answer.body) == (whole.status_code, b"")
    assert answer.headers["content-length"] == whole.headers["content-length"] == str(len(whole.content))
    assert set(answer.headers) == set(whole.headers) | {"connection"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/ui/", JS])
def test_other_methods_are_refused(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_the_docs_have_a_policy_of_their_own(client: httpx.Client) -> None:
    assert client.get("/docs").headers["content-security-policy"].startswith("default-src 'none'; style-src")


def test_an_installation_without_it_says_so(tmp_path: Path) -> None:
    with (
        running(Server(tmp_path / "data", environment=installed(tmp_path, {}))) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        for path in ("/ui/", "/ui/live"):
            answer = client.get(path)
            assert answer.status_code == 404 and answer.headers["content-type"].startswith("text/html")
            assert "left out" in answer.text and "Node 20.19" in answer.text and "make install" in answer.text
            (nonce,) = re.findall(r'<style nonce="([\w-]+)">', answer.text)
            assert f"'nonce-{nonce}'" in answer.headers["content-security-policy"]
        assert client.get("/").headers["location"] == "/ui/"
        assert client.get("/ui/assets/app.js").status_code == 404
        assert client.post("/v1/session", json={"key": server.key}).status_code == 200
