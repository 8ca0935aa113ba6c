"""BIK Send Events: `POST …/sendEvents`, and one event by `POST …/sendEvent`.

What is said here comes from the vendor's document; where that is silent, messages read like its one example and all
faults of a request are listed. A body that msgspec takes as it stands goes the short way; any other is read again
field by field, to say what is wrong. Both ways give the same events.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from rapidfuzz.distance import OSA

from headwater.clock import parse_iso
from headwater.dialects import strict
from headwater.dialects.base import (
    MAX_FAULTS,
    Answer,
    BodyError,
    Fault,
    Posted,
    Receipt,
    Request,
    Verdict,
    dotted,
    render,
    verdicts,
    whole_limit,
)
from headwater.events import MAX_BATCH, Event
from headwater.rules.identity import contact_identities, email_identity, phone_identity, usual_contacts

_PREFIX = "/integrations/bikPlatformFunctions-events"

_USUAL = {
    400: "Invalid payload",
    401: "User is not authenticated",
    403: "This key may not send events",
    404: "The specified API could not be found",
    405: "Method not allowed, use POST",
    408: "The request took too long to arrive",
    413: "Request body is too large",
    415: "Content-Encoding must be gzip or identity",
    429: "Rate limit exceeded, nothing was stored",
    431: "Request header fields are too large",
    500: "We had a problem with our server. Try again later",
    503: "Temporarily unavailable. Try again later",
}


class _Event(msgspec.Struct, gc=False, forbid_unknown_fields=True, rename="camel"):
    event_name: Annotated[str, Meta(min_length=1)]
    event_properties: dict[str, Any]
    name: str | None = None
    phone_number: str | None = None
    email: str | None = None
    created_at: str | None = None
    is_migration: bool | None = None


class _Batch(msgspec.Struct, gc=False):
    events: Annotated[list[_Event], Meta(min_length=1, max_length=MAX_BATCH)]


class _Single(msgspec.Struct, gc=False):
    event: _Event


class _Error(msgspec.Struct, gc=False, omit_defaults=True):
    message: str
    index: int | UnsetType = UNSET
    path: str | UnsetType = UNSET


_FIELDS = tuple(field.encode_name for field in msgspec.structs.fields(_Event))
_batch_decoder = msgspec.json.Decoder(_Batch)
_single_decoder = msgspec.json.Decoder(_Single)
_OK = Answer(200, b'{"status":200,"success":true}')


class Bik:
    """Implements `dialects.base.Dialect`."""

    name = "bik"
    prefixes: tuple[str, ...] = (_PREFIX,)
    routes: Mapping[str, bool] = {f"{_PREFIX}/sendEvents": False, f"{_PREFIX}/sendEvent": True}
    old_migrates = False
    collects_faults = True
    limits_whole = True
    nulls_absent = True
    properties = "eventProperties"
    signal_field = "eventName"
    date_field = "createdAt"
    list_field = "events"
    dedupes = False
    names_signals = False

    def open(self, path: str, headers: Mapping[bytes, bytes], body: bytes) -> Posted:
        return Posted(body, self.routes[path])

    def decode(self, body: bytes, single: bool, region: str | None, kind: str = "") -> Request:
        try:
            body.isascii() or body.decode()
            sent = [_single_decoder.decode(body).event] if single else _batch_decoder.decode(body).events
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _read(body, single, region)
        events = _events(sent, region)
        if events is None:
            return _read(body, single, region)
        migrating = frozenset([index for index, event in enumerate(sent) if event.is_migration])
        prefix = "event" if single else "events[%d]"
        return Request(events, [], prefix=prefix, migrating=migrating)

    def encode(self, request: Request, receipt: Receipt, single: bool) -> Answer:
        if not receipt.faults:
            return _OK
        left_out = _verdicts(request, receipt.faults)
        return Answer(200, msgspec.json.encode({"status": 200, "success": True, "errors": left_out}))

    def refuse(self, request: Request, faults: Sequence[Fault], lenient: bool = False) -> Answer:
        if lenient:
            return _answer(400, _verdicts(request, faults))
        return _answer(400, [_explain(request.prefix, fault) for fault in faults[:MAX_FAULTS]])

    def error(self, status: int, message: str = "", path: str = "") -> Answer:
        return _answer(status, [_Error(message or _USUAL.get(status, "Error"), path=path or UNSET)])

    def over_limit(self, receipt: Receipt) -> Answer:
        return self.error(429, whole_limit(receipt))


def _verdicts(request: Request, faults: Sequence[Fault]) -> list[Verdict]:
    return verdicts(request, faults, lambda fault: _explain(request.prefix, fault).message)


def _answer(status: int, errors: Sequence[_Error | Verdict]) -> Answer:
    return Answer(status, msgspec.json.encode({"status": status, "errors": errors}))


def _explain(prefix: str, fault: Fault) -> _Error:
    if fault.code == "contact":
        message = fault.text
    else:
        subject = dotted(fault.path).removeprefix(".") or render(prefix, fault) or "event"
        message = f"'{subject}' {fault.text}"
    return _Error(message, fault.index, render(prefix, fault) or UNSET)


def _events(sent: list[_Event], region: str | None) -> list[Event | None] | None:
    """None when one of them has to be looked at field by field."""
    events: list[Event | None] = []
    for event, usual in zip(sent, _usual_contacts(sent), strict=False):
        identities, occurred_ms = usual or contact_identities(event.email, event.phone_number, region), None
        if not identities:
            return None
        if event.created_at is not None and (occurred_ms := parse_iso(event.created_at)) is None:
            return None
        events.append(
            Event(
                signal=event.event_name,
                occurred_ms=occurred_ms,
                identities=identities,
                name=event.name,
                data=event.event_properties,
            )
        )
    return events


def _usual_contacts(sent: list[_Event]) -> Iterable[tuple[str, ...]]:
    """Empty ones where each event has to be looked at."""
    if len(sent) == 1:
        return ((),)
    return usual_contacts([event.email for event in sent], [event.phone_number for event in sent]) or repeat(())


def _read(body: bytes, single: bool, region: str | None) -> Request:
    """The long way: every field of every event looked at, every fault named."""
    document = strict.decode(body)
    if not isinstance(document, dict):
        raise BodyError("Request body must be an object")
    if single:
        wrapped = "event" in document
        sent: list[Any] = [document["event"] if wrapped else document]
        prefix = "event" if wrapped else ""
    else:
        sent = _list(document.get("events"))
        prefix = "events[%d]"
    request = Request([], [], prefix=prefix)
    request.events = [_read_event(index, item, region, request) for index, item in enumerate(sent)]
    request.migrating = frozenset(
        index for index, item in enumerate(sent) if isinstance(item, dict) and item.get("isMigration") is True
    )
    return request


def _list(sent: Any) -> list[Any]:
    if sent is None:
        raise BodyError("'events' is required", "events")
    if not isinstance(sent, list):
        raise BodyError("'events' must be an array", "events")
    if not sent:
        raise BodyError("'events' must not be empty", "events")
    if len(sent) > MAX_BATCH:
        raise BodyError(f"'events' must contain at most {MAX_BATCH} events", "events")
    return sent


_TYPES = {
    "name": (str, "a string"),
    "email": (str, "a string"),
    "phoneNumber": (str, "a string"),
    "createdAt": (str, "a string"),
    "isMigration": (bool, "a boolean"),
}


def _read_event(index: int, item: Any, region: str | None, request: Request) -> Event | None:
    def fault(path: str, code: str, text: str) -> None:
        request.faults.append(Fault(index, (path,) if path else (), code, text))

    if not isinstance(item, dict):
        fault("", "type", "must be an object")
        return None
    request.ignored += _unknown_fields(item, fault)
    _required(item, fault)
    for field, (type_, form) in _TYPES.items():
        if item.get(field) is not None and not isinstance(item[field], type_):
            fault(field, "type", f"must be {form}")
    identities = _contacts(item, region, fault)
    occurred_ms = None
    created = item.get("createdAt")
    if isinstance(created, str) and (occurred_ms := parse_iso(created)) is None:
        fault("createdAt", "date", "must be an ISO 8601 date")
    signal, properties = item.get("eventName"), item.get("eventProperties")
    if not isinstance(signal, str) or not signal or not isinstance(properties, dict):
        return None
    # With a fault elsewhere, too: then what is wrong with its name and properties is told in the same answer.
    return Event(signal=signal, occurred_ms=occurred_ms, identities=identities, name=item.get("name"), data=properties)


def _required(item: dict[str, Any], fault: Any) -> None:
    name, properties = item.get("eventName"), item.get("eventProperties")
    if name is None or name == "":
        fault("eventName", "required", "is required")
    elif not isinstance(name, str):
        fault("eventName", "type", "must be a string")
    if properties is None:
        fault("eventProperties", "required", "is required")
    elif not isinstance(properties, dict):
        fault("eventProperties", "type", "must be an object")


def _contacts(item: dict[str, Any], region: str | None, fault: Any) -> tuple[str, ...]:
    email, phone = item.get("email"), item.get("phoneNumber")
    email = email.strip() if isinstance(email, str) else email
    phone = phone.strip() if isinstance(phone, str) else phone
    if email in (None, "") and phone in (None, ""):
        fault("", "contact", "either 'email' or 'phoneNumber' is required")
        return ()
    if isinstance(email, str) and email and email_identity(email) is None:
        fault("email", "identity", "must be an e-mail address")
    if isinstance(phone, str) and phone and phone_identity(phone, region) is None:
        fault("phoneNumber", "identity", "must be a phone number in E.164 form, such as +19494572000")
    if isinstance(email, str | None) and isinstance(phone, str | None):
        return contact_identities(email, phone, region)
    return ()


def _unknown_fields(item: dict[str, Any], fault: Any) -> int:
    """Counts them; one that looks like a known field misspelt is a fault, for ignoring it could lose history."""
    unknown = [key for key in item if key not in _FIELDS]
    for key in unknown:
        if meant := near_miss(key):
            fault(key, "unknown_field", f"is not allowed, did you mean '{meant}'?")
    return len(unknown)


def near_miss(key: str) -> str | None:
    """The known field that this one is a misspelling of: another case, or one or two letters off.

    Of the short names (`name`, `email`) only one letter, or `note` and `page` could not be sent beside them.
    """
    for field in _FIELDS:
        most = 2 if len(field) > 5 else 1
        if OSA.distance(key.lower(), field.lower(), score_cutoff=most) <= most:
            return field
    return None
