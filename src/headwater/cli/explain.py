"""`headwater explain`: what an error means, why it happens, and what to do. A page each, in `explained/`, which the
documentation site has as well.

Answers have no link to them: a `type` or a link in a problem would have to name a host, and none is everybody's; the
server's own would be one more thing in front of senders. A code is enough to find its page, also without a network.
"""

import re
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from headwater.outcomes import Reason

_FOLDER = Path(__file__).with_name("explained")
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_KINDS = (
    ("Why a request was not taken", "The code of a fault, as `Prefer: handling=lenient` tells it under `errors`."),
    ("Why an acknowledged event was rejected", "The `reason` of a rejected event. It is kept, and can be replayed."),
    ("HTTP statuses", "Of every path: in the dialect's shape where events are taken, else as problem details."),
)

_HEAD = """# Errors

Each has a page; `headwater explain CODE` prints it, also where there is no network and no server. Answers name the
code, the place and what to do, and link nowhere: the `type` of problem details is `about:blank`, which says that the
status tells programs all there is to tell.

A request that is refused without `Prefer: handling=lenient` tells its faults in the vendor's own words, without a
code. They are easily told apart: *is required* is [`required`](required.md), *must be a string* [`type`](type.md),
*must be an ISO 8601 date* [`date`](date.md), *is not allowed, did you mean …* [`unknown_field`](unknown_field.md).

In the examples `$KEY` is your key, and words in angle brackets stand for what is another each time: `<uuid>`, `<time>`,
`<now -3h>`.
"""

Code = Annotated[str | None, typer.Argument(help="As schema_violation, required or 429; all of them when absent.")]


@cache
def codes() -> tuple[str, ...]:
    """Every code that has a page: of faults, then reasons, then statuses."""
    found = {path.stem for path in _FOLDER.glob("*.md")}
    return tuple(sorted(found, key=lambda code: (_kind(code), code)))


def page_of(code: str) -> str:
    """A code's page, as Markdown."""
    return _COMMENT.sub("", (_FOLDER / f"{code}.md").read_text("utf-8"))


def summary_of(code: str) -> str:
    """Its first sentences."""
    return page_of(code).split("\n\n")[1].replace("\n", " ")


def index() -> str:
    """All codes by kind, as a page with links."""
    lines = [_HEAD]
    for kind, (title, text) in enumerate(_KINDS):
        lines.append(f"\n## {title}\n\n{text}\n\n| code | |\n|---|---|\n")
        lines += [f"| [`{code}`]({code}.md) | {summary_of(code)} |\n" for code in codes() if _kind(code) == kind]
    return "".join(lines)


def _kind(code: str) -> int:
    return 2 if code.isdecimal() else int(code in set(Reason))


def register(app: typer.Typer) -> None:
    """Adds the command of this file to `app`."""
    app.command()(explain)


def explain(code: Code = None) -> None:
    """Say what an error's code, a rejected event's reason, or a status means, and what to do about it."""
    if code is None:
        for each in codes():
            typer.echo(f"{each:<26}{summary_of(each)}")
    elif code in codes():
        typer.echo(page_of(code).rstrip())
    else:
        near = get_close_matches(code.lower(), codes(), 3)
        meant = f"; did you mean {', '.join(near)}?" if near else "; `headwater explain` lists those there are"
        typer.echo(f"headwater: there is no page about '{code[:100]}'{meant}", err=True)
        raise typer.Exit(2)
