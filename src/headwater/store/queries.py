"""The texts of `store/sql`: named queries, and templates that `store.compile` fills.

`$aside` and `$own` stand for what many of them share (`store/sql/pieces`): whether an event is set aside, since a pair
that it names was severed later, and whether it is a profile's own: attributed to one of `identities`, not set aside.
`$limb` and `$rest` cut a number in two limbs.
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
    }


@cache
def sql(name: str) -> str:
    """The text of `store/sql/NAME.sql`, with its pieces in place."""
    aside = _piece("aside")
    own = Template(_piece("own")).substitute(aside=aside)
    text = (_SQL / f"{name}.sql").read_text()
    return Template(text).safe_substitute(aside=aside, own=own, limb=LIMB, rest=(1 << LIMB) - 1)


def _piece(name: str) -> str:
    return (_SQL / "pieces" / f"{name}.sql").read_text().rstrip()
