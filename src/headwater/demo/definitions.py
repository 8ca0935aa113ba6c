"""What the story needs before its first event, and asks of it in the end: signals, a schema, cohorts."""

from typing import Any

from headwater.clock import DAY_MS, to_iso
from headwater.demo.crm import PRIORITIES

SIGNALS: tuple[dict[str, Any], ...] = (
    {"name": "Visited documentation page", "type": "event"},
    {"name": "Feature used", "type": "event"},
    {"name": "Support ticket opened", "type": "event"},
    {"name": "Invoice paid", "type": "event"},
    {"name": "Meeting held", "type": "event"},
    {"name": "API calls", "type": "metric", "aggregation": "sum", "period": "day", "value": "calls"},
    {"name": "Order value", "type": "metric", "aggregation": "sum", "period": "month", "value": "total"},
    {"name": "Seats", "type": "metric", "aggregation": "max", "period": "week", "value": "seats.active"},
    {"name": "First response", "type": "metric", "aggregation": "avg", "period": "week", "value": "hours"},
    {"name": "Health score", "type": "state", "value": "score"},
    {"name": "Plan", "type": "state", "value": "plan.name"},
    {"name": "Deal stage", "type": "state", "value": "stage"},
    {"name": "Loyalty tier", "type": "state", "value": "tier"},
)
"""Bodies of `POST /v1/signals`, beside the preset `ecommerce`; without limits, for a history comes all at once."""

SCHEMAS: dict[str, dict[str, Any]] = {
    "support-ticket-opened": {
        "type": "object",
        "required": ["subject", "priority"],
        "properties": {"subject": {"type": "string"}, "priority": {"enum": list(PRIORITIES)}},
    }
}
"""By slug."""


def cohorts(end_ms: int) -> dict[str, dict[str, Any]]:
    """Definitions by name: every kind of condition is in one of them. Dates are whole days before `end_ms`."""
    return _of_people(end_ms) | _of_business()


def _of_people(end_ms: int) -> dict[str, dict[str, Any]]:
    month = [to_iso(end_ms - days * DAY_MS)[:10] for days in (60, 30)]
    return {
        "Big spenders, 30 days": _person(
            {"performed": "purchasedAProduct", "sum": {"of": "itemPrice", ">=": 8000}, "within": "30d"},
            {"not": {"performed": "optedOut"}},
        ),
        "Cart left behind this week": _person(
            {"performed": "addToCart", "within": "7d"},
            {"not": {"performed": "ordered", "within": "7d"}},
        ),
        "From cart to order within a day": _person(
            {"sequence": [{"performed": "addToCart"}, {"performed": "ordered"}], "gap": "1d", "within": "30d"},
        ),
        "Regulars gone quiet": _person(
            {"performed": "ordered", "count": {">=": 3}, "within": "90d"},
            {"not": {"performed": "pageViewed", "within": "14d"}},
        ),
        "Gold, and fond of promo codes": _person(
            {"state": "loyalty-tier", "is": "gold"},
            {"performed": "usedAPromoCode", "count": {">=": 2}},
        ),
        "Dear shirts and kurtas, the month before": _person(
            {
                "performed": "purchasedAProduct",
                "avg": {"of": "itemPrice", ">": 1800},
                "filter": {"category": {"in": ["shirt", "kurta"]}},
                "between": month,
            },
        ),
        "Mumbai, came by a friend": _person(
            {"attribute": "city", "is": "Mumbai"},
            {"attribute": "source", "is": "friend"},
        ),
        "Spent 10,000 in two months": _person({"metric": "order-value", "periods": 2, ">=": 10000}),
    }


def _of_business() -> dict[str, dict[str, Any]]:
    return {
        "Accounts at risk with a pressing ticket": {
            "subject": "account",
            "where": {
                "all": [
                    {"any": [{"state": "health-score", "is": "at-risk"}, {"state": "health-score", "is": "critical"}]},
                    {
                        "performed": "support-ticket-opened",
                        "filter": {"priority": {"in": ["high", "urgent"]}},
                        "within": "60d",
                    },
                ]
            },
        },
        "Heavy API users": {"subject": "account", "where": {"metric": "api-calls", "periods": 7, ">=": 5000}},
        "Deals in negotiation": {"subject": "deal", "where": {"state": "deal-stage", "is": "negotiation"}},
    }


def _person(*conditions: dict[str, Any]) -> dict[str, Any]:
    where = conditions[0] if len(conditions) == 1 else {"all": list(conditions)}
    return {"subject": "person", "where": where}
