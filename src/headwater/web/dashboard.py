"""The dashboard's files under `/ui/`, as they were built, from memory.

No path of a request reaches the disk: what there is was read at the start, and a path is looked up among it. Pages have
addresses of their own (`/ui/cohorts/coh_…`), all of which answer index.html, and the script there finds the page.
"""

import hashlib
import logging
import re
import secrets
from importlib import resources
from importlib.resources.abc import Traversable
from urllib.parse import unquote_to_bytes

import msgspec

from headwater.web.answers import Receive, Scope, Send

logger = logging.getLogger("headwater.dashboard")

ROOT = "/ui/"
_INDEX = "index.html"
NONCE = "__CSP_NONCE__"
"""What stands in index.html for a number used once."""

GET_IT = "Install Node 20.19 or later, run `make install` again, and restart headwater."

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "webmanifest": "application/manifest+json",
    "woff2": "font/woff2",
}
_ENCODINGS = {"br": "br", "gz": "gzip"}
"""Of the siblings that the build makes, by their ending; the better first."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{nonce}; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_COMMON = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"permissions-policy",
        b"accelerometer=(), autoplay=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), "
        b"microphone=(), midi=(), payment=(), usb=()",
    ),
)
_FOREVER = b"public, max-age=31536000, immutable"
_QUALITY = re.compile(r"\s*;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*$", re.IGNORECASE)

_GET_IT = re.sub("`([^`]*)`", r"<code>\1</code>", GET_IT)
_LEFT_OUT = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>headwater</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<style nonce="{NONCE}">:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;
margin:0 auto;padding:2rem 1.5rem}}</style></head><body><h1>The dashboard was left out of this installation</h1>
<p>{_GET_IT}</p>
<p>Everything else works: <a href="/docs">the API</a>.</p></body></html>"""

Headers = list[tuple[bytes, bytes]]


class File(msgspec.Struct, frozen=True):
    """One file of the build, and what it is in other encodings."""

    type: str
    plain: bytes
    packed: dict[str, bytes]
    """By the encoding's name."""
    tag: str
    """A hash of `plain`."""


class Dashboard:
    """ASGI application for `/`, `/ui` and everything below. `files` by their path in the build; empty: left out."""

    def __init__(self, files: dict[str, File]) -> None:
        self._files = {path: file for path, file in files.items() if path != _INDEX}
        index = files.get(_INDEX)
        self._index = index.plain.decode() if index else _LEFT_OUT
        self._status = 200 if index else 404

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, headers, body = self._answer(scope)
        if scope["method"] == "HEAD":
            headers, body = [*headers, (b"content-length", b"%d" % len(body))], b""
        else:
            headers = [*headers, (b"content-length", b"%d" % len(body))] if status != 304 else headers
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, scope: Scope) -> tuple[int, Headers, bytes]:
        path: str = scope["path"]
        if scope["method"] not in ("GET", "HEAD"):
            return 405, [*_plain(), (b"allow", b"GET, HEAD")], b"only GET and HEAD are answered here\n"
        if not path.startswith(ROOT):
            return 307, [*_headers(), (b"location", ROOT.encode()), (b"cache-control", b"no-cache")], b""
        name = path.removeprefix(ROOT)
        if file := self._files.get(name):
            return _sent(file, name, dict(scope["headers"]))
        if name != _INDEX and _is_missing(scope["raw_path"]):
            return 404, _plain(), b"there is no such file\n"
        return self._page()

    def _page(self) -> tuple[int, Headers, bytes]:
        """With a nonce of its own, so it is never kept: an old one under a new policy would have no styles."""
        nonce = secrets.token_urlsafe(18)
        headers = [*_headers(nonce), (b"content-type", _TYPES["html"].encode()), (b"cache-control", b"no-store")]
        return self._status, headers, self._index.replace(NONCE, nonce).encode()


def is_dashboards(path: str) -> bool:
    """Whether the dashboard answers at this path."""
    return path in ("/", "/ui") or path.startswith(ROOT)


def is_built() -> bool:
    """Whether this installation has the dashboard."""
    return _folder().joinpath(_INDEX).is_file()


def load() -> dict[str, File]:
    """The installed build; empty when it was left out. A few MB."""
    if not is_built():
        logger.warning("the dashboard was left out of this installation. %s", GET_IT)
        return {}
    return read(_folder())


def read(folder: Traversable) -> dict[str, File]:
    """Files below a folder by their path there, but hidden ones."""
    found = dict(_walk(folder, ""))
    packed = {name for name in found if name.rpartition(".")[2] in _ENCODINGS and name.rpartition(".")[0] in found}
    return {name: _file(name, found) for name in found.keys() - packed}


def _folder() -> Traversable:
    return resources.files("headwater").joinpath("dashboard")


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for each in folder.iterdir():
        if each.name.startswith("."):
            continue
        if each.is_dir():
            found += _walk(each, f"{prefix}{each.name}/")
        else:
            found.append((prefix + each.name, each.read_bytes()))
    return found


def _file(name: str, found: dict[str, bytes]) -> File:
    packed = {coding: found[f"{name}.{ending}"] for ending, coding in _ENCODINGS.items() if f"{name}.{ending}" in found}
    type_ = _TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    return File(type_, found[name], packed, hashlib.sha256(found[name]).hexdigest()[:32])


def _is_missing(raw: bytes) -> bool:
    """What can be no page: a file that is not there, or a way out of here. In pages' own addresses anything may stand,
    dots and encoded slashes too: `/ui/profiles/..%2Fx`."""
    parts = [unquote_to_bytes(part) for part in raw.split(b"?")[0].split(b"/")[2:]] or [b""]
    return parts[0] == b"assets" or (len(parts) == 1 and b"." in parts[0]) or b"." in parts or b".." in parts


def _sent(file: File, name: str, asked: dict[bytes, bytes]) -> tuple[int, Headers, bytes]:
    coding = _chosen(file, asked.get(b"accept-encoding", b"").decode("latin-1"))
    tag = f'"{file.tag}{"-" + coding if coding else ""}"'.encode()
    kept = _FOREVER if name.startswith("assets/") else b"no-cache"
    headers = [*_headers(), (b"etag", tag), (b"cache-control", kept), (b"vary", b"accept-encoding")]
    if _knows(asked.get(b"if-none-match", b""), tag):
        return 304, headers, b""
    headers.append((b"content-type", file.type.encode()))
    if coding:
        headers.append((b"content-encoding", coding.encode()))
    return 200, headers, file.packed[coding] if coding else file.plain


def _chosen(file: File, accepted: str) -> str:
    """The encoding the client likes best among those there are; empty: none, which everybody takes."""
    wanted = _qualities(accepted)
    least = wanted.get("identity", 0.0)
    best = max(file.packed, key=lambda coding: _liked(wanted, coding), default="")
    liked = _liked(wanted, best) if best else 0.0
    return best if liked > 0 and liked >= least else ""


def _liked(wanted: dict[str, float], coding: str) -> float:
    return wanted.get(coding, wanted.get("*", 0.0))


def _qualities(accepted: str) -> dict[str, float]:
    """`br;q=0.5, gzip` (RFC 9110 12.5.3); an item that makes no sense counts as not wanted."""
    found = {}
    for item in accepted.lower().split(","):
        name, mark, rest = item.strip().partition(";")
        quality = _QUALITY.fullmatch(mark + rest) if mark else None
        found[name.strip()] = 1.0 if not mark else min(float(quality[1]), 1.0) if quality else 0.0
    return found


def _knows(header: bytes, tag: bytes) -> bool:
    return any(each.strip().removeprefix(b"W/") in (tag, b"*") for each in header.split(b",")) if header else False


def _headers(nonce: str = "") -> Headers:
    policy = _POLICY.format(nonce=f" 'nonce-{nonce}'" if nonce else "")
    return [*_COMMON, (b"content-security-policy", policy.encode())]


def _plain() -> Headers:
    return [*_headers(), (b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
