"""Bigmind Signals: `POST /v1/events/batch`, and one event by `POST /v1/events`.

What is said here comes from the vendor's document; where that is silent, errors name every faulty path, the first
first. A body that msgspec takes as it stands goes the short way; any other is read again field by field, to say what
is wrong. Both ways give the same events.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headwater.clock import parse_iso, to_iso
from headwater.dialects import strict
from headwater.dialects.base import (
    MAX_FAULTS,
    Answer,
    BodyError,
    Fault,
    Limits,
    Posted,
    Receipt,
    Request,
    Verdict,
    cut,
    render,
    verdicts,
)
from headwater.events import MAX_BATCH, Event
from headwater.rules.identity import CONTACTS, MAX_ID, MAX_TYPE, identity

_NO_EVENTS = "events array is required and must not be empty"
_TOO_MANY = f"Maximum {MAX_BATCH} events per batch"

_USUAL = {
    401: "Unauthorized: a valid API key is required",
    403: "Forbidden: this API key may not send events",
    404: "Not found",
    405: "Method not allowed",
    408: "The request took too long to arrive",
    413: "Request body is too large",
    415: "Content-Encoding must be gzip or identity",
    429: "Rate limit exceeded for all events in batch",
    431: "Request header fields are too large",
    500: "Internal server error",
    503: "Temporarily unavailable, try again later",
}


class _Identity(msgspec.Struct, gc=False):
    type: Annotated[str, Meta(min_length=1, max_length=MAX_TYPE)]  # a pattern here would double the time of decoding
    id: Annotated[str, Meta(min_length=1, max_length=MAX_ID)]


class _Event(msgspec.Struct, gc=False):
    signal: Annotated[str, Meta(min_length=1)]
    identity: _Identity
    version: Annotated[int, Meta(ge=1)] | Literal["latest"] | None = None
    data: dict[str, Any] | None = None
    timestamp: str | None = None
    reference: str | None = None


class _Batch(msgspec.Struct, gc=False):
    events: Annotated[list[_Event], Meta(min_length=1, max_length=MAX_BATCH)]


class _Pending(msgspec.Struct, gc=False, omit_defaults=True):
    id: str
    signal_id: str
    schema_version: int | None
    status: str
    reference: str | UnsetType = UNSET
    duplicate: bool | UnsetType = UNSET
    """True of an event whose reference was taken before; the id is that of the first one."""


class _Limited(msgspec.Struct, gc=False, omit_defaults=True):
    signal_id: str
    reference: str | UnsetType = UNSET


class _Answer(msgspec.Struct, gc=False, omit_defaults=True):
    success: bool
    data: list[_Pending] | _Pending | UnsetType = UNSET
    rate_limited: list[_Limited] | UnsetType = UNSET
    error: str | UnsetType = UNSET
    errors: list[Verdict] | UnsetType = UNSET


_batch_decoder = msgspec.json.Decoder(_Batch)
_event_decoder = msgspec.json.Decoder(_Event)
_encode = msgspec.json.Encoder().encode


class Bigmind:
    """Implements `dialects.base.Dialect`."""

    name = "bigmind"
    prefixes: tuple[str, ...] = ()
    routes: Mapping[str, bool] = {"/v1/events/batch": False, "/v1/events": True}
    old_migrates = True
    collects_faults = False
    limits_whole = False
    nulls_absent = False
    properties = "data"
    signal_field = "signal"
    date_field = "timestamp"
    list_field = "events"
    dedupes = False
    names_signals = False

    def open(self, path: str, headers: Mapping[bytes, bytes], body: bytes) -> Posted:
        return Posted(body, self.routes[path])

    def decode(self, body: bytes, single: bool, region: str | None, kind: str = "") -> Request:
        try:
            body.isascii() or body.decode()
            sent = [_event_decoder.decode(body)] if single else _batch_decoder.decode(body).events
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _read(body, single, region)
        events = _events(sent, region)
        if events is None:
            return _read(body, single, region)
        return Request(events, [], prefix="" if single else "events[%d]")

    def encode(self, request: Request, receipt: Receipt, single: bool) -> Answer:
        pending = [
            _Pending(event.id, event.signal_id, event.schema_version, "pending", _reference(event))
            for event in receipt.taken
        ]
        for index in receipt.repeated:
            pending[index].duplicate = True
        limited = [_Limited(over.event.signal_id, _reference(over.event)) for over in receipt.limited]
        left_out = _verdicts(request, receipt.faults) if receipt.faults else UNSET
        answer = _Answer(True, pending[0] if single else pending, limited or UNSET, errors=left_out)
        return Answer(200, _encode(answer), _limit_headers(receipt.limits))

    def refuse(self, request: Request, faults: Sequence[Fault], lenient: bool = False) -> Answer:
        left_out = _verdicts(request, faults) if lenient else UNSET
        if all(fault.code == "unknown_signal" for fault in faults):
            slugs = dict.fromkeys(event.signal for fault in faults if (event := request.events[fault.index]))
            return _refused(404, "Signals not found: " + ", ".join(cut(slug, 100) for slug in slugs), left_out)
        told = [_say(request, fault) for fault in faults[:MAX_FAULTS]]
        if len(faults) > MAX_FAULTS:
            told.append(f"and {len(faults) - MAX_FAULTS} more")
        return _refused(400, "; ".join(told), left_out)

    def error(self, status: int, message: str = "", path: str = "") -> Answer:
        return _refused(status, message or _USUAL.get(status, "Error"))

    def over_limit(self, receipt: Receipt) -> Answer:
        answer = self.error(429)
        return Answer(429, answer.body, _limit_headers(receipt.limits))


def _refused(status: int, message: str, errors: list[Verdict] | UnsetType = UNSET) -> Answer:
    return Answer(status, _encode(_Answer(False, error=message, errors=errors)))


def _verdicts(request: Request, faults: Sequence[Fault]) -> list[Verdict]:
    return verdicts(request, faults, lambda fault: _say(request, fault))


def _say(request: Request, fault: Fault) -> str:
    return f"{render(request.prefix, fault) or 'the event'} {fault.text}"


def _events(sent: list[_Event], region: str | None) -> list[Event | None] | None:
    """None when one of them has to be looked at field by field."""
    events: list[Event | None] = []
    for event in sent:
        type_, occurred_ms, version = event.identity.type, None, event.version
        if type_ in CONTACTS or ":" in type_:
            key = identity(type_, event.identity.id, region)
            if key is None or ":" in type_:
                return None
        else:
            key = f"{type_}:{event.identity.id}"
        if event.timestamp is not None and (occurred_ms := parse_iso(event.timestamp)) is None:
            return None
        events.append(
            Event(
                signal=event.signal,
                schema_version=None if version == "latest" else version,
                occurred_ms=occurred_ms,
                identities=(key,),
                data={} if event.data is None else event.data,
                reference=event.reference,
            )
        )
    return events


def _reference(event: Event) -> str | UnsetType:
    return UNSET if event.reference is None else event.reference


def _limit_headers(limits: Limits | None) -> tuple[tuple[bytes, bytes], ...]:
    if limits is None:
        return ()
    return (
        (b"x-ratelimit-limit", b"%d" % limits.limit),
        (b"x-ratelimit-remaining", b"%d" % limits.remaining),
        (b"x-ratelimit-reset", to_iso(limits.reset_ms).encode()),
    )


def _read(body: bytes, single: bool, region: str | None) -> Request:
    """The long way: every field of every event looked at, every fault named."""
    document = strict.decode(body)
    if single:
        if not isinstance(document, dict):
            raise BodyError("Request body must be an event object")
        sent: list[Any] = [document]
    else:
        found = document.get("events") if isinstance(document, dict) else None
        if not isinstance(found, list) or not found:
            raise BodyError(_NO_EVENTS, "events")
        sent = found
    if len(sent) > MAX_BATCH:
        raise BodyError(_TOO_MANY, "events")
    faults: list[Fault] = []
    events = [_read_event(index, item, region, faults) for index, item in enumerate(sent)]
    request = Request(events, faults, prefix="" if single else "events[%d]")
    for fault in faults:
        reference = sent[fault.index].get("reference") if isinstance(sent[fault.index], dict) else None
        if isinstance(reference, str):
            request.references[fault.index] = reference
    return request


def _read_event(index: int, item: Any, region: str | None, faults: list[Fault]) -> Event | None:
    before = len(faults)

    def fault(path: str, code: str, text: str) -> None:
        faults.append(Fault(index, tuple(path.split(".")) if path else (), code, text))

    if not isinstance(item, dict):
        fault("", "type", "must be an object")
        return None
    signal = _text(item, "signal", fault, required=True)
    key = _identity(item.get("identity"), region, fault)
    version = _version(item.get("version"), fault)
    data = item.get("data")
    if data is not None and not isinstance(data, dict):
        fault("data", "type", "must be an object")
    occurred_ms = None
    timestamp = _text(item, "timestamp", fault)
    if timestamp is not None and (occurred_ms := parse_iso(timestamp)) is None:
        fault("timestamp", "date", "must be an ISO 8601 date and time")
    reference = _text(item, "reference", fault)
    if len(faults) > before or signal is None or key is None:
        return None
    return Event(
        signal=signal,
        schema_version=version,
        occurred_ms=occurred_ms,
        identities=(key,),
        data=data if data is not None else {},
        reference=reference,
    )


def _text(item: dict[str, Any], field: str, fault: Any, required: bool = False, most: int = 0) -> str | None:
    value = item.get(field.rpartition(".")[2])
    if value is None:
        if required:
            fault(field, "required", "is required")
    elif not isinstance(value, str):
        fault(field, "type", "must be a string")
    elif required and not value:
        fault(field, "value", "must not be empty")
    elif most and len(value) > most:
        fault(field, "value", f"must be at most {most} characters")
    else:
        return value
    return None


def _identity(value: Any, region: str | None, fault: Any) -> str | None:
    if value is None:
        fault("identity", "required", "is required")
        return None
    if not isinstance(value, dict):
        fault("identity", "type", "must be an object")
        return None
    type_ = _text(value, "identity.type", fault, required=True, most=MAX_TYPE)
    if type_ is not None and ":" in type_:
        fault("identity.type", "value", "must not contain a colon")
        type_ = None
    id_ = _text(value, "identity.id", fault, required=True, most=MAX_ID)
    if type_ is None or id_ is None:
        return None
    key = identity(type_, id_, region)
    if key is None:
        form = "an e-mail address" if type_ == "email" else "a phone number in E.164 form, such as +19494572000"
        fault("identity.id", "identity", f"must be {form}")
    return key


def _version(value: Any, fault: Any) -> int | None:
    if value is None or value == "latest":
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    fault("version", "value", 'must be "latest" or a published version number')
    return None
