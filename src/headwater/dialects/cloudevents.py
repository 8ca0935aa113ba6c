"""CloudEvents 1.0 over HTTP, `POST /v1/cloudevents`: structured, batched, and binary, which is made structured first.

Source: the CloudEvents specification 1.0.2, its JSON event format and its HTTP protocol binding. Where these are
silent, see docs/cloudevents.md and docs/decisions/0019. Errors are RFC 9457 problem details.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

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
from headwater.dialects.packed import decoded, packed
from headwater.events import MAX_BATCH, Event
from headwater.rules.identity import MAX_TYPE, email_identity, identity, phone_identity

_STRUCTURED = "application/cloudevents+json"
_BATCHED = "application/cloudevents-batch+json"
_TYPES = f"Content-Type must be {_STRUCTURED} or {_BATCHED}, or ce-specversion and the other ce- headers must be there"

_DATA = ("data", "data_base64")
_NAMED = frozenset(("id", "source", "type", "specversion", "subject", "time", "datacontenttype", "dataschema", *_DATA))
_EXTENSION = re.compile(r"[a-z0-9]+")
_SUBJECT = re.compile(rf"([A-Za-z][A-Za-z0-9._-]{{0,{MAX_TYPE - 1}}}):(?!//)(.+)", re.DOTALL)
"""An identity as headwater writes it; no URL is one."""
_SCHEMES = {"mailto": "email", "tel": "phone"}
_NO_TYPES = frozenset(("urn", "http", "https", "data"))

_USUAL = {
    401: "A valid API key is required: Authorization: Bearer sk_…",
    403: "This key may not send events",
    405: "Method not allowed, use POST",
    408: "The request took too long to arrive",
    413: "Request body is too large",
    415: "Content-Encoding must be gzip or identity",
    429: "Rate limit exceeded, nothing was stored",
    431: "Request header fields are too large",
    500: "Internal server error",
    503: "Temporarily unavailable, try again later",
}


class _Problem(msgspec.Struct, gc=False, omit_defaults=True):
    type: str | UnsetType
    title: str
    status: int
    detail: str
    path: str | UnsetType = UNSET
    errors: list[Verdict] | UnsetType = UNSET


class _Taken(msgspec.Struct, gc=False, omit_defaults=True):
    id: str
    """headwater's own, to ask for it by."""
    status: str
    duplicate: bool | UnsetType = UNSET


class _Answer(msgspec.Struct, gc=False, omit_defaults=True):
    data: list[_Taken]
    errors: list[Verdict] | UnsetType = UNSET


class CloudEvents:
    """Implements `dialects.base.Dialect`."""

    name = "cloudevents"
    prefixes: tuple[str, ...] = ("/v1/cloudevents",)
    routes: Mapping[str, bool] = {"/v1/cloudevents": False}
    """Whether it is one event is told by the type of its content."""
    old_migrates = True
    collects_faults = True
    limits_whole = True
    nulls_absent = True
    properties = "data"
    signal_field = "type"
    date_field = "time"
    list_field = ""
    dedupes = True
    names_signals = True

    def open(self, path: str, headers: Mapping[bytes, bytes], body: bytes) -> Posted:
        content = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
        if content in (_STRUCTURED, _BATCHED):
            return Posted(body, content == _STRUCTURED)
        if content.startswith("application/cloudevents") or b"ce-specversion" not in headers:
            raise BodyError(_TYPES, status=415)
        return Posted(packed(headers, content, body), True)

    def decode(self, body: bytes, single: bool, region: str | None, kind: str = "") -> Request:
        document = strict.decode(body)
        sent = [document] if single else _batch(document)
        request = Request([], [], prefix="" if single else "[%d]")
        request.events = [_read(index, item, region, request.faults) for index, item in enumerate(sent)]
        for fault in request.faults:
            if isinstance(sent[fault.index], dict) and (reference := _reference(sent[fault.index])):
                request.references[fault.index] = reference
        return request

    def encode(self, request: Request, receipt: Receipt, single: bool) -> Answer:
        taken = [_Taken(event.id, "pending") for event in receipt.taken]
        for index in receipt.repeated:
            taken[index].duplicate = True
        left_out = _verdicts(request, receipt.faults) if receipt.faults else UNSET
        return Answer(200, msgspec.json.encode(_Answer(taken, left_out)))

    def refuse(self, request: Request, faults: Sequence[Fault], lenient: bool = False) -> Answer:
        told = _verdicts(request, faults)
        return _problem(400, summary(told, faults), told[0].path, told)

    def error(self, status: int, message: str = "", path: str = "") -> Answer:
        return _problem(status, message or _USUAL.get(status, "Error"), path)

    def over_limit(self, receipt: Receipt) -> Answer:
        return self.error(429, whole_limit(receipt))


def _problem(status: int, detail: str, path: str, errors: list[Verdict] | UnsetType = UNSET) -> Answer:
    problem = _Problem("about:blank", HTTPStatus(status).phrase, status, detail, path or UNSET, errors)
    return Answer(status, msgspec.json.encode(problem), ((b"content-type", b"application/problem+json"),))


def _verdicts(request: Request, faults: Sequence[Fault]) -> list[Verdict]:
    return verdicts(request, faults, lambda fault: f"{render(request.prefix, fault) or 'the event'} {fault.text}")


def _batch(document: Any) -> list[Any]:
    if not isinstance(document, list):
        raise BodyError("A batch must be a JSON array of events")
    if not document:
        raise BodyError("The batch is empty: there is nothing to take")
    if len(document) > MAX_BATCH:
        raise BodyError(f"A batch must have at most {MAX_BATCH} events: they are stored all or none")
    return document


def _read(index: int, item: Any, region: str | None, faults: list[Fault]) -> Event | None:
    if not isinstance(item, dict):
        faults.append(Fault(index, (), "type", "must be an object"))
        return None
    fields = Fields(index, item, faults)
    signal, occurred_ms = fields.text("type", required=True), fields.moment("time")
    fields.text("id", required=True)
    source = _source(fields)
    _check_version(fields)
    about = _identity(fields, source, region)
    attributes, data = _attributes(fields), _data(fields)
    if fields.wrong or signal is None or about is None:
        return None
    return Event(
        signal=signal,
        occurred_ms=occurred_ms,
        identities=(about,),
        data=beside(data, {"cloudevent": attributes}, "data"),
        reference=_reference(item),
    )


def _source(fields: Fields) -> str | None:
    source = fields.text("source", required=True)
    if source is not None and any(character.isspace() for character in source):
        fields.fault("source", "value", "must be a URI reference: it has no blanks")
    return source


def _reference(item: Mapping[str, Any]) -> str | None:
    """What the specification knows an event by: source and id together. No source has a blank in it."""
    source, id_ = item.get("source"), item.get("id")
    return f"{source} {id_}" if isinstance(source, str) and isinstance(id_, str) else None


def _check_version(fields: Fields) -> None:
    version = fields.text("specversion", required=True)
    if version is not None and version != "1.0":
        fields.fault("specversion", "value", "must be '1.0'")


def _identity(fields: Fields, source: str | None, region: str | None) -> str | None:
    """Whom it is about; its source where no subject says that."""
    subject = fields.text("subject")
    if subject is None:
        return f"source:{source}"
    found = _SUBJECT.fullmatch(subject)
    if found is None or found[1].lower() in _NO_TYPES:
        contact = phone_identity(subject) if subject.startswith("+") else email_identity(subject)
        return contact or f"subject:{subject}"
    type_ = _SCHEMES.get(found[1].lower(), found[1])
    key = identity(type_, found[2], region)
    if key is None:
        form = "an e-mail address" if type_ == "email" else "a phone number in E.164 form, such as +19494572000"
        fields.fault("subject", "identity", f"must be {form} behind its colon")
    return key


def _attributes(fields: Fields) -> dict[str, Any]:
    """All that it says beside its data, null as if it were not there."""
    found: dict[str, Any] = {}
    for name, value in fields.item.items():
        if name in _DATA or value is None:
            continue
        if name not in _NAMED and not _EXTENSION.fullmatch(name):
            fields.fault(name, "unknown_field", "is no attribute's name: these are of lower-case letters and digits")
        elif not isinstance(value, str | int | float):
            fields.fault(name, "type", "must be a string, a number or a boolean")
        found[name] = value
    fields.text("datacontenttype")
    fields.text("dataschema")
    return found


def _data(fields: Fields) -> dict[str, Any]:
    """An object's own fields; anything else under the name that it was sent by."""
    data, encoded = (fields.item.get(name) for name in _DATA)
    if encoded is not None:
        if data is not None:
            fields.fault("data_base64", "value", "must not be there beside data")
        if not isinstance(encoded, str) or decoded(encoded) is None:
            fields.fault("data_base64", "value", "must be Base64")
        return {"data_base64": encoded}
    if data is None:
        return {}
    return data if isinstance(data, dict) else {"data": data}
