"""Questions about profiles, answered from the processed events by whoever is connected now: merging moves nothing, so
an unmerge gives back exactly what was."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any
from uuid import UUID

import msgspec

from headwater import clock
from headwater.catalog.base import Definitions
from headwater.errors import InvalidError, NotFoundError
from headwater.people import People, Unmerged
from headwater.rules.answers import (
    CohortAnswer,
    ConnectionsAnswer,
    Identity,
    MetricAnswer,
    NotConnectedAnswer,
    ProfileAnswer,
    StateAnswer,
    UnmergeAnswer,
)
from headwater.rules.filters import identity_of
from headwater.rules.identity import split_identity
from headwater.rules.numbers import SCALE, parsed, text
from headwater.rules.profile import (
    ATTRIBUTES_SIGNALS,
    BESIDE,
    IDENTIFY,
    NAME,
    is_profile_id,
    newest_name,
    profile_id,
    representative,
)
from headwater.rules.rollup import next_start, period_start
from headwater.rules.values import canonical
from headwater.signals import Aggregation, Signal, SignalType
from headwater.state.cohorts import Memberships
from headwater.store.base import Store
from headwater.store.queries import whose

MOST_ATTRIBUTES = 1000
"""Attributes of a profile that are shown: the first by name."""
MOST_EVENTS, MOST_BYTES = 10_000, 16 * 1024 * 1024
"""Events that attributes are read from, the newest, and bytes of them. Only a profile whose newest values came in more
(large ones, or thousands of one moment) shows fewer attributes; none is ever an older one."""

Facts = Mapping[str, Any]
"""A row of `store/sql/profile.sql`."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_NULL = msgspec.Raw(b"null")


class Profiles:
    """Every question is about one workspace and sees nothing of another. Safe to use from threads.

    `changed` is called after an unmerge.
    """

    def __init__(
        self,
        store: Store,
        people: People,
        catalog: Definitions,
        memberships: Memberships,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._people = people
        self._catalog = catalog
        self._memberships = memberships
        self._changed = changed

    def profile(self, workspace: str, key: str) -> ProfileAnswer:
        """A profile by any of its identities, `type:id`. Raises NotFoundError when no processed event named one."""
        connected = self._connected(workspace, key)
        return self._answer(workspace, connected, self._known(workspace, key, connected))

    def connections(self, workspace: str, key: str) -> ConnectionsAnswer:
        """What a profile is made of, and what is not connected. Raises NotFoundError likewise."""
        connected = self._connected(workspace, key)
        facts = self._known(workspace, key, connected)
        apart = self._people.not_connected(workspace, connected)
        return ConnectionsAnswer(
            id=profile_id(workspace, connected),
            identities=_identities(connected),
            set_aside=sum(row["set_aside"] for row in facts),
            not_connected=[NotConnectedAnswer(_identities((each.a, each.b)), each.reason) for each in apart],
        )

    def unmerge(self, workspace: str, key: str, cut: str) -> UnmergeAnswer:
        """Cuts an identity out of a profile, named by its id or any identity, and answers with what it came apart into.

        Raises NotFoundError when there is no such profile, InvalidError when `cut` is none of its identities,
        ConflictError when it has no other.
        """
        identity = identity_of(cut)
        if identity is None:
            raise InvalidError("'identity' must be type:id, as email:ada@example.com or phone:+19494572000", "identity")
        connected = self._people.connected(workspace, identity)
        if is_profile_id(key):
            if profile_id(workspace, connected) != key:
                raise NotFoundError(f"There is no profile {key} with the identity {identity}")
        else:
            self._known(workspace, key, self._connected(workspace, key))
            if identity_of(key) not in connected:
                raise InvalidError(f"'identity' must be one of the profile's: {identity} is not", "identity")
        self._known(workspace, identity, connected)
        unmerged = self._people.unmerge(workspace, identity, clock.now_ms())
        self._changed()
        return self._came_apart(workspace, unmerged)

    def _came_apart(self, workspace: str, unmerged: Unmerged) -> UnmergeAnswer:
        found = [(joined, self._facts(workspace, joined)) for joined in unmerged.sets]
        return UnmergeAnswer(
            severed=[_identities(each.pair) for each in unmerged.severed],
            profiles=[self._answer(workspace, joined, facts) for joined, facts in found if facts],
        )

    def _connected(self, workspace: str, key: str) -> Sequence[str]:
        identity = identity_of(key)
        return self._people.connected(workspace, identity) if identity else ()

    def _known(self, workspace: str, key: str, connected: Sequence[str]) -> Sequence[Facts]:
        """Raises NotFoundError when no processed event names one of the identities."""
        facts = self._facts(workspace, connected) if connected else []
        if not facts:
            raise NotFoundError(f"No event of {key} has been processed")
        return facts

    def _facts(self, workspace: str, connected: Sequence[str]) -> Sequence[Facts]:
        running = [(slug, *_running(signal)) for slug, signal in self._signals(workspace, "metric").items()]
        periods = {
            "signals": [slug for slug, _, _ in running],
            "starts": [start for _, start, _ in running],
            "ends": [end for _, _, end in running],
        }
        return self._store.rows("profile", self._about(workspace, connected) | periods)

    def _answer(self, workspace: str, connected: Sequence[str], facts: Sequence[Facts]) -> ProfileAnswer:
        about, own = self._about(workspace, connected), [row for row in facts if row["events"]]
        return ProfileAnswer(
            id=profile_id(workspace, connected),
            name=self._name(about, own),
            identities=_identities(connected),
            attributes=self._attributes(about, own),
            events=sum(row["events"] for row in own),
            first_seen=clock.to_iso(min(row["first_ms"] for row in own)) if own else None,
            last_seen=clock.to_iso(max(row["last_ms"] for row in own)) if own else None,
            states=_states(self._signals(workspace, "state"), own),
            metrics=_metrics(self._signals(workspace, "metric"), own),
            cohorts=self._cohorts(workspace, connected),
        )

    def _signals(self, workspace: str, type_: SignalType) -> dict[str, Signal]:
        found = self._catalog.signals_of(workspace)
        return {slug: signal for slug, signal in found.items() if signal.type == type_}

    def _about(self, workspace: str, connected: Sequence[str]) -> dict[str, Any]:
        """What all queries share: whose events, and which of them belong to nobody."""
        return {"workspace": workspace} | whose(self._people.attribution(workspace), connected)

    def _name(self, about: dict[str, Any], own: Sequence[Facts]) -> str | None:
        named = [row["named_ms"] for row in own if row["named"]]
        if not named:
            return None
        rows = self._store.rows("profile_names", about | {"named_ms": max(named)})
        return newest_name(row["given"] for row in rows)

    def _attributes(self, about: dict[str, Any], own: Sequence[Facts]) -> dict[str, msgspec.Raw]:
        given = [row for row in own if row["signal"] in ATTRIBUTES_SIGNALS]
        if not given:
            return {}
        period = {
            "first_ms": min(row["first_ms"] for row in given),
            "last_ms": max(row["last_ms"] for row in given),
        }
        of = about | period | {"signals": list(ATTRIBUTES_SIGNALS)}
        newest = self._store.rows(
            "profile_newest", of | {"but": NAME, "identify": IDENTIFY, "beside": list(BESIDE), "most": MOST_ATTRIBUTES}
        )
        if not newest:
            return {}
        bounds = {"most": MOST_EVENTS, "bytes": MOST_BYTES}
        moments = {"moments": sorted({row["newest_ms"] for row in newest})}
        rows = self._store.rows("profile_attributes", of | moments | bounds)
        texts: list[tuple[int, str, str]] = [(row["occurred_ms"], row["data"], row["signal"]) for row in rows]
        found = newest_properties(
            ((ms, data) for ms, data, signal in texts if signal != IDENTIFY),
            ((ms, data) for ms, data, signal in texts if signal == IDENTIFY),
        )
        # Of names behind the last of these, what was found need not be the newest.
        last = newest[-1]["name"] if len(newest) == MOST_ATTRIBUTES else None
        return found if last is None else {name: value for name, value in found.items() if name <= last}

    def _cohorts(self, workspace: str, connected: Sequence[str]) -> list[CohortAnswer]:
        identity = representative(workspace, connected)
        return [
            CohortAnswer(id_, name)
            for id_, name in self._memberships.names(workspace)
            if self._memberships.since(id_, identity) is not None
        ]


def newest_properties(
    events: Iterable[tuple[int, str]], identifying: Iterable[tuple[int, str]] = ()
) -> dict[str, msgspec.Raw]:
    """The newest value of each top-level property of events (times, and JSON objects), by name.

    Null is as not there; a tie goes to the greatest canonical JSON. `name` is left out: it is an event's own.
    `identifying`: those whose traits are properties, and what lies beside them is not.
    """
    newest: dict[str, tuple[int, str]] = {}
    named = chain(
        ((ms, data, (NAME,)) for ms, data in events), ((ms, data, (NAME, *BESIDE)) for ms, data in identifying)
    )
    for ms, data, but in named:
        for name, value in _decode(data).items():
            if value is not None and name not in but and ms >= newest.get(name, (ms, ""))[0]:
                newest[name] = max(newest.get(name, (ms, "")), (ms, canonical(value)))
    return {name: msgspec.Raw(value.encode()) for name, (_, value) in sorted(newest.items())}


def _identities(keys: Iterable[str]) -> list[Identity]:
    return [Identity(*split_identity(key)) for key in keys]


def _running(signal: Signal) -> tuple[int, int]:
    """When the period that runs now began, and when it ends."""
    assert signal.period is not None
    start = period_start(signal.period, clock.now_ms())
    return start, next_start(signal.period, start)


def _states(signals: Mapping[str, Signal], own: Sequence[Facts]) -> dict[str, StateAnswer]:
    return {
        row["signal"]: StateAnswer(
            msgspec.Raw(row["state"].encode()), clock.to_iso(row["since_ms"]), str(UUID(int=int(row["since_id"])))
        )
        for row in own
        if row["valued"] and row["signal"] in signals
    }


def _metrics(signals: Mapping[str, Signal], own: Sequence[Facts]) -> dict[str, MetricAnswer]:
    found: dict[str, list[Facts]] = {}
    for row in own:
        if row["signal"] in signals:
            found.setdefault(row["signal"], []).append(row)
    return {slug: _metric(signals[slug], rows) for slug, rows in found.items()}


def _metric(signal: Signal, rows: Sequence[Facts]) -> MetricAnswer:
    assert signal.aggregation is not None and signal.period is not None
    return MetricAnswer(
        signal.aggregation,
        signal.period,
        clock.to_iso(_running(signal)[0]),
        _number(signal.aggregation, [row for row in rows if row["running"]]),
        _number(signal.aggregation, rows),
    )


def _number(aggregation: Aggregation, rows: Sequence[Facts]) -> msgspec.Raw:
    """What some rows of numbers come to together, a JSON number; null where there is nothing to measure."""
    if aggregation == "count":
        return msgspec.Raw(str(sum(row["events"] for row in rows)).encode())
    rows = [row for row in rows if row["valued"]]
    total = sum(parsed(row["total"]) for row in rows)
    if aggregation == "sum":
        return msgspec.Raw(text(total).encode())
    if not rows:
        return _NULL
    match aggregation:
        case "avg":
            said = repr(total / (SCALE * sum(row["valued"] for row in rows)))
        case "min":
            said = text(min(parsed(row["least"]) for row in rows))
        case _:
            said = text(max(parsed(row["greatest"]) for row in rows))
    return msgspec.Raw(said.encode())
