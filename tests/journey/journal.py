"""A client's journal that outlasts a power cut: each request before it is sent, each answer before it counts."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path


class Journal:
    """Lines of JSON, each synced before the call returns; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()

    def sent(self, tokens: list[str]) -> None:
        self._note({"sent": tokens})

    def answered(self, tokens: list[str], status: int, ids: list[str | None] | None = None) -> None:
        """Of a request that `sent` noted; its first token is its name."""
        self._note({"answered": tokens[0], "status": status, "ids": ids or []})

    def _note(self, line: dict[str, object]) -> None:
        with self._lock:
            os.write(self._fd, json.dumps(line).encode() + b"\n")
        os.fdatasync(self._fd)


def answers(path: Path) -> Iterator[tuple[list[str], int, list[str | None]]]:
    """Each request's tokens, the status of its answer (0: none came), and the ids it was given (None: it has none)."""
    open_: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        told = json.loads(line)
        if "sent" in told:
            open_[told["sent"][0]] = told["sent"]
        else:
            tokens = open_.pop(told["answered"])
            yield tokens, told["status"], told["ids"]
    for tokens in open_.values():
        yield tokens, 0, []
