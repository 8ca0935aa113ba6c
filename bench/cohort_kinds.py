"""What is asked: each kind of condition, as headwater's definition and as the SQL one would write naively over one
table of events; and the fifty cohorts that live at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headwater.clock import DAY_MS, to_iso

Definition = dict[str, Any]


@dataclass(frozen=True)
class Words:
    """What databases say differently."""

    text: Callable[[str], str]
    """A field of `data`, as text."""
    number: Callable[[str], str]
    newest: Callable[[str], str]
    """SELECT of `person` and `data` of each one's newest event of a signal."""


SQLITE = Words(
    text=lambda field: f"json_extract(data, '$.{field}')",
    number=lambda field: f"json_extract(data, '$.{field}')",
    # SQLite takes `data` from the row that has the maximum.
    newest=lambda signal: (
        f"SELECT person, data, max(occurred_ms) FROM events WHERE signal = '{signal}' GROUP BY person"
    ),
)
DUCKDB = Words(
    text=lambda field: f"data->>'$.{field}'",
    number=lambda field: f"CAST(data->>'$.{field}' AS DOUBLE)",
    newest=lambda signal: (
        f"SELECT person, arg_max(data, occurred_ms) AS data FROM events WHERE signal = '{signal}' GROUP BY person"
    ),
)
POSTGRES = Words(
    text=lambda field: f"data->>'{field}'",
    number=lambda field: f"(data->>'{field}')::float8",
    newest=lambda signal: (
        f"SELECT DISTINCT ON (person) person, data FROM events WHERE signal = '{signal}' "
        "ORDER BY person, occurred_ms DESC"
    ),
)


@dataclass(frozen=True)
class Kind:
    name: str
    definition: Definition
    sql: str
    """Counts the same subjects; `:now`, `:today`, `:first` and `:last` are milliseconds. A person is a number there
    already."""

    def told(self, named: dict[str, int]) -> str:
        """The SQL with the milliseconds in their places."""
        sql = self.sql
        for name, value in named.items():
            sql = sql.replace(f":{name}", str(value))
        return sql


def person(*conditions: Definition) -> Definition:
    return {"subject": "person", "where": conditions[0] if len(conditions) == 1 else {"all": list(conditions)}}


def named(now_ms: int, first_ms: int, last_ms: int) -> dict[str, int]:
    """What stands for what in the SQL."""
    return {"now": now_ms, "today": now_ms // DAY_MS * DAY_MS, "first": first_ms, "last": last_ms}


def kinds(first_ms: int, last_ms: int, words: Words = SQLITE) -> tuple[Kind, ...]:
    """The dates are those of the condition with fixed dates: whole days."""
    dates = [to_iso(first_ms)[:10], to_iso(last_ms)[:10]]
    return (
        Kind(
            "count in a window",
            person({"performed": "ordered", "count": {">=": 3}, "within": "30d"}),
            _counted(f"SELECT person FROM events WHERE signal = 'ordered' AND {_within(30)} "
                     "GROUP BY person HAVING count(*) >= 3"),
        ),
        Kind(
            "count over all time",
            person({"performed": "productViewed", "count": {">=": 40}}),
            _counted("SELECT person FROM events WHERE signal = 'productViewed' GROUP BY person HAVING count(*) >= 40"),
        ),
        Kind(
            "count with a property",
            person({"performed": "productViewed", "count": {">=": 5}, "within": "90d",
                    "filter": {"category": {"=": "kurta"}}}),
            _counted(f"SELECT person FROM events WHERE signal = 'productViewed' AND {_within(90)} "
                     f"AND {words.text('category')} = 'kurta' GROUP BY person HAVING count(*) >= 5"),
        ),
        Kind(
            "sum",
            person({"performed": "purchasedAProduct", "sum": {"of": "itemPrice", ">=": 8000.005}, "within": "30d"}),
            _counted(f"SELECT person FROM events WHERE signal = 'purchasedAProduct' AND {_within(30)} "
                     f"GROUP BY person HAVING sum({words.number('itemPrice')}) >= 8000.005"),
        ),
        Kind(
            "average between dates",
            person({"performed": "productViewed", "avg": {"of": "itemPrice", ">=": 2500.005}, "between": dates}),
            _counted("SELECT person FROM events WHERE signal = 'productViewed' AND occurred_ms >= :first AND "
                     f"occurred_ms < :last GROUP BY person HAVING avg({words.number('itemPrice')}) >= 2500.005"),
        ),
        Kind(
            "sequence of two",
            person({"sequence": [{"performed": "addToCart"}, {"performed": "ordered"}], "gap": "1d", "within": "30d"}),
            "SELECT count(DISTINCT a.person) FROM events a JOIN events b ON b.person = a.person "
            f"WHERE a.signal = 'addToCart' AND b.signal = 'ordered' AND {_within(30, 'a.')} AND {_within(30, 'b.')} "
            f"AND b.occurred_ms > a.occurred_ms AND b.occurred_ms <= a.occurred_ms + {DAY_MS}",
        ),
        Kind(
            "sequence of three",
            person({"sequence": [{"performed": "addedToWishlist"}, {"performed": "addToCart"},
                                 {"performed": "ordered"}], "gap": "7d", "within": "90d"}),
            "SELECT count(DISTINCT a.person) FROM events a JOIN events b ON b.person = a.person "
            "JOIN events c ON c.person = b.person WHERE a.signal = 'addedToWishlist' AND b.signal = 'addToCart' "
            f"AND c.signal = 'ordered' AND {_within(90, 'a.')} AND {_within(90, 'c.')} "
            f"AND b.occurred_ms > a.occurred_ms AND b.occurred_ms <= a.occurred_ms + {7 * DAY_MS} "
            f"AND c.occurred_ms > b.occurred_ms AND c.occurred_ms <= b.occurred_ms + {7 * DAY_MS}",
        ),
        Kind(
            "absence",
            person({"not": {"performed": "pageViewed", "within": "14d"}}),
            _counted("SELECT person FROM events WHERE subject = 'person' EXCEPT "
                     f"SELECT person FROM events WHERE signal = 'pageViewed' AND {_within(14)}"),
        ),
        Kind(
            "state",
            person({"state": "loyalty-tier", "is": "gold"}),
            _newest(words, "loyalty-tier", "tier", "gold"),
        ),
        Kind(
            "metric",
            {"subject": "account", "where": {"metric": "api-calls", "periods": 7, ">=": 5000}},
            _counted("SELECT person FROM events WHERE signal = 'api-calls' AND "
                     f"occurred_ms >= :today - {6 * DAY_MS} AND occurred_ms < :today + {DAY_MS} "
                     f"GROUP BY person HAVING sum({words.number('calls')}) >= 5000"),
        ),
        Kind(
            "attribute",
            person({"attribute": "city", "is": "Mumbai"}),
            _newest(words, "customerCreated", "city", "Mumbai"),
        ),
        Kind(
            "nested",
            person(
                {"performed": "purchasedAProduct", "count": {">=": 3}, "within": "30d",
                 "filter": {"itemPrice": {">=": 500}}},
                {"any": [{"state": "loyalty-tier", "is": "gold"}, {"performed": "usedAPromoCode", "within": "60d"}]},
                {"not": {"performed": "optedOut"}},
            ),
            _counted(f"SELECT person FROM events WHERE signal = 'purchasedAProduct' AND {_within(30)} "
                     f"AND {words.number('itemPrice')} >= 500 GROUP BY person HAVING count(*) >= 3 "
                     f"INTERSECT SELECT person FROM ({_holders(words, 'loyalty-tier', 'tier', 'gold')} "
                     f"UNION SELECT person FROM events WHERE signal = 'usedAPromoCode' AND {_within(60)}) AS either "
                     "EXCEPT SELECT person FROM events WHERE signal = 'optedOut'"),
        ),
    )  # fmt: skip


def _counted(sql: str) -> str:
    return f"SELECT count(*) FROM ({sql}) AS found"


def _within(days: int, of: str = "") -> str:
    return f"{of}occurred_ms > :now - {days * DAY_MS} AND {of}occurred_ms <= :now"


def _holders(words: Words, signal: str, field: str, value: str) -> str:
    """Whose newest event of the signal says so."""
    return f"SELECT person FROM ({words.newest(signal)}) AS newest WHERE {words.text(field)} = '{value}'"


def _newest(words: Words, signal: str, field: str, value: str) -> str:
    return _counted(_holders(words, signal, field, value))


# --- fifty ---------------------------------------------------------------------------------------------------------

PROBED = "probe: searched for headwater in ten seconds"
"""Whom only the bench's own probes get in and out of."""


def fifty(first_ms: int, last_ms: int) -> dict[str, Definition]:
    """Definitions by name: those of `kinds`, and variations of them."""
    made = {kind.name: kind.definition for kind in kinds(first_ms, last_ms)}
    searched = {"performed": "keywordSearched", "filter": {"keyword": {"=": "headwater"}}, "within": "10s"}
    made[PROBED] = person(searched)
    for signal in ("ordered", "addToCart", "productViewed", "pageViewed", "purchasedAProduct"):
        for window, least in (("1d", 1), ("7d", 2), ("60d", 5)):
            condition = {"performed": signal, "count": {">=": least}, "within": window}
            made[f"{signal} {least} times in {window}"] = person(condition)
    for category in ("shirt", "scarf", "towel", "cushion"):
        bought = {"performed": "purchasedAProduct", "filter": {"category": {"=": category}}, "within": "30d"}
        made[f"bought a {category}"] = person(bought)
    for least in (2000.005, 20_000.005):
        spent = {"performed": "ordered", "sum": {"of": "total", ">=": least}, "within": "90d"}
        made[f"spent {least}"] = person(spent)
    for gap in ("1h", "3d", "14d"):
        steps = [{"performed": "abandonedCartCreated"}, {"performed": "ordered"}]
        made[f"came back within {gap}"] = person({"sequence": steps, "gap": gap, "within": "60d"})
    for days in (3, 7, 30):
        carted = {"performed": "addToCart", "within": f"{days}d"}
        made[f"left a cart for {days} days"] = person(carted, {"not": {"performed": "ordered", "within": f"{days}d"}})
    for tier in ("bronze", "silver"):
        made[f"tier {tier}"] = person({"state": "loyalty-tier", "is": tier})
    for score in ("at-risk", "critical"):
        made[f"accounts {score}"] = {"subject": "account", "where": {"state": "health-score", "is": score}}
    for least in (5000.005, 20_000.005):
        made[f"ordered for {least} in two months"] = person({"metric": "order-value", "periods": 2, ">=": least})
    for city in ("Bengaluru", "Berlin"):
        made[f"from {city}"] = person({"attribute": "city", "is": city})
    made["deals in negotiation"] = {"subject": "deal", "where": {"state": "deal-stage", "is": "negotiation"}}
    made["promo hunters"] = person({"performed": "usedAPromoCode", "count": {">=": 3}})
    assert len(made) == 50, len(made)
    return made
