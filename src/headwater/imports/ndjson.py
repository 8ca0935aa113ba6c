"""NDJSON: an event a line, in the dialect's own form; or a line of a file of refused events, with the event in it."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from headwater.imports.base import MAX_BODY, MAX_LINE, Flaw, Row, StoppedError
from headwater.imports.files import UTF8_BOM, UTF16, Plain, readable

_SHOWN = 1000
"""Characters of a line too long to be kept."""
_WRAPPED = frozenset(("refused", "event", "text"))
_decode = msgspec.json.Decoder().decode
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Ndjson:
    """Implements `imports.base.Source`."""

    suffix = ".ndjson"

    def __init__(self, file: BinaryIO) -> None:
        with readable():
            self._plain = Plain(file)
            if self._plain.begins().startswith(UTF16):
                raise StoppedError("the file is UTF-16, and NDJSON is UTF-8 (iconv -f UTF-16 -t UTF-8)")
        self.total = self._plain.total
        self.at = self._plain.at

    def rows(self, skip: int) -> Iterator[Row]:
        for number, text, whole in self._lines():
            if skip:
                skip -= 1
                continue
            if not whole:
                yield Row(number, b"", text[:_SHOWN], _too_long())
            else:
                yield _row(number, text)

    def head(self) -> bytes:
        return b""

    def refused(self, row: Row, flaw: Flaw) -> bytes:
        return refused_line(row, flaw)

    def _lines(self) -> Iterator[tuple[int, bytes, bool]]:
        """Lines that are not blank, with their numbers, and whether all of it is there."""
        content = self._plain.content
        number, begin = 0, True
        with readable():
            while line := content.readline(MAX_LINE):
                number += 1
                whole = len(line) < MAX_LINE or line.endswith(b"\n")
                if not whole:
                    _pass_over(content)
                if begin:
                    line, begin = line.removeprefix(UTF8_BOM), False
                if stripped := line.strip():
                    yield number, stripped, whole


def refused_line(row: Row, flaw: Flaw) -> bytes:
    """`{"refused": {…}, "event": {…}}`; with `text` in the event's stead where that could not be read."""
    told = {"line": row.line, **{name: value for name, value in flaw._asdict().items() if value}}
    if row.event:
        return _encode({"refused": told, "event": msgspec.Raw(row.event)}) + b"\n"
    return _encode({"refused": told, "text": row.kept.decode(errors="replace")}) + b"\n"


def too_large(event: bytes) -> Flaw | None:
    """Whether it is too large for any request."""
    if len(event) <= MAX_BODY:
        return None
    return Flaw("too_large", "", f"the event is {len(event):,} bytes, at most {MAX_BODY:,} can be sent")


def _row(number: int, text: bytes) -> Row:
    """Of a line that has the event in it, only that is taken."""
    value, flaw = _read(text)
    if isinstance(value, dict) and "refused" in value and value.keys() <= _WRAPPED:
        if isinstance(value.get("text"), str):
            return _row(number, value["text"].strip().encode())
        value, text = value.get("event"), bytes(_decode_raw(text).get("event", b""))
    if flaw is None and not isinstance(value, dict):
        flaw = Flaw("type", "", "the line must be a JSON object, an event", _hint(value))
    if flaw is not None:
        return Row(number, b"", text, flaw)
    return Row(number, text, b"", too_large(text))


def _read(text: bytes) -> tuple[Any, Flaw | None]:
    try:
        text.isascii() or text.decode()
        return _decode(text), None
    except UnicodeDecodeError as error:
        return None, Flaw("encoding", "", f"not UTF-8 at byte {error.start} of the line")
    except RecursionError:
        return None, Flaw("json", "", "nested too deeply")
    except msgspec.DecodeError as error:
        return None, Flaw("json", "", f"not JSON: {error}")


def _hint(value: object) -> str:
    if isinstance(value, list):
        return "an array: write one event a line (jq -c '.[]')"
    return ""


def _pass_over(content: BinaryIO) -> None:
    """To the end of the line, without keeping it."""
    while (rest := content.readline(MAX_LINE)) and not rest.endswith(b"\n"):
        pass


def _too_long() -> Flaw:
    return Flaw("too_large", "", f"the line is longer than {MAX_LINE:,} bytes; only its beginning is here")
