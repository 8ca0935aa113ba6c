"""The management calls: signals, schema versions, keys, audit, workspaces. All work on the asker's workspace."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from fastapi.params import Depends as Dependency
from msgspec import UNSET

from headwater.catalog.base import Catalog, NewSignal, Principal, Scope, SignalChanges, WorkspaceChanges
from headwater.clock import now_ms, parse_iso
from headwater.errors import ForbiddenError, InvalidError, NotFoundError, UnauthenticatedError
from headwater.rules.cursor import decoded, encoded, numbered
from headwater.web.changing import Change, at_once
from headwater.web.parameters import Cursor, Limit
from headwater.web.problems import MEDIA_TYPE
from headwater.web.shapes import (
    AuditAnswer,
    KeyAnswer,
    KeyBody,
    NewKeyAnswer,
    NewWorkspaceAnswer,
    Page,
    RotateBody,
    SignalAnswer,
    SignalBody,
    SignalPatch,
    VersionAnswer,
    VersionBody,
    WorkspaceAnswer,
    WorkspaceBody,
    WorkspacePatch,
)

T = TypeVar("T")

Drafts = Annotated[bool | None, Query(description="Only drafts, or only those that are none.")]

_NEW_KEY: frozenset[Scope] = frozenset(("ingest", "read"))
"""What a key may do that was asked for without scopes: send events and see what became of them."""
_GRACE_SECONDS = 86_400
MAY_BE_NULL = {"rate_limit", "dedupe_by", "retention_days"}
"""What null says something about; null for anything else is as if it were absent."""


# --- who asks ------------------------------------------------------------------------------------------------------


async def _principal(request: Request) -> Principal:
    """Whom the gateway found the request's key to belong to."""
    principal = request.scope.get("headwater.principal") or getattr(request.state, "principal", None)
    if not isinstance(principal, Principal):
        raise UnauthenticatedError("A valid API key is required: Authorization: Bearer sk_…")
    return principal


def _with(*scopes: Scope) -> Dependency:
    """A key that has one of the scopes; ForbiddenError for others."""

    async def allowed(principal: Annotated[Principal, Depends(_principal)]) -> Principal:
        if principal.scopes.isdisjoint(scopes):
            raise ForbiddenError(f"This key may not do that; it lacks the scope `{scopes[-1]}`.")
        return principal

    dependency: Dependency = Depends(allowed)
    return dependency


Reader = Annotated[Principal, _with("admin", "read")]
Admin = Annotated[Principal, _with("admin")]
Operator = Annotated[Principal, _with("operator")]


def _check_grant(principal: Principal, scopes: Iterable[Scope]) -> None:
    """Nobody hands out, renews or ends what reaches beyond the workspace but who has it."""
    if "operator" in scopes and "operator" not in principal.scopes:
        raise ForbiddenError("Only a key with the scope `operator` can do that with a key that has it.")


# --- lists ---------------------------------------------------------------------------------------------------------


def _page(
    items: Iterable[T], place: Callable[[T], str], limit: int, cursor: str | None, answer: Callable[[T], Any]
) -> Any:
    """Items in the order of `place`, from behind the cursor on."""
    after = decoded(cursor)
    rest = sorted((item for item in items if place(item) > after), key=place)
    more = encoded(place(rest[limit - 1])) if len(rest) > limit else None
    return {"data": [answer(item) for item in rest[:limit]], "next": more}


# --- signals -------------------------------------------------------------------------------------------------------


class Signals:
    """`/v1/signals` and below."""

    def __init__(self, catalog: Catalog, change: Change) -> None:
        self._catalog, self._change = catalog, change

    async def create(self, who: Admin, body: SignalBody) -> SignalAnswer:
        """The next request may send its events. The slug is made from the name unless given; a slug once used, even
        by an archived signal, is never given again (409)."""
        asked = body.model_dump(exclude_none=True)
        asked["rate_limit"] = body.rate_limit if "rate_limit" in body.model_fields_set else UNSET
        new = NewSignal(**asked)
        made = await self._change(lambda: self._catalog.create_signal(who.actor, who.workspace, new))
        return SignalAnswer.of(made)

    async def list(
        self, who: Reader, draft: Drafts = None, limit: Limit = 100, cursor: Cursor = None
    ) -> Page[SignalAnswer]:
        """By slug; archived ones are left out."""
        known = self._catalog.signals_of(who.workspace).values()
        signals = [signal for signal in known if draft is None or signal.draft == draft]
        page: Page[SignalAnswer] = _page(signals, lambda signal: signal.slug, limit, cursor, SignalAnswer.of)
        return page

    async def show(self, who: Reader, slug: str) -> SignalAnswer:
        """404 also for other workspaces' signals."""
        signal = self._catalog.signal(who.workspace, slug)
        if signal is None:
            raise NotFoundError(f"there is no signal '{slug}'")
        return SignalAnswer.of(signal)

    async def change(self, who: Admin, slug: str, body: SignalPatch) -> SignalAnswer:
        """What is absent stays as it is; the next request obeys. Events taken already keep what they were given."""
        asked = body.model_dump(exclude_none=True)
        for field in MAY_BE_NULL & body.model_fields_set:
            asked[field] = getattr(body, field)
        changes = SignalChanges(**asked)
        changed = await self._change(lambda: self._catalog.update_signal(who.actor, who.workspace, slug, changes))
        return SignalAnswer.of(changed)

    async def archive(self, who: Admin, slug: str) -> None:
        """Its events are refused from the next request on; what was stored stays."""
        await self._change(lambda: self._catalog.archive_signal(who.actor, who.workspace, slug))

    async def publish(self, who: Admin, slug: str, body: VersionBody) -> VersionAnswer:
        """Versions are numbered 1, 2, … and never change. References outside the schema are refused; patterns know
        no look-around and no back-references; `format` is not enforced."""
        made = await self._change(lambda: self._catalog.add_version(who.actor, who.workspace, slug, body.schema_))
        return VersionAnswer.of(made)

    async def versions(self, who: Reader, slug: str, limit: Limit = 100, cursor: Cursor = None) -> Page[VersionAnswer]:
        """Oldest first."""
        versions = self._catalog.versions((await self.show(who, slug)).id)
        page: Page[VersionAnswer] = _page(
            versions, lambda version: f"{version.version:09}", limit, cursor, VersionAnswer.of
        )
        return page

    async def version(self, who: Reader, slug: str, n: int) -> VersionAnswer:
        """One published schema."""
        signal = await self.show(who, slug)
        if not self._catalog.has_version(signal.id, n):
            raise NotFoundError(f"signal '{slug}' has no version {n}")
        return VersionAnswer.of(self._catalog.versions(signal.id)[n - 1])


# --- keys ----------------------------------------------------------------------------------------------------------


class Keys:
    """`/v1/keys` and below."""

    def __init__(self, catalog: Catalog, change: Change) -> None:
        self._catalog, self._change = catalog, change

    async def create(self, who: Admin, body: KeyBody | None = None) -> NewKeyAnswer:
        """The key itself is told this once; only a keyed hash of it is kept. The body may be empty."""
        body = body or KeyBody.model_validate({})
        scopes = frozenset(body.scopes) if body.scopes else _NEW_KEY
        _check_grant(who, scopes)
        name, ends = body.name or "", _future("expires_at", body.expires_at)
        made = await self._change(lambda: self._catalog.create_key(who.actor, who.workspace, name, scopes, ends))
        return NewKeyAnswer.made(*made)

    async def list(self, who: Reader, limit: Limit = 100, cursor: Cursor = None) -> Page[KeyAnswer]:
        """Oldest first, revoked ones too, none with its secret."""
        keys = self._catalog.keys(who.workspace)
        page: Page[KeyAnswer] = _page(keys, lambda key: f"{key.created_ms:015}{key.id}", limit, cursor, KeyAnswer.of)
        return page

    async def revoke(self, who: Admin, id: str) -> None:
        """The next request with it is refused. Revoking it again changes nothing."""
        self._check_reach(who, id)
        await self._change(lambda: self._catalog.revoke_key(who.actor, who.workspace, id))

    async def rotate(self, who: Admin, id: str, body: RotateBody | None = None) -> NewKeyAnswer:
        """A new key of the same name and scopes. The old one works for `grace_seconds` more. The body may be empty."""
        self._check_reach(who, id)
        grace = _GRACE_SECONDS if body is None or body.grace_seconds is None else body.grace_seconds
        made = await self._change(lambda: self._catalog.rotate_key(who.actor, who.workspace, id, grace))
        return NewKeyAnswer.made(*made)

    async def audit(self, who: Reader, limit: Limit = 100, cursor: Cursor = None) -> Page[AuditAnswer]:
        """Who changed what in this workspace, and when; the newest first."""
        before = numbered(cursor)
        changes = await self._change(lambda: self._catalog.audit(who.workspace, limit + 1, before))
        more = encoded(str(changes[limit - 1].id)) if len(changes) > limit else None
        return Page(data=[AuditAnswer.of(change) for change in changes[:limit]], next=more)

    def _check_reach(self, who: Principal, id: str) -> None:
        for key in self._catalog.keys(who.workspace):
            if key.id == id:
                _check_grant(who, key.scopes)


def _future(field: str, text: str | None) -> int | None:
    if text is None:
        return None
    moment = parse_iso(text)
    if moment is None:
        raise InvalidError(f"'{field}' must be an ISO 8601 date", field)
    if moment <= now_ms():
        raise InvalidError(f"'{field}' must lie ahead", field)
    return moment


# --- workspaces ----------------------------------------------------------------------------------------------------


class Workspaces:
    """`/v1/workspaces`, for operators, and `/v1/workspace`, the asker's own."""

    def __init__(self, catalog: Catalog, change: Change) -> None:
        self._catalog, self._change = catalog, change

    async def create(self, who: Operator, body: WorkspaceBody) -> NewWorkspaceAnswer:
        """With its first key, which may do everything in it and nothing outside."""
        made = await self._change(lambda: self._catalog.create_workspace(who.actor, body.name, body.preset))
        return NewWorkspaceAnswer.made(*made)

    async def list(self, who: Operator, limit: Limit = 100, cursor: Cursor = None) -> Page[WorkspaceAnswer]:
        """All of this installation, by name."""
        workspaces = self._catalog.workspaces()
        page: Page[WorkspaceAnswer] = _page(workspaces, lambda each: each.name, limit, cursor, WorkspaceAnswer.of)
        return page

    async def show(self, who: Reader) -> WorkspaceAnswer:
        """The workspace of the key that asks."""
        return WorkspaceAnswer.of(self._catalog.workspace(who.workspace))

    async def change(self, who: Admin, body: WorkspacePatch) -> WorkspaceAnswer:
        """What is absent stays as it is. Profiles and cohorts follow within a second or, where the list of values that
        never connect changed, as soon as all events are looked at anew."""
        asked = body.model_dump(exclude_none=True)
        if "default_region" in body.model_fields_set:
            asked["default_region"] = body.default_region
        changes = WorkspaceChanges(**asked)
        changed = await self._change(lambda: self._catalog.update_workspace(who.actor, who.workspace, changes))
        return WorkspaceAnswer.of(changed)


# --- routes --------------------------------------------------------------------------------------------------------


def router(catalog: Catalog, change: Change = at_once) -> APIRouter:
    """Every management route over this catalog. Of its verbs, those that may take long are run by `change`."""
    api = APIRouter()
    signals, keys, workspaces = Signals(catalog, change), Keys(catalog, change), Workspaces(catalog, change)

    def route(tag: str, method: str, path: str, call: Callable[..., Any], summary: str, status: int = 200) -> None:
        responses: dict[int | str, dict[str, Any]] = {code: _ERRORS[code] for code in _errors(method, path)}
        api.add_api_route(
            path,
            call,
            methods=[method],
            status_code=status,
            summary=summary,
            tags=[tag],
            responses=responses,
        )

    route("Signals", "POST", "/v1/signals", signals.create, "Create a signal", 201)
    route("Signals", "GET", "/v1/signals", signals.list, "List signals")
    route("Signals", "GET", "/v1/signals/{slug}", signals.show, "Show a signal")
    route("Signals", "PATCH", "/v1/signals/{slug}", signals.change, "Change a signal")
    route("Signals", "DELETE", "/v1/signals/{slug}", signals.archive, "Archive a signal", 204)
    route("Signals", "POST", "/v1/signals/{slug}/versions", signals.publish, "Publish a schema version", 201)
    route("Signals", "GET", "/v1/signals/{slug}/versions", signals.versions, "List schema versions")
    route("Signals", "GET", "/v1/signals/{slug}/versions/{n}", signals.version, "Show a schema version")
    route("Keys", "POST", "/v1/keys", keys.create, "Create a key", 201)
    route("Keys", "GET", "/v1/keys", keys.list, "List keys")
    route("Keys", "DELETE", "/v1/keys/{id}", keys.revoke, "Revoke a key", 204)
    route("Keys", "POST", "/v1/keys/{id}/rotate", keys.rotate, "Rotate a key", 201)
    route("Keys", "GET", "/v1/audit", keys.audit, "List changes")
    route("Workspaces", "POST", "/v1/workspaces", workspaces.create, "Create a workspace", 201)
    route("Workspaces", "GET", "/v1/workspaces", workspaces.list, "List workspaces")
    route("Workspaces", "GET", "/v1/workspace", workspaces.show, "Show this workspace")
    route("Workspaces", "PATCH", "/v1/workspace", workspaces.change, "Change this workspace")
    return api


_WORDS: dict[int | str, str] = {
    400: "The request is malformed; `path` says where",
    401: "No valid key",
    403: "The key lacks a scope",
    404: "There is no such thing in this workspace",
    409: "It is taken, or has ended",
    503: "It could not be made durable; nothing was changed",
    "default": "Any other error",
}
_ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for code, text in _WORDS.items()
}


def _errors(method: str, path: str) -> list[int | str]:
    """With `default`, FastAPI adds no 422, which we never answer."""
    codes: list[int | str] = [400, 401, 403, *([404] if "{" in path else []), "default"]
    return codes if method == "GET" else [*codes, 409, 503]
