"""The texts of `store/sql`: named queries, and templates that `store.compile` fills.

`$counts`, `$aside` and `$own` stand for what many of them share (`store/sql/pieces`): whether an event counts at all,
whether it is set aside, since a pair that it names was severed later, and whether it is a profile's own: attributed to
one of `identities`, not set aside. `$event` are an event's columns but for its status, `$status` is what became of it,
`$shown` whether it is the last word on its event, `$fits` whether it is that and fits a list's filters, `$refused`
whether it is a rejected event that is asked for and may be replayed. `$committed` is whether its block was, `$doomed`
whether a job has marked it, `$settled` what was settled when it was received. `$came` is when an event came in, in
milliseconds. `$columns` are those of an inserted line, `$line` are the same with their types. `$limb` and `$rest` cut a
number in two limbs.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from headwater.rules.connect import Attribution
from headwater.rules.numbers import LIMB

_SQL = files("headwater.store") / "sql"


def whose(attribution: Attribution, identities: Sequence[str]) -> dict[str, Any]:
    """What `$aside` and `$own` take: whose events, and which of them belong to nobody."""
    return {
        "identities": list(identities),
        "never": sorted(attribution.never),
        "ones": [each.a for each in attribution.severed],
        "others": [each.b for each in attribution.severed],
        "untils": [each.until_ms for each in attribution.severed],
        "excluded": sorted(attribution.excluded),
    }


@cache
def sql(name: str) -> str:
    """The text of `store/sql/NAME.sql`, with its pieces in place."""
    text = (_SQL / f"{name}.sql").read_text()
    for _ in range(2):  # a piece may hold others
        text = Template(text).safe_substitute(_pieces(), limb=LIMB, rest=(1 << LIMB) - 1)
    return text


@cache
def _pieces() -> dict[str, str]:
    return {each.name.removesuffix(".sql"): each.read_text().rstrip() for each in (_SQL / "pieces").iterdir()}
