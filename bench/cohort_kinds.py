"""What is asked: each kind of condition, as headwater's definition and as the SQL one would write naively over one
table of events; and the fifty cohorts that live at once."""

from dataclasses import dataclass
from typing import Any

from headwater.clock import DAY_MS, to_iso

Definition = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    name: str
    definition: Definition
    sql: str
    """Counts the same subjects; `:now`, `:first` and `:last` are milliseconds. A person is a number there already."""


def person(*conditions: Definition) -> Definition:
    return {"subject": "person", "where": conditions[0] if len(conditions) == 1 else {"all": list(conditions)}}


def kinds(first_ms: int, last_ms: int) -> tuple[Kind, ...]:
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
                     "AND json_extract(data, '$.category') = 'kurta' GROUP BY person HAVING count(*) >= 5"),
        ),
        Kind(
            "sum",
            person({"performed": "purchasedAProduct", "sum": {"of": "itemPrice", ">=": 8000.005}, "within": "30d"}),
            _counted(f"SELECT person FROM events WHERE signal = 'purchasedAProduct' AND {_within(30)} "
                     "GROUP BY person HAVING sum(json_extract(data, '$.itemPrice')) >= 8000.005"),
        ),
        Kind(
            "average between dates",
            person({"performed": "productViewed", "avg": {"of": "itemPrice", ">=": 2500.005}, "between": dates}),
            _counted("SELECT person FROM events WHERE signal = 'productViewed' AND occurred_ms >= :first AND "
                     "occurred_ms < :last GROUP BY person HAVING avg(json_extract(data, '$.itemPrice')) >= 2500.005"),
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
            _newest("loyalty-tier", "tier", "gold"),
        ),
        Kind(
            "metric",
            {"subject": "account", "where": {"metric": "api-calls", "periods": 7, ">=": 5000}},
            _counted("SELECT person FROM events WHERE signal = 'api-calls' AND "
                     f"occurred_ms >= :now / {DAY_MS} * {DAY_MS} - 6 * {DAY_MS} AND "
                     f"occurred_ms < :now / {DAY_MS} * {DAY_MS} + {DAY_MS} "
                     "GROUP BY person HAVING sum(json_extract(data, '$.calls')) >= 5000"),
        ),
        Kind("attribute", person({"attribute": "city", "is": "Mumbai"}), _newest("customerCreated", "city", "Mumbai")),
        Kind(
            "nested",
            person(
                {"performed": "purchasedAProduct", "count": {">=": 3}, "within": "30d",
                 "filter": {"itemPrice": {">=": 500}}},
                {"any": [{"state": "loyalty-tier", "is": "gold"}, {"performed": "usedAPromoCode", "within": "60d"}]},
                {"not": {"performed": "optedOut"}},
            ),
            _counted(f"SELECT person FROM events WHERE signal = 'purchasedAProduct' AND {_within(30)} "
                     "AND json_extract(data, '$.itemPrice') >= 500 GROUP BY person HAVING count(*) >= 3 "
                     f"INTERSECT SELECT person FROM ({_holders('loyalty-tier', 'tier', 'gold')} "
                     f"UNION SELECT person FROM events WHERE signal = 'usedAPromoCode' AND {_within(60)}) "
                     "EXCEPT SELECT person FROM events WHERE signal = 'optedOut'"),
        ),
    )  # fmt: skip


def _counted(sql: str) -> str:
    return f"SELECT count(*) FROM ({sql})"


def _within(days: int, of: str = "") -> str:
    return f"{of}occurred_ms > :now - {days * DAY_MS} AND {of}occurred_ms <= :now"


def _holders(signal: str, field: str, value: str) -> str:
    """Whose newest event of the signal says so: SQLite takes `data` from the row that has the maximum."""
    newest = f"SELECT person, data, max(occurred_ms) FROM events WHERE signal = '{signal}' GROUP BY person"
    return f"SELECT person FROM ({newest}) WHERE json_extract(data, '$.{field}') = '{value}'"


def _newest(signal: str, field: str, value: str) -> str:
    return _counted(_holders(signal, field, value))


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
