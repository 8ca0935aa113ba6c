"""A CloudEvent in binary mode, its attributes in headers and its data the body, as the JSON that says the same."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from headwater.dialects import strict
from headwater.dialects.base import BodyError

_PREFIX = b"ce-"
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(rb"\\(.)")


def packed(headers: Mapping[bytes, bytes], content: str, body: bytes) -> bytes:
    """The event in structured mode. `content`: the media type of its data, empty where none was told. Raises
    BodyError."""
    found = {name[len(_PREFIX) :].decode("latin-1"): _text(value) for name, value in headers.items() if _is_ce(name)}
    for name in ("datacontenttype", "data", "data_base64"):
        if name in found:
            raise BodyError(f"The header ce-{name} is not allowed: Content-Type and the body say that", f"ce-{name}")
    if content:
        found["datacontenttype"] = headers[b"content-type"].decode("latin-1")
    return msgspec.json.encode(found | _data(content, body))


def decoded(text: str) -> bytes | None:
    """None when it is no Base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_ce(name: bytes) -> bool:
    return name.startswith(_PREFIX)


def _text(value: bytes) -> str:
    """A header's value: percent-encoded UTF-8, perhaps as a quoted string (RFC 9110, 5.6.4), as the HTTP binding has
    it."""
    if quoted := _QUOTED.fullmatch(value):
        value = _ESCAPED.sub(rb"\1", quoted[1])
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise BodyError("The values of ce- headers must be percent-encoded UTF-8") from None


def _data(content: str, body: bytes) -> dict[str, Any]:
    """JSON as it is, other text as a string, anything else as Base64."""
    if not body:
        return {}
    if content in ("application/json", "text/json") or content.endswith("+json"):
        strict.decode(body)
        return {"data": msgspec.Raw(body)}
    if not content:
        return {"data": msgspec.Raw(body)} if _is_json(body) else {"data_base64": _encoded(body)}
    if content.startswith("text/"):
        try:
            return {"data": body.decode()}
        except UnicodeDecodeError:
            pass
    return {"data_base64": _encoded(body)}


def _is_json(body: bytes) -> bool:
    try:
        strict.decode(body)
    except BodyError:
        return False
    return True


def _encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()
