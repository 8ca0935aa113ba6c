"""How a log line looks."""

import json
import logging
import sys

import pytest

from headwater.logs import FIELDS, JsonFormatter, LineFormatter
from headwater.requests import REQUEST, About, request_id


def record(message: str = "it is %s", *values: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("headwater.pipeline", logging.WARNING, "", 1, message, values or ("late",), None)
    made.created = 1_795_000_000.5
    if extra:
        setattr(made, FIELDS, extra)
    return made


def failed() -> logging.LogRecord:
    made = record()
    try:
        raise ValueError("a\nb")
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def test_text_is_one_line() -> None:
    assert LineFormatter().format(record()) == "2026-11-18T11:06:40.500Z warning pipeline: it is late"
    assert LineFormatter().format(record(blocks=3)).endswith("it is late blocks=3")
    assert "\n" not in LineFormatter().format(failed()) and "ValueError: a" in LineFormatter().format(failed())


def test_json_is_one_object_a_line() -> None:
    told = json.loads(JsonFormatter().format(record("%s", "line\nfeed", blocks=3)))
    assert told == {
        "ts": "2026-11-18T11:06:40.500Z",
        "level": "warning",
        "logger": "pipeline",
        "message": "line\nfeed",
        "blocks": 3,
    }
    line = JsonFormatter().format(failed())
    assert "\n" not in line and json.loads(line)["error"].endswith("ValueError: a\nb")
    odd = JsonFormatter().format(record(path=type("Odd", (), {"__str__": lambda self: "odd"})()))
    assert json.loads(odd)["path"] == "odd"


@pytest.mark.parametrize("formatter", [LineFormatter(), JsonFormatter()])
def test_a_line_about_a_request_names_it(formatter: logging.Formatter) -> None:
    token = REQUEST.set(About("order-17"))
    try:
        assert "order-17" in formatter.format(record()) and "workspace" not in formatter.format(record())
        REQUEST.set(About("order-17", "ws_abcdefgh"))
        assert "ws_abcdefgh" in formatter.format(record())
    finally:
        REQUEST.reset(token)
    assert "order-17" not in formatter.format(record())


def test_ids_are_unlike_each_other() -> None:
    made = [request_id(None) for _ in range(1000)]
    assert len({*made}) == 1000 and request_id(b"a.B_c-1") == b"a.B_c-1"
    assert {request_id(each) == each for each in (b"", b"a b", b"a" * 129, b"a\n", "ü".encode())} == {False}
