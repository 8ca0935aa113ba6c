"""One business customer's ninety days: what the product's own meters, the support desk and sales note of an account."""

from random import Random
from typing import Any

from headwater.clock import DAY_MS
from headwater.demo.base import DAYS, HOUR_MS, Sent, Span, crm_event, dice, moment

_PLANS = ("trial", "team", "business", "enterprise")
_STAGES = ("qualified", "proposal", "negotiation", "won", "lost")
_PAGES = ("/docs/quickstart", "/docs/api-reference", "/docs/webhooks", "/pricing", "/docs/limits")
_FEATURES = ("reports", "segments", "exports", "rules", "api keys")
_SUBJECTS = ("Cannot log in", "Invoice question", "Import is slow", "Webhook not called", "Feature request")
PRIORITIES = ("low", "normal", "high", "urgent")
_MOODS = ("healthy", "at-risk", "critical")


def life(seed: str, number: int, tag: str, span: Span) -> list[Sent]:
    """Everything of the account of that number, and of its deal and its contact, in no order."""
    return _Account(dice(f"{seed} account {number}"), number, tag, span).lived()


class _Account:
    """An account's events as they come to be."""

    def __init__(self, random: Random, number: int, tag: str, span: Span) -> None:
        self._random = random
        self._id = f"001HW{tag}{number:0{10 - len(tag)}}"
        self._deal = f"006HW{tag}{number:0{10 - len(tag)}}"
        self._contact = f"003HW{tag}{number:0{10 - len(tag)}}"
        self._span = span
        self._size = random.lognormvariate(6, 1.2)
        """API calls on an ordinary day."""
        self._trend = random.uniform(-0.02, 0.02)
        """By which share that grows each day."""
        self._first_day = span.begin_ms // DAY_MS * DAY_MS
        self._sent: list[Sent] = []

    def lived(self) -> list[Sent]:
        self._sales()
        for day in range(DAYS + 1):
            self._day(day, self._first_day + day * DAY_MS)
        begin, end = self._span.begin_ms, self._span.end_ms
        return [sent for sent in self._sent if begin <= sent.ms <= end]

    def _day(self, day: int, begin: int) -> None:
        random = self._random
        weekend = (begin // DAY_MS + 3) % 7 >= 5
        calls = int(self._size * (1 + self._trend) ** day * random.uniform(0.6, 1.4) * (0.2 if weekend else 1))
        self._note(begin + 18 * HOUR_MS, "api-calls", {"calls": calls, "errors": calls // random.randrange(20, 400)})
        if weekend:
            return
        for _ in range(random.choice((0, 0, 1, 2))):
            seconds = random.randrange(5, 900)
            self._note(moment(random, begin), "visited-documentation-page", self._page() | {"seconds": seconds})
        if random.random() < 0.5:
            feature = {"feature": random.choice(_FEATURES), "user": f"user{random.randrange(5)}"}
            self._note(moment(random, begin), "feature-used", feature)
        if random.random() < 0.08:
            self._ticket(moment(random, begin))
        if day % 7 == 0:
            self._week(day, begin)

    def _week(self, day: int, begin: int) -> None:
        random, seats = self._random, max(1, int(self._size / 40 * (1 + self._trend) ** day))
        self._note(begin + 6 * HOUR_MS, "seats", {"seats": {"active": seats, "paid": seats + random.randrange(5)}})
        if day % 14 == 0:
            mood = random.choices(_MOODS, (6, 3, 1) if self._trend > -0.005 else (2, 5, 3))[0]
            self._note(begin + 7 * HOUR_MS, "health-score", {"score": mood, "by": "success team"})
        if day % 28 == 0:
            amount = round(seats * 1499 * random.choice((0.8, 1, 1)), 2)
            facts = {"amount": amount, "currency": "INR", "invoice": f"inv-{self._id}-{day}"}
            self._note(begin + 9 * HOUR_MS, "invoice-paid", facts)

    def _ticket(self, ms: int) -> None:
        random = self._random
        priority = random.choices(PRIORITIES, (3, 5, 3, 1))[0]
        facts = {"subject": random.choice(_SUBJECTS), "priority": priority, "channel": random.choice(("mail", "chat"))}
        self._note(ms, "support-ticket-opened", facts)
        hours = round(random.expovariate(1 / (2 if priority == "urgent" else 9)), 2)
        self._note(ms + int(hours * HOUR_MS), "first-response", {"hours": hours, "priority": priority})

    def _sales(self) -> None:
        """Its plan, and the deal that may change it."""
        random, plan = self._random, self._random.randrange(len(_PLANS) - 1)
        ms = self._first_day + random.randrange(20) * DAY_MS
        self._note(moment(random, ms), "plan", {"plan": {"name": _PLANS[plan], "since": "sales"}})
        for stage in _STAGES[: random.choice((0, 1, 2, 3, 3, 4))]:
            ms += random.randrange(1, 20) * DAY_MS
            value = round(self._size * 100, 2)
            self._sent.append(
                crm_event(moment(random, ms), "deal-stage", "deal", self._deal, {"stage": stage, "value": value})
            )
            self._sent.append(crm_event(moment(random, ms), "meeting-held", "contact", self._contact, {"stage": stage}))
            if stage == "won":
                self._note(moment(random, ms + DAY_MS), "plan", {"plan": {"name": _PLANS[plan + 1], "since": "sales"}})

    def _page(self) -> dict[str, Any]:
        return {"page": self._random.choice(_PAGES), "from": "search"}

    def _note(self, ms: int, signal: str, data: dict[str, Any]) -> None:
        self._sent.append(crm_event(ms, signal, "account", self._id, data))
