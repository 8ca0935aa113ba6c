"""Errors outside the ingest paths: RFC 9457 problem details. The one place where exceptions become statuses."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from headwater.dialects.base import Answer
from headwater.errors import HeadwaterError, InvalidError, RequestError, ThrottledError, UnavailableError

MEDIA_TYPE = "application/problem+json"

_MOST_TOLD = 10
"""Faults of one body that are told at once."""


def problem(status: int, detail: str = "", path: str = "", retry_after: int | None = None) -> Answer:
    """An answer for people (`detail`) and programs (`status`, `path`: the place of the fault in the request)."""
    members: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail:
        members["detail"] = _sendable(detail)
    if path:
        members["path"] = _sendable(path)
    headers = [(b"content-type", MEDIA_TYPE.encode())]
    if retry_after is not None:
        headers.append((b"retry-after", b"%d" % retry_after))
    return Answer(status, msgspec.json.encode(members), tuple(headers))


def of(error: HeadwaterError) -> Answer:
    """The answer to an error of headwater's own tree."""
    match error:
        case UnavailableError():
            return problem(503, str(error), retry_after=error.retry_after)
        case ThrottledError():
            return problem(error.status, str(error), retry_after=error.retry_after)
        case InvalidError():
            return problem(error.status, str(error), error.path)
        case RequestError():
            return problem(error.status, str(error))
        case _:
            return problem(500)


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem. Unexpected ones tell the client nothing; the server logs them."""
    app.add_exception_handler(HeadwaterError, _own)
    app.add_exception_handler(HTTPException, _routing)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(Exception, _unexpected)


async def _own(request: Request, error: Exception) -> Response:
    assert isinstance(error, HeadwaterError)
    if not isinstance(error, RequestError | UnavailableError):
        raise error  # a fault of ours: on to `_unexpected`, and into the server's log
    return _response(of(error))


async def _routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = {
        400: "the body cannot be read as JSON",
        404: f"there is nothing at {request.url.path}",
        405: f"{request.method} is not answered at {request.url.path}",
    }.get(error.status_code, error.detail)
    return _response(problem(error.status_code, detail), error.headers)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [_fault(each, request) for each in error.errors()[:_MOST_TOLD]]
    return _response(problem(400, "; ".join(text for _, text in faults), faults[0][0]))


async def _unexpected(request: Request, error: Exception) -> Response:
    return _response(problem(500))


def _fault(error: dict[str, Any], request: Request) -> tuple[str, str]:
    """Where and what, from one of pydantic's errors."""
    place, kind = error["loc"][1:], error["type"]
    if kind == "json_invalid":
        return "", f"the body is no JSON: {error.get('ctx', {}).get('error', '')} at character {place[0]}"
    if not place:
        return "", _whole(request)
    path = _path(place)
    return path, f"'{path}' {_said(kind, error['msg'])}"


def _whole(request: Request) -> str:
    if "json" not in request.headers.get("content-type", "json"):
        return "the body must be JSON, sent with the header 'Content-Type: application/json'"
    return "the body must be a JSON object"


def _said(kind: str, message: str) -> str:
    known = {
        "missing": "is required",
        "extra_forbidden": "is not a known field",
        "string_unicode": "must be valid UTF-8",
    }
    return known.get(kind) or message.replace("Input should be", "must be").replace("String should", "must")[:300]


def _path(place: Sequence[str | int]) -> str:
    """`("scopes", 0)` as `scopes[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")[:300]


def _sendable(text: str) -> str:
    """Lone surrogates, which JSON can spell and UTF-8 cannot, as question marks."""
    return text.encode(errors="replace").decode()


def _response(answer: Answer, headers: Any = None) -> Response:
    response = Response(answer.body, answer.status, headers)
    for name, value in answer.headers:
        response.headers[name.decode()] = value.decode()
    return response
