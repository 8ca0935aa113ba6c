"""Signing in to the dashboard: by a key, or by a link that works once, and for the browser's session from then on."""

import logging
from typing import Any, NoReturn

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from headwater.catalog.base import Catalog, Key, Principal, Scope
from headwater.clock import iso_or_none, now_ms, to_iso
from headwater.errors import ForbiddenError, InvalidError, ThrottledError, UnauthenticatedError
from headwater.web.asking import errors
from headwater.web.changing import Change, at_once
from headwater.web.cookie import CLEARED, Session, set_cookie
from headwater.web.forwarded import Clients
from headwater.web.manage import Reader
from headwater.web.metrics import GatewayMetrics
from headwater.web.onetime import Links, OneTimeLinks
from headwater.web.problems import MEDIA_TYPE
from headwater.web.session import SESSION, Sessions
from headwater.web.shapes import Body
from headwater.web.throttle import Throttle, name_of

logger = logging.getLogger("headwater.signin")

TAG = "Signing in"
PATH = "/v1/session"
"""Needs no key; what is below it does."""
MAX_BODY = 4096
"""Bytes of what is sent to `PATH`: it is read before anybody is known."""

_FAILURES, _FAILURES_OVERALL = 10, 100
_MADE = 30
"""Sessions and links of one key in a minute: each is a line of the audit, and holds up the gateway while it is
written."""
_NO_LIMIT = 1 << 62

_OPEN: dict[str, Any] = {"security": []}
_NO_STORE = {"cache-control": "no-store"}


class SignInBody(Body):
    """One of the two."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"key": "sk_…"}, {"link": "…"}]})

    key: str | None = Field(default=None, max_length=200, description="An API key with the scope `read` or `admin`.")
    link: str | None = Field(default=None, max_length=200, description="What stands behind the `#` of a sign-in link.")


class SessionWorkspace(BaseModel):
    id: str = Field(examples=["ws_bFyqj0qg"])
    name: str = Field(examples=["default"])


class SessionKey(BaseModel):
    id: str = Field(examples=["key_9XbC01zK"])
    name: str = Field(examples=["first key"])
    scopes: list[Scope]


class SessionAnswer(BaseModel):
    """Who asks."""

    workspace: SessionWorkspace
    key: SessionKey
    expires_at: str | None = Field(
        description="ISO 8601, UTC: the session's end; of a key, its own, or null.",
        examples=["2026-11-29T04:05:06.789Z"],
    )


class LinkAnswer(BaseModel):
    url: str = Field(
        description="Opened in a browser it signs in, once.", examples=["https://events.example.com/ui/sign-in#…"]
    )
    expires_at: str = Field(description="ISO 8601, UTC.", examples=["2026-11-22T04:20:06.789Z"])


class SignIn:
    """The three calls of `/v1/session` and the one below."""

    def __init__(
        self,
        catalog: Catalog,
        sessions: Sessions,
        clients: Clients,
        metrics: GatewayMetrics,
        url: str,
        links: Links,
        change: Change,
    ) -> None:
        """`url`: where clients reach this server."""
        self._catalog = catalog
        self._sessions = sessions
        self._clients = clients
        self._metrics = metrics
        self._url = url
        self._links = links
        self._change = change
        self._failures = Throttle(_FAILURES, _FAILURES_OVERALL)
        self._made = Throttle(_MADE, _NO_LIMIT)

    async def begin(self, request: Request, response: Response, body: SignInBody) -> SessionAnswer:
        """The answer sets the cookie `__Host-headwater`, with which every call works as with the key, from this
        server's own pages alone. Give either `key` or `link`; a link is spent by the first who gives it.

        After ten refusals in a minute an address is refused whatever it gives; after a hundred from anywhere, an
        address that was refused once.
        """
        if (body.key is None) == (body.link is None):
            raise InvalidError("give 'key' or 'link', the one or the other", "key")
        address = self._clients.address(dict(request.scope))
        self._check_failures(name_of(address))
        key, until = self._found(body)
        if key is None:
            self._fail(name_of(address))
        _check_reads(key)
        self._count(key.id)
        if (token := body.link) is not None:  # only now: who is refused can come again
            link = await self._change(lambda: self._links.spend(token, now_ms()))
            if link is None:  # somebody else was sooner, at another gateway
                self._fail(name_of(address))
        session, value = self._sessions.begin(key, address, until)
        self._metrics.sign_in("done")
        response.headers["set-cookie"] = set_cookie(value, max(1, (session.expires_ms - now_ms()) // 1000))
        response.headers.update(_NO_STORE)
        return self._answer(key, session.expires_ms)

    async def show(self, request: Request, response: Response, who: Reader) -> SessionAnswer:
        """By cookie or key alike."""
        response.headers.update(_NO_STORE)
        key = self._key(who)
        session = _session(request)
        return self._answer(key, session.expires_ms if session else key.expires_ms)

    async def end(self, request: Request) -> Response:
        """Takes the cookie away and ends the session, so that a copy of it is no good either. Without a session
        nothing happens. A 503 says that the session has ended, but a restart might bring it back: ask again."""
        session, principal = _session(request), request.scope.get("headwater.principal")
        if session and isinstance(principal, Principal):
            self._sessions.end(session, principal)
        elif "authorization" not in request.headers:
            self._sessions.end_again(request.headers.get("cookie", "").encode("latin-1"))
        return Response(status_code=204, headers={"set-cookie": CLEARED, **_NO_STORE})

    async def link(self, request: Request, response: Response, who: Reader) -> LinkAnswer:
        """It signs in once, within 15 minutes, as the key that asks; one that a session makes, until that session's
        own end. What tells it apart stands behind a `#`, and so reaches no server's log. On one machine a restart ends
        all links."""
        self._count(who.key_id)
        session = _session(request)
        token, link = self._links.make(who.key_id, now_ms(), session.expires_ms if session else None)
        self._sessions.note(who.actor, who.workspace, "session.link", who.key_id)
        response.headers.update(_NO_STORE)
        return LinkAnswer(url=f"{self._url}/ui/sign-in#{token}", expires_at=to_iso(link.expires_ms))

    def _found(self, body: SignInBody) -> tuple[Key | None, int | None]:
        """The key that somebody signs in with, and when the session ends at the latest."""
        if body.key is not None:
            principal = self._catalog.principal(body.key.strip())
            return (self._catalog.key(principal.key_id) if principal else None), None
        link = self._links.find(body.link or "", now_ms())
        return (self._catalog.key(link.key_id), link.until_ms) if link else (None, None)

    def _key(self, who: Principal) -> Key:
        key = self._catalog.key(who.key_id)
        if key is None:  # it ended in this very moment
            raise UnauthenticatedError("A valid API key is required.")
        return key

    def _answer(self, key: Key, ends: int | None) -> SessionAnswer:
        workspace = self._catalog.workspace(key.workspace)
        return SessionAnswer(
            workspace=SessionWorkspace(id=workspace.id, name=workspace.name),
            key=SessionKey(id=key.id, name=key.name, scopes=sorted(key.scopes)),
            expires_at=iso_or_none(ends),
        )

    # --- how often ---------------------------------------------------------------------------------------------------
    # A key has 190 random bits, and nobody guesses one at any speed; what is held up is trying a list of leaked ones.
    # So a good key is refused with the bad ones of its address, or it would be no throttle. It is not refused for
    # what others do: else a hundred bad requests a minute from anywhere would keep everybody out.

    def _check_failures(self, name: str) -> None:
        if seconds := self._failures.wait(name):
            self._metrics.sign_in("throttled")
            raise ThrottledError("Too many failed sign-ins. Try again later.", seconds)

    def _fail(self, name: str) -> NoReturn:
        self._metrics.sign_in("refused")
        total = self._failures.count(name)
        if total in (1, 10, 100, 1000):  # more lines would be the sender's to write
            logger.warning("sign-ins were refused; this minute: %d", total)
        raise UnauthenticatedError("This is no key or link that works here: it may have ended, or been used.")

    def _count(self, key_id: str) -> None:
        if seconds := self._made.wait(key_id):
            raise ThrottledError("This key signs in too often. Try again later.", seconds)
        self._made.count(key_id)


def _check_reads(key: Key) -> None:
    if key.scopes.isdisjoint(("read", "admin")):
        raise ForbiddenError("This key may not read; the dashboard needs one with the scope `read` or `admin`.")


def _session(request: Request) -> Session | None:
    found = request.scope.get(SESSION)
    return found if isinstance(found, Session) else None


_THROTTLED: dict[int | str, dict[str, Any]] = {
    429: {
        "description": "Too often: come back after `Retry-After` seconds",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


def router(
    catalog: Catalog,
    sessions: Sessions,
    clients: Clients,
    metrics: GatewayMetrics,
    url: str,
    links: Links | None = None,
    change: Change = at_once,
) -> APIRouter:
    """The routes. `links`: None for some of its own, in memory. `change` runs what changes the catalog. Errors are
    raised as exceptions: see `web.problems`."""
    routes = APIRouter(tags=[TAG])
    sign_in = SignIn(catalog, sessions, clients, metrics, url, OneTimeLinks() if links is None else links, change)
    for method, path, call, summary, status, told, extra in (
        ("POST", PATH, sign_in.begin, "Sign in", 200, (400, 413), _OPEN),
        ("GET", PATH, sign_in.show, "Show who is signed in", 200, (), None),
        ("DELETE", PATH, sign_in.end, "Sign out", 204, (), _OPEN),
        ("POST", f"{PATH}/links", sign_in.link, "Make a sign-in link", 201, (413,), None),
    ):
        routes.add_api_route(
            path,
            call,
            methods=[method],
            status_code=status,
            summary=summary,
            responses=errors(*told) | (_THROTTLED if method == "POST" else {}),
            openapi_extra=extra,
        )
    # Behind the others, for every method: left to itself, a 405 tells of the first of them alone.
    routes.add_route(PATH, _refuse, methods=[], include_in_schema=False)
    return routes


async def _refuse(request: Request) -> Response:
    raise HTTPException(405, headers={"allow": "GET, POST, DELETE"})
