"""Rows for spreadsheets: CSV (RFC 4180) in which no cell can act.

A spreadsheet computes a cell that begins with `=`, `+`, `-` or `@`, and whoever sends events chooses identities. So
an apostrophe goes before such a beginning, also behind a separator inside the cell, where another separator than the
comma could cut it. A phone number in E.164 is left alone: a plus and digits compute to nothing but themselves.
"""

import re
from collections.abc import Iterable

_ACTS = re.compile(r"(^|[;,\t\r\n|])(?=[=+\-@\t\r\n＝＋－＠])")
_TO_QUOTE = re.compile(r"[\",;\t\r\n ]")
_E164 = re.compile(r"\+[0-9]{1,15}", re.ASCII)


def line(cells: Iterable[str]) -> str:
    """One row, its end included."""
    return ",".join(map(_quoted, cells)) + "\r\n"


def harmless(cell: str) -> str:
    """The cell so that no spreadsheet computes it; what is harmless already stays as it is."""
    return cell if _E164.fullmatch(cell) else _ACTS.sub(r"\1'", cell)


def _quoted(cell: str) -> str:
    safe = harmless(cell)
    return '"' + safe.replace('"', '""') + '"' if _TO_QUOTE.search(safe) else safe
