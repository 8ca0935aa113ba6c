"""Segment's HTTP API, as its SDKs and RudderStack's speak it: `POST /v1/batch`, and one message by `POST /v1/track`, ….

What a message says is mapped so that schemas and cohorts see its properties where its sender put them: see
docs/segment.md and docs/decisions/0019. Messages are read field by field, and all faults of a request are listed.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from headwater.clock import parse_iso
from headwater.dialects import strict
from headwater.dialects.base import (
    Answer,
    BodyError,
    Fault,
    Posted,
    Receipt,
    Request,
    Verdict,
    render,
    summary,
    verdicts,
    whole_limit,
)
from headwater.dialects.fields import Fields, beside
from headwater.events import MAX_BATCH, Event
from headwater.rules.identity import email_identity, phone_identity

_GIVEN = {
    "track": "properties",
    "identify": "traits",
    "page": "properties",
    "screen": "properties",
    "group": "traits",
    "alias": "",
}
"""The kinds of messages, and the field that holds what each says."""
_BATCHES = ("batch", "import")
_KINDS = ", ".join(_GIVEN)

_USUAL = {
    401: "A valid write key is required: an API key of headwater's, as the user of HTTP Basic with no password",
    403: "This key may not send events",
    404: "Not found",
    405: "Method not allowed, use POST",
    408: "The request took too long to arrive",
    413: "Request body is too large",
    415: "Content-Encoding must be gzip or identity",
    429: "Rate limit exceeded, nothing was stored",
    431: "Request header fields are too large",
    500: "Internal server error",
    503: "Temporarily unavailable, try again later",
}


class _Refusal(msgspec.Struct, gc=False, omit_defaults=True):
    """What SDKs look for is `code` and `message`."""

    success: bool
    code: str
    message: str
    path: str | UnsetType = UNSET
    errors: list[Verdict] | UnsetType = UNSET


_OK = Answer(200, b'{"success":true}')


class Segment:
    """Implements `dialects.base.Dialect`."""

    name = "segment"
    prefixes: tuple[str, ...] = ()
    routes: Mapping[str, bool] = {f"/v1/{kind}": kind not in _BATCHES for kind in (*_GIVEN, *_BATCHES)}
    old_migrates = True
    collects_faults = True
    limits_whole = True
    nulls_absent = True
    properties = "properties"
    signal_field = "event"
    date_field = "timestamp"
    list_field = "batch"
    dedupes = True
    names_signals = True

    def open(self, path: str, headers: Mapping[bytes, bytes], body: bytes) -> Posted:
        single = self.routes[path]
        return Posted(body, single, path.removeprefix("/v1/") if single else "")

    def decode(self, body: bytes, single: bool, region: str | None, kind: str = "") -> Request:
        document = strict.decode(body)
        if not isinstance(document, dict):
            raise BodyError("Request body must be a JSON object")
        sent = [document] if single else _batch(document)
        request = Request([], [], prefix="" if single else "batch[%d]")
        sent_ms = None if single else _sent_ms(document)
        request.events = [_read(index, item, kind, region, request, sent_ms) for index, item in enumerate(sent)]
        for fault in request.faults:
            reference = sent[fault.index].get("messageId") if isinstance(sent[fault.index], dict) else None
            if isinstance(reference, str):
                request.references[fault.index] = reference
        return request

    def encode(self, request: Request, receipt: Receipt, single: bool) -> Answer:
        if not receipt.faults:
            return _OK
        return Answer(200, msgspec.json.encode({"success": True, "errors": _verdicts(request, receipt.faults)}))

    def refuse(self, request: Request, faults: Sequence[Fault], lenient: bool = False) -> Answer:
        told = _verdicts(request, faults)
        return _refused(400, summary(told, faults), told[0].path, told)

    def error(self, status: int, message: str = "", path: str = "") -> Answer:
        return _refused(status, message or _USUAL.get(status, "Error"), path)

    def over_limit(self, receipt: Receipt) -> Answer:
        return self.error(429, whole_limit(receipt))


def _refused(status: int, message: str, path: str, errors: list[Verdict] | UnsetType = UNSET) -> Answer:
    code = HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
    return Answer(status, msgspec.json.encode(_Refusal(False, code, message, path or UNSET, errors)))


def _verdicts(request: Request, faults: Sequence[Fault]) -> list[Verdict]:
    return verdicts(request, faults, lambda fault: f"{render(request.prefix, fault) or 'the message'} {fault.text}")


def _batch(document: dict[str, Any]) -> list[Any]:
    found = document.get("batch")
    if not isinstance(found, list) or not found:
        raise BodyError("batch is required and must be an array of messages that is not empty", "batch")
    if len(found) > MAX_BATCH:
        raise BodyError(f"batch must have at most {MAX_BATCH} messages: they are stored all or none", "batch")
    return found


def _sent_ms(document: dict[str, Any]) -> int | None:
    sent = document.get("sentAt")
    if sent is None:
        return None
    moment = parse_iso(sent) if isinstance(sent, str) else None
    if moment is None:
        raise BodyError("sentAt must be an ISO 8601 date and time", "sentAt")
    return moment


def _read(index: int, item: Any, kind: str, region: str | None, request: Request, sent_ms: int | None) -> Event | None:
    if not isinstance(item, dict):
        request.faults.append(Fault(index, (), "type", "must be an object"))
        return None
    fields = Fields(index, item, request.faults)
    kind = kind or _kind(fields)
    signal = fields.text("event", required=True) if kind == "track" else kind
    field, context = _GIVEN.get(kind), fields.object("context")
    given = fields.object(field) if field else {}
    if kind == "identify":
        given = _traits(context) | given  # RudderStack's SDKs send them in the context alone
    identities = _identities(fields, kind, given, _traits(context), region)
    occurred_ms = fields.moment("timestamp")
    if item.get("timestamp") is None:
        occurred_ms = fields.moment("originalTimestamp")
    sent_ms = fields.moment("sentAt") or sent_ms
    reference, own = fields.id("messageId"), _own(fields, kind, given, context)
    if fields.wrong or signal is None:
        return None
    if sent_ms is not None:
        request.sent_ms[index] = sent_ms
    return Event(
        signal=signal,
        occurred_ms=occurred_ms,
        identities=identities,
        name=_name(given if kind == "identify" else _traits(context)),
        data=beside(given, own, _GIVEN[kind] or "properties"),
        reference=reference,
    )


def _kind(fields: Fields) -> str:
    kind = fields.text("type", required=True)
    if kind is not None and kind not in _GIVEN:
        fields.fault("type", "value", f"must be one of {_KINDS}")
    return kind if kind in _GIVEN else ""


def _traits(context: Mapping[str, Any]) -> dict[str, Any]:
    traits = context.get("traits")
    return traits if isinstance(traits, dict) else {}


def _own(fields: Fields, kind: str, given: Mapping[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """What of the message lies beside its properties or traits."""
    own: dict[str, Any] = {}
    if kind in ("page", "screen"):
        own |= {name: fields.text(name) for name in ("name", "category") if fields.item.get(name) and name not in given}
    elif kind == "group":
        own["groupId"] = fields.id("groupId", required=True)
    elif kind == "alias":
        own["previousId"] = fields.item.get("previousId")
    integrations = fields.object("integrations")
    return own | {name: each for name, each in (("context", context), ("integrations", integrations)) if each}


def _identities(
    fields: Fields, kind: str, given: Mapping[str, Any], traits: Mapping[str, Any], region: str | None
) -> tuple[str, ...]:
    """Whom it is about, whoever stays the same longest first: an event counts for the first."""
    wrong = fields.wrong
    user = fields.id("userId", required=kind == "alias")
    anonymous = fields.id("anonymousId")
    found = [f"user:{user}"] if user else []
    if kind == "alias":
        # Nobody says which of the two it was.
        before = fields.id("previousId", required=True)
        found += [f"user:{before}", f"anonymous:{before}"] if before else []
    else:
        found += _contacts(given if _is_theirs(kind, user) else {}, traits, region)
    found += [f"anonymous:{anonymous}"] if anonymous else []
    if not found and kind and fields.wrong == wrong:
        fields.fault("", "contact", "needs a userId or an anonymousId")
    return tuple(dict.fromkeys(found))


def _is_theirs(kind: str, user: str | None) -> bool:
    """Whether an address among what the message says is its sender's own. A group's is the group's; in the properties
    of a known user it may be a friend's, and would make them one."""
    return kind == "identify" or (kind != "group" and user is None)


def _contacts(given: Mapping[str, Any], traits: Mapping[str, Any], region: str | None) -> list[str]:
    """Those that can be read; any other is left where it is."""
    found = []
    for field, read in (("email", email_identity), ("phone", lambda text: phone_identity(text, region))):
        for values in (given, traits):
            value = values.get(field)
            if isinstance(value, str) and (identity := read(value)):
                found.append(identity)
                break
    return found


def _name(traits: Mapping[str, Any]) -> str | None:
    names = [traits.get(field) for field in ("firstName", "lastName")]
    whole = traits.get("name") or " ".join(name for name in names if isinstance(name, str) and name)
    return whole if isinstance(whole, str) and whole else None
