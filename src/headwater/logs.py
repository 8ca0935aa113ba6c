"""Log lines: one event a line on stderr, `time level logger: what happened key=value …`.

What people sent (identities, properties, keys) is never logged: ids, counts, slugs and sizes tell an operator enough.
"""

import logging
import sys
from typing import Literal

from headwater.clock import to_iso

Level = Literal["debug", "info", "warning", "error"]


class LineFormatter(logging.Formatter):
    """A record as one line, a traceback folded into it, so that every line begins with its time."""

    def format(self, record: logging.LogRecord) -> str:
        name = record.name.removeprefix("headwater.")
        line = f"{to_iso(int(record.created * 1000))} {record.levelname.lower()} {name}: {record.getMessage()}"
        if record.exc_info:
            line += f" error={self.formatException(record.exc_info)}"
        return line.replace("\n", " | ")


def configure(level: Level) -> None:
    """Sends the log lines of the whole process to stderr, from `level` up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "asyncio", "clickhouse_connect", "uvicorn"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
