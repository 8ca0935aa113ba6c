"""Log lines, one event a line on stderr: as text, `time level logger: what happened key=value …`, or as JSON.

What people sent (identities, properties, keys) is never logged: ids, counts, slugs and sizes tell an operator enough.
A line about a request ends with the request's id and workspace (`requests`).
"""

import logging
import sys
from typing import Any, Literal

import msgspec

from headwater.clock import to_iso
from headwater.requests import REQUEST

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]

FIELDS = "fields"
"""The name under which a line's own fields are given: `logger.info("…", extra={FIELDS: {…}})`."""


class LineFormatter(logging.Formatter):
    """A record as one line, a traceback folded into it, so that every line begins with its time."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time(record)} {record.levelname.lower()} {_name(record)}: {record.getMessage()}"
        line += "".join(f" {name}={value}" for name, value in _fields(record).items())
        if record.exc_info:
            line += f" error={self.formatException(record.exc_info)}"
        return line.replace("\n", " | ")


class JsonFormatter(logging.Formatter):
    """A record as one JSON object: ts, level, logger, message, error (a traceback), and the line's fields."""

    def format(self, record: logging.LogRecord) -> str:
        told = {"ts": _time(record), "level": record.levelname.lower(), "logger": _name(record)}
        told |= {"message": record.getMessage(), **_fields(record)}
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(told, enc_hook=str).decode(errors="replace")


def configure(level: Level, format: Format = "text") -> None:
    """Sends the log lines of the whole process to stderr, from `level` up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else LineFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "asyncio", "clickhouse_connect", "uvicorn", "urllib3", "opentelemetry"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


def _time(record: logging.LogRecord) -> str:
    return to_iso(int(record.created * 1000))


def _name(record: logging.LogRecord) -> str:
    return record.name.removeprefix("headwater.")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    about = REQUEST.get()
    fields: dict[str, Any] = dict(getattr(record, FIELDS, {}))
    if about:
        fields["request_id"] = about.id
        if about.workspace:
            fields["workspace"] = about.workspace
    return fields
