"""What ClickHouse says when it fails, without what it quotes: rows that it could not read, what was asked for.

Its errors go into the log, and some of them into answers that need no key; what people sent must not.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from headwater.advice import said
from headwater.errors import HeadwaterError

_OWN = re.compile(r".*?DB::Exception:", re.DOTALL)
_QUOTED = re.compile(r"""['"`‘]|\nRow \d""")
"""Where quotes begin. Where they end cannot be told: what is quoted may have quotes itself."""
_OF_VALUES = re.compile("PARSE|PARAMETER|INCORRECT")
"""In the names of errors that are about a value, and may have it anywhere; where the name is missing, in its text."""
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)(?:\s*\(version [^()]*(?:\([^()]*\))?\))?[\s.]*(?:\(for url [^()]*\))?\s*$")
_URL = re.compile(r"(with url: )\S+")
"""Of a request that failed: its parameters are in there."""


@contextmanager
def discreet() -> Iterator[None]:
    """An error of the store's in here is told without what it quotes, and without those that led to it."""
    try:
        yield
    except HeadwaterError:
        raise
    except Exception as error:
        error.args = tuple(unquoted(each) if isinstance(each, str) else each for each in error.args)
        raise error from None


def unquoted(text: str) -> str:
    """Up to the first quote, then the error's name, and what ails the disk. Of an error about a value its number and
    name alone."""
    text = _URL.sub(r"\1…", text)
    own = _OWN.match(text)
    if own is None:
        return text
    name, quote, ails = _NAME.search(text), _QUOTED.search(text), said(text)
    if _OF_VALUES.search(name[1] if name else text.upper()):
        told = own[0]
    elif quote:
        told = text[: quote.start()].rstrip()
    else:
        return text
    return " ".join([told, "…", *([ails] if ails else []), *([f"({name[1]})"] if name else [])])
