"""CSV: a header, then a row an event. Read strictly: what is no proper row is refused, and not guessed at."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from headwater.imports.base import MAX_LINE, Dialect, Flaw, Row, StoppedError
from headwater.imports.files import UTF8_BOM, UTF16, Plain, readable
from headwater.imports.mapping import MARKS, Build, Mapping, compiled
from headwater.imports.ndjson import too_large

DELIMITERS = ",;\t|"
_PIECE = 1024 * 1024
_SHOWN = 1000


class Table:
    """Implements `imports.base.Source`."""

    suffix = ".csv"

    def __init__(
        self, file: BinaryIO, dialect: Dialect, mapping: Mapping, encoding: str | None, delimiter: str | None
    ) -> None:
        """Without an encoding: UTF-8, or UTF-16 when it says so; without a delimiter: the one most used in the header.

        Raises StoppedError when header and mapping do not fit.
        """
        csv.field_size_limit(MAX_LINE)
        with readable():
            plain = Plain(file)
            self.total, self.at = plain.total, plain.at
            self._encoding = encoding or _encoding(plain.begins())
            # "utf-16" and "utf-8-sig" would begin each line with a mark of their own.
            self._written = "utf-16-le" if self._encoding == "utf-16" else self._encoding.replace("utf-8-sig", "utf-8")
            try:
                self._lines = _Lines(plain.content, self._encoding)
            except LookupError:
                raise StoppedError(f"no encoding is called {encoding!r}") from None
            first = self._lines.peek()
        self._delimiter = delimiter or max(DELIMITERS, key=first.count)
        self._reader = csv.reader(self._lines, delimiter=self._delimiter, strict=True)
        self.header = self._header()
        self._build: Build = (
            compiled(mapping, dialect, self.header, typed=False) if self.header else lambda _: (b"", None)
        )
        self._own = [column for column in self.header if column not in MARKS]
        self._text_at = self.header.index("refused_text") if "refused_text" in self.header else None

    def rows(self, skip: int) -> Iterator[Row]:
        """Rows that are not blank."""
        with readable():
            while (row := self._next(read=not skip)) is not None:
                if skip:
                    skip -= 1
                else:
                    yield row

    def head(self) -> bytes:
        mark = codecs.BOM_UTF16_LE if self._encoding == "utf-16" else b""
        return mark + self._line([*self._own, *MARKS])

    def refused(self, row: Row, flaw: Flaw) -> bytes:
        """Its fields, or where these are not known its text, and what was wrong."""
        text, fields = (row.kept, [""] * len(self._own)) if isinstance(row.kept, str) else ("", row.kept)
        # What is said of the row may have letters that the file's encoding has not.
        said = (word.encode(self._written, "replace").decode(self._written) for word in flaw)
        return self._line([*fields, row.line, *said, text])

    # --- reading -----------------------------------------------------------------------------------------------------

    def _header(self) -> list[str]:
        try:
            header = next(self._reader, [])
        except (csv.Error, UnicodeDecodeError) as error:
            raise StoppedError(f"the header cannot be read: {error}") from None
        self._lines.taken()
        return [column.strip() for column in header]

    def _next(self, read: bool) -> Row | None:
        """The next row; one that is passed over (not `read`) is not looked at."""
        while True:
            number = self._lines.number + 1
            try:
                fields = next(self._reader)
            except StopIteration:
                return None
            except csv.Error as error:
                return self._unread(number, _flaw(error))
            except UnicodeDecodeError as error:
                raise StoppedError(f"line {number} is not {self._encoding}: {error.reason} (--encoding)") from None
            if self._lines.cut:
                return self._unread(number, _TOO_LONG)
            if fields:
                row = self._row(number, fields) if read else _PASSED
                self._lines.taken()
                return row
            self._lines.taken()

    def _row(self, number: int, fields: list[str]) -> Row:
        if self._text_at is not None and self._text_at < len(fields) and (text := fields[self._text_at]):
            return self._mended(number, text)
        if len(fields) != len(self.header):
            return self._unread(number, _miscounted(len(fields), len(self.header)))
        event, flaw = self._build(fields)
        own = fields if len(self._own) == len(fields) else self._without_marks(fields)
        return Row(number, event, own, flaw or too_large(event))

    def _mended(self, number: int, text: str) -> Row:
        """A row of a file of refused rows that stands there as text."""
        try:
            fields = next(csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter, strict=True), [])
        except csv.Error as error:
            return Row(number, b"", text, _flaw(error))
        if len(fields) != len(self._own):
            return Row(number, b"", text, _miscounted(len(fields), len(self._own)))
        known = iter(fields)
        event, flaw = self._build(["" if column in MARKS else next(known) for column in self.header])
        return Row(number, event, fields, flaw or too_large(event))

    def _without_marks(self, fields: Sequence[str]) -> list[str]:
        return [field for column, field in zip(self.header, fields, strict=True) if column not in MARKS]

    def _unread(self, number: int, flaw: Flaw) -> Row:
        """One of which only the text is known."""
        text, last = self._lines.taken(), self._lines.number
        if last > number:
            flaw = flaw._replace(message=f"{flaw.message}; the lines {number} to {last} are in this row")
        return Row(number, b"", text.rstrip("\r\n") if not self._lines.was_cut else text[:_SHOWN], flaw)

    def _line(self, fields: Sequence[object]) -> bytes:
        line = io.StringIO()
        csv.writer(line, delimiter=self._delimiter, lineterminator="\r\n").writerow(fields)
        return line.getvalue().encode(self._written, "surrogateescape")


class _Lines:
    """Lines of text for csv.reader, which remember what it has taken since the last row."""

    def __init__(self, content: BinaryIO, encoding: str) -> None:
        self._text = io.TextIOWrapper(content, encoding, errors="surrogateescape", newline="")
        self._since: list[str] = []
        self._peeked: str | None = None
        self.number = 0
        """Of the last line taken."""
        self.cut = self.was_cut = False
        """Whether a line since the last row was too long to be kept whole; and whether one before that was."""

    def peek(self) -> str:
        if self._peeked is None:
            try:
                self._peeked = self._read()
            except UnicodeDecodeError as error:
                raise StoppedError(f"the header is not {error.encoding}: {error.reason} (--encoding)") from None
        return self._peeked

    def taken(self) -> str:
        """The text since the last row, of which this call is the end."""
        text, self._since = "".join(self._since), []
        self.cut, self.was_cut = False, self.cut
        return text

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line, self._peeked = self._read() if self._peeked is None else self._peeked, None
        if not line:
            raise StopIteration
        self.number += 1
        self._since.append(line)
        return line

    def _read(self) -> str:
        line = self._text.readline(MAX_LINE)
        if len(line) == MAX_LINE and not line.endswith("\n"):
            self.cut = True
            while (rest := self._text.readline(_PIECE)) and not rest.endswith("\n"):
                pass
        return line


def _encoding(begins: bytes) -> str:
    """What the first bytes say: a mark of UTF-16 or of UTF-8; without one UTF-8."""
    if begins.startswith(UTF16):
        return "utf-16"
    return "utf-8-sig" if begins.startswith(UTF8_BOM) else "utf-8"


def _flaw(error: csv.Error) -> Flaw:
    said = str(error)
    if "unexpected end of data" in said:
        return Flaw(
            "csv", "", "a quotation mark is never closed", 'a quotation mark inside a field is written twice: ""'
        )
    if "field larger" in said:
        return Flaw("too_large", "", "a field is too long, or a quotation mark is never closed")
    return Flaw("csv", "", f"not CSV: {said}", 'a quotation mark inside a field is written twice: ""')


def _miscounted(found: int, wanted: int) -> Flaw:
    return Flaw("columns", "", f"the row has {found} fields, and the header {wanted}")


_TOO_LONG = Flaw("too_large", "", f"a line is longer than {MAX_LINE:,} characters; only its beginning is here")
_PASSED = Row(0, b"", "")
