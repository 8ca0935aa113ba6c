"""Random workspaces, events and cohort definitions, made so that they meet: few people, few properties, few times.

Times are relative: a real server has its own clock, so a `Moment` becomes a time only when it is sent, and
`["today", 3]` a date. A plan is a function of its seed, which hypothesis chooses: drawn one by one its choices would be
much alike, and three cohorts in four empty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from hypothesis import strategies as st

from truth.cohorts import members
from truth.measures import day_of, period_start
from truth.values import INT64, UINT64
from truth.world import Happening, Kind, World

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
JUDGED = 1_795_320_306_789
"""2026-11-22T04:05:06.789Z: when a definition is tried out."""
EMAILS = [f"email:{name}@example.com" for name in ("ada", "bob", "o'neil", "zoë", "eve", "x+y")]
PHONES = [f"phone:+1949457200{n}" for n in range(6)]
OBJECTS = ["account:1", "account:0001", "account:ü/1:2", "account:a b", "deal:1", "deal:2"]
EVENTS = ("bought", "viewed", "opted~out", "customerCreated")
PERIODS = ("hour", "day", "week", "month")
ORDERS = ("=", "!=", "<", "<=", ">", ">=")
DURATIONS = ("1s", "3s", "10s", "90s", "30m", "2h", "1d", "7d", "1w", "30d", "90d", "90d")

PRICES: list[Any] = [0, 1, 2, 3, 5, 500, -3, 0.1, 0.2, 0.3, 2.5, 1e-9, 1.5e-9, -0.123456789987]
HUGE: list[Any] = [1e15, 10**15, 10**15 - 1, 2**53 + 1, 2**53, INT64, UINT64, -INT64 - 1, 10**30, 1e300]
CITIES: list[Any] = ["Pune", "pune", "Pu", "", "Oslo", "ключ", "\U0001f600", "\uffee"]
ODD: list[Any] = [
    "10",
    "true",
    "' OR 1=1 --",
    "{x}",
    'a\\b%_"',
    str(10**30),
    None,
    {},
    {"b": 1},
    [],
    [None],
    True,
    False,
]
TAGS: list[Any] = [["Pune", 1], [1.0, "x", None], ["Pu"], [True, 2.5], [[1]], [10**30]]
USUAL: dict[str, list[Any]] = {
    "price": PRICES,
    "a.b": PRICES,
    "city": CITIES,
    "a.ключ": CITIES,
    "on": [True, False],
    "tags": TAGS,
    'it\'s "x"; --': CITIES,
}
"""What mostly stands at a path."""
LEVELS: list[Any] = ["at-risk", "fine", "fine", 1, 1.5, True, {"b": 1, "a": [2]}, None]


@dataclass(frozen=True)
class Moment:
    """`delta` milliseconds behind now, or behind the start of the running UTC hour, day, week or month."""

    anchor: str
    delta: int

    def at(self, now: int) -> int:
        return self.delta + (now if self.anchor == "now" else period_start(now, self.anchor))


@dataclass(frozen=True)
class Sending:
    """One event to be sent; `when` is None for one without a date."""

    signal: str
    identities: tuple[str, ...]
    when: Moment | None
    data: dict[str, Any]
    name: str | None = None
    dialect: str = "bik"
    migration: bool = False


@dataclass(frozen=True, repr=False)
class Plan:
    """A workspace to be made, and what is to happen in it."""

    signals: dict[str, Kind]
    sendings: tuple[Sending, ...]
    definitions: tuple[dict[str, Any], ...]
    never: tuple[str, ...]
    cap: int
    seed: int

    def __repr__(self) -> str:
        return f"Plan(seed={self.seed}, {len(self.sendings)} events, {len(self.definitions)} cohorts)"


def plans(most: int = 120, cohorts: int = 8) -> st.SearchStrategy[Plan]:
    """Workspaces with up to `most` events and as many cohorts as asked for."""
    return st.integers(0, 2**64).map(lambda seed: Maker(seed).plan(most, cohorts))


class Maker:
    """Makes everything from one source of chance."""

    def __init__(self, seed: int) -> None:
        self.seed, self.random = seed, Random(seed)
        self.pick = self.random.choice
        self.signals = self._signals()

    def plan(self, most: int, cohorts: int) -> Plan:
        count = self.random.randrange(3) if self.chance(0.1) else self.pick([most // 4, most // 2, most, most])
        never = self.random.sample(EMAILS + PHONES, self.pick([0, 0, 0, 1, 3]))
        sendings = tuple(self.sending() for _ in range(count))
        made = [happening(one, str(n), JUDGED, JUDGED) for n, one in enumerate(sendings)]
        world = World(self.signals, made, frozenset(never))
        definitions = tuple(self.telling(world) for _ in range(cohorts))
        return Plan(self.signals, sendings, definitions, tuple(never), self.pick([100, 100, 2, 3, 4]), self.seed)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def _signals(self) -> dict[str, Kind]:
        """Of every type; the preset's `customerCreated` among them."""
        signals = {slug: Kind() for slug in EVENTS}
        signals["visits"] = Kind("metric", "count", self.pick(PERIODS))
        for name in ("sum", "avg", "min", "max", "count"):
            signals[f"m-{name}"] = Kind("metric", name, self.pick(PERIODS), self.pick(["price", "a.b"]))
        return signals | {"health": Kind("state", value="level"), "plan.x": Kind("state", value="a.b")}

    # --- events -------------------------------------------------------------------------------------------------------

    def sending(self) -> Sending:
        dialect = self.pick(["bik", "bik", "bigmind"])
        slug = self.pick(["bought", "bought", "viewed", "viewed", *self.signals])
        when = None if self.chance(0.15) else self.moment()
        recent = when is None or (when.anchor == "now" and -HOUR < when.delta < 20 * MINUTE)
        migration = dialect == "bik" and not (recent and self.chance(0.8)) and self.chance(0.95)
        name = self.pick([None, None, "Ada", "Bob", "ключ"]) if dialect == "bik" else None
        return Sending(slug, self.who(dialect), when, self.data(slug), name, dialect, migration)

    def who(self, dialect: str) -> tuple[str, ...]:
        """Mostly an address beside the one number that goes with it."""
        if dialect == "bigmind":
            return (self.pick(EMAILS + PHONES + OBJECTS * 3),)
        n = self.random.randrange(len(EMAILS))
        phone = PHONES[n] if self.chance(0.92) else self.pick(PHONES)
        return self.pick([(EMAILS[n],), (phone,), (EMAILS[n], phone)])

    def moment(self) -> Moment:
        """Often to the millisecond at the edge of a window or period."""
        nudge = self.pick([0, 0, 1, -1, SECOND, 4 * SECOND, 9 * SECOND, 47 * MINUTE, -5 * HOUR])
        if self.chance(0.3):
            return Moment(self.pick(PERIODS), nudge - self.pick([0, 0, HOUR, DAY, 7 * DAY, 31 * DAY, -DAY]))
        if self.chance(0.1):
            return Moment("now", self.pick([2 * SECOND, 25 * MINUTE, 45 * MINUTE, 400 * DAY]))
        ages = [
            3 * SECOND,
            10 * SECOND,
            90 * SECOND,
            HOUR,
            2 * HOUR,
            DAY,
            2 * DAY,
            7 * DAY,
            20 * DAY,
            30 * DAY,
            90 * DAY,
        ]
        return Moment("now", nudge - self.pick(ages))

    def data(self, slug: str) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for path, usual in USUAL.items():
            if self.chance(0.6):
                put(data, path, self.value(usual))
        kind = self.signals[slug]
        if kind.type == "metric" and kind.value and self.chance(0.85):
            put(data, kind.value, self.pick(PRICES))
        if kind.type == "state" and self.chance(0.9):
            put(data, kind.value, self.value(LEVELS))
        return data

    def value(self, usual: Sequence[Any]) -> Any:
        return self.pick(usual) if self.chance(0.85) else self.pick(HUGE + ODD + TAGS + CITIES + PRICES)

    # --- definitions --------------------------------------------------------------------------------------------------

    def telling(self, world: World) -> dict[str, Any]:
        """A definition that takes some and leaves others, if a few tries find one."""
        for _ in range(8):
            definition = self.definition()
            if (
                0
                < len(members(world, resolved(definition, JUDGED), JUDGED))
                < len(world.subjects(definition["subject"]))
            ):
                break
        return definition

    def definition(self) -> dict[str, Any]:
        subject = self.pick(["person", "person", "person", "account", "email"])
        return {"subject": subject, "where": self.node(self.pick([0, 0, 1, 2, 3]))}

    def node(self, depth: int) -> dict[str, Any]:
        if not depth:
            kinds = [self.performed, self.performed, self.sequence, self.state, self.metric, self.attribute]
            return self.pick(kinds)()
        if self.chance(0.3):
            return {"not": self.node(depth - 1)}
        return {self.pick(["all", "any"]): [self.node(depth - 1) for _ in range(self.pick([1, 2, 2, 3]))]}

    def performed(self) -> dict[str, Any]:
        leaf: dict[str, Any] = {"performed": self.pick([*EVENTS, "bought", "viewed", "visits", "health"])}
        if self.chance(0.5):
            leaf["filter"] = self.filter()
        if self.chance(0.5):
            leaf["count"] = self.bounds([0, 1, 2, 3, 5, 1.5])
        for name in ("sum", "avg"):
            if self.chance(0.3):
                leaf[name] = {"of": self.pick(["price", "a.b"]), **self.bounds(PRICES)}
        return leaf | self.window()

    def sequence(self) -> dict[str, Any]:
        steps = [{"performed": self.pick(["bought", "viewed"])} for _ in range(self.pick([2, 2, 2, 3, 4]))]
        leaf: dict[str, Any] = {
            "sequence": [step | ({"filter": self.filter()} if self.chance(0.2) else {}) for step in steps]
        }
        if self.chance(0.5):
            leaf["gap"] = self.pick(DURATIONS[5:])
        return leaf | self.window()

    def state(self) -> dict[str, Any]:
        slug, usual = self.pick([("health", LEVELS), ("plan.x", LEVELS)])
        return {"state": slug, **self.either(usual)}

    def attribute(self) -> dict[str, Any]:
        name = self.pick(["name", "city", "price", "on", "tags", "a"])
        return {"attribute": name, **self.either(["Ada", "Bob", "ключ"] if name == "name" else USUAL.get(name, ODD))}

    def either(self, usual: Sequence[Any]) -> dict[str, Any]:
        return {"is": self.operand(usual)} if self.chance(0.4) else self.tests(usual)

    def metric(self) -> dict[str, Any]:
        slug = self.pick([slug for slug, kind in self.signals.items() if kind.type == "metric"])
        periods = {"periods": self.pick([1, 2, 7, 30])} if self.chance(0.9) else {}
        return {"metric": slug, **periods, **self.bounds(PRICES)}

    def filter(self) -> dict[str, Any]:
        return {path: self.tests(USUAL[path]) for path in self.random.sample(list(USUAL), self.pick([1, 1, 2]))}

    def tests(self, usual: Sequence[Any]) -> dict[str, Any]:
        ops = self.random.sample([*ORDERS, "in", "contains", "exists"], self.pick([1, 1, 1, 2]))
        return {op: self._operand(op, usual) for op in ops}

    def _operand(self, op: str, usual: Sequence[Any]) -> Any:
        if op == "exists":
            return self.chance(0.6)
        if op == "in":
            return [self.operand(usual) for _ in range(self.pick([1, 2, 3]))]
        if op in ("=", "!=") and self.chance(0.1):
            return None
        found = self.operand(usual)
        return 2 if isinstance(found, bool) and op in ORDERS[2:] else found

    def operand(self, usual: Sequence[Any]) -> Any:
        """What a definition may compare with: no list, no object, no whole number beyond 64 bits."""
        found = self.value(usual)
        while isinstance(found, list) and found:
            found = self.pick(found)
        fits = isinstance(found, str | bool | float) or (isinstance(found, int) and -INT64 <= found < INT64)
        return found if fits else self.pick(["Pune", 1, "fine"])

    def bounds(self, numbers: Sequence[Any]) -> dict[str, Any]:
        return {op: self.pick(numbers) for op in self.random.sample(ORDERS, self.pick([1, 1, 2]))}

    def window(self) -> dict[str, Any]:
        if self.chance(0.4):
            return {}
        if self.chance(0.7):
            return {"within": self.pick(DURATIONS)}
        first = self.pick([-31, -30, -7, -1, 0])
        return {"between": [["today", first], ["today", first + self.pick([1, 2, 30])]]}


def put(data: dict[str, Any], path: str, value: Any) -> None:
    """Sets what stands at a dotted path of at most two keys."""
    head, _, rest = path.partition(".")
    if rest:
        inner = data.setdefault(head, {})
        inner[rest] = value
    else:
        data[head] = value


def resolved(node: Any, now: int) -> Any:
    """A definition with its dates."""
    if isinstance(node, list):
        if node[:1] == ["today"]:
            return (day_of(period_start(now, "day")) + timedelta(days=node[1])).date().isoformat()
        return [resolved(one, now) for one in node]
    return {key: resolved(value, now) for key, value in node.items()} if isinstance(node, dict) else node


def happening(one: Sending, id_: str, now: int, received: int) -> Happening:
    """What a sending is once it was acknowledged; dated as of `now`."""
    at = received if one.when is None else one.when.at(now)
    return Happening(id_, one.signal, at, received, one.identities, one.data, one.name, one.dialect, one.migration)
