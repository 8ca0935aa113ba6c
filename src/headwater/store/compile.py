"""What conditions ask the store, as SQL with parameters: the templates of `store/sql/cohort_*.sql`, filled.

What is put into a template is SQL of our own, made of fixed pieces; whatever a user wrote travels as a parameter.
Every question is about the processed events of one workspace up to a watermark of committed blocks, so its answer can
be made again. An event counts for its subject: the identity that it is attributed to (`rules.connect`).
"""

from collections.abc import Iterator, Mapping, Sequence
from string import Template
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.events import Lane
from headwater.rules.cohort import Path, Test
from headwater.rules.profile import NAME, giving
from headwater.rules.values import canonical
from headwater.signals import Aggregation
from headwater.store.passing import Parameters, is_there, number_at, passes
from headwater.store.queries import sql

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Scope(msgspec.Struct, frozen=True):
    """Which events are asked about."""

    workspace: str
    upto: Mapping[Lane, int]
    """The last block of each lane; of a lane that is not named, none."""
    never: tuple[str, ...] = ()
    """Identities that never connect: an event is not attributed to one as long as it names another."""
    severed: tuple[tuple[str, str, int], ...] = ()
    """Events received until the time (ms) that name both identities are set aside: they belong to nobody."""
    from_ms: int | None = None
    to_ms: int | None = None
    """from <= occurred_ms < to."""
    excluded: tuple[str, ...] = ()
    """Backfills whose events do not count."""


class Query(msgspec.Struct, frozen=True):
    """For `Store.columns(query.sql, query.parameters)`."""

    sql: str
    parameters: Mapping[str, Any]


def facts(signal: str, tests: tuple[Test, ...], of: Path | None, scope: Scope) -> Query:
    """The events that pass, in no order: subject, ms (Int64).

    With `of` only those with a number there: in two Int64 more the limbs of its billionths (`rules.numbers.LIMB`), hi
    and lo.
    """
    return _measured("cohort_facts", signal, tests, of, scope)


def tallies(signal: str, tests: tuple[Test, ...], of: Path | None, scope: Scope) -> Query:
    """The same, a row a subject: subject, count (UInt64), with `of` also hi and lo of the sum.

    Exact as long as the sum stays below 2**103 billionths: a thousand million million events of a million millions.
    """
    return _measured("cohort_tallies", signal, tests, of, scope)


def newest_state(signal: str, scope: Scope) -> Query:
    """A row a subject: subject, ms, value (canonical JSON), by the greatest (ms, value)."""
    parameters = Parameters()
    return _filled("cohort_state", scope, parameters, [_of_signal(signal, parameters), "isNotNull(value)"])


def newest_attribute(name: str, scope: Scope) -> Query:
    """A row a subject: subject, ms, data (a list of JSON objects): what gave the attribute at its newest moment.

    `attributes` reads it: only the whole text tells 1.0 from 1, which the store does not, and a tie goes by that.
    """
    parameters = Parameters()
    if name == NAME:
        return _filled("cohort_name", scope, parameters, ["isNotNull(name)"])
    wanted = [_of_signals(giving(name), parameters), is_there((name,), parameters)]
    return _filled("cohort_attribute", scope, parameters, wanted)


def attributes(name: str, columns: "Mapping[str, NDArray[Any]]") -> Iterator[tuple[str, int, str]]:
    """Subject, ms and value (canonical JSON) of each row that `newest_attribute` got."""
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for subject, ms, texts in zip(columns["subject"], columns["ms"], columns["data"], strict=True):
        yield subject, int(ms), max(canonical(decode(text)[name]) for text in texts)


def metric_facts(signal: str, aggregation: Aggregation, scope: Scope) -> Query:
    """The events of a metric signal, in no order: subject, ms, hi, lo (as `facts`) of the value taken at receipt.

    For a count all of them, with 0 where there is no value; else those that have one.
    """
    parameters = Parameters()
    wanted = [_of_signal(signal, parameters)]
    if aggregation != "count":
        wanted.append("isNotNull(value)")
    return _filled("cohort_metric", scope, parameters, wanted)


def census(scope: Scope) -> Query:
    """Every identity that a processed event names, set aside or not: identity, each once."""
    return _filled("cohort_census", scope, Parameters(), set_aside=True)


def events_of(identities: Sequence[str], scope: Scope) -> Query:
    """The processed events that name one of these, set aside or not, whoever they are attributed to, in no order:
    id (text), signal, occurred_ms, identities (a list), name, data, value."""
    parameters = Parameters()
    wanted = [f"hasAny(identities, {parameters.add(list(identities), 'Array(String)')})"]
    return _filled("cohort_events", scope, parameters, wanted, set_aside=True)


def subject(scope: Scope, parameters: Parameters) -> str:
    """The identity that an event is attributed to: the first that may connect, the first of all when none may."""
    if not scope.never:
        return "identities[1]"
    never = parameters.add(list(scope.never), "Array(String)")
    return f"identities[greatest(1, arrayFirstIndex(one -> one NOT IN {never}, identities))]"


def _measured(template: str, signal: str, tests: tuple[Test, ...], of: Path | None, scope: Scope) -> Query:
    parameters = Parameters()
    wanted = [_of_signal(signal, parameters), passes(tests, parameters)]
    if of is None:
        return _filled(template, scope, parameters, wanted)
    number = number_at(of, parameters)
    return _filled(f"{template}_of", scope, parameters, [*wanted, "isNotNull(number)"], number=number)


def _of_signal(signal: str, parameters: Parameters) -> str:
    return f"signal = {parameters.add(signal, 'String')}"


def _of_signals(signals: Sequence[str], parameters: Parameters) -> str:
    return f"signal IN {parameters.add(list(signals), 'Array(String)')}"


def _filled(
    template: str,
    scope: Scope,
    parameters: Parameters,
    wanted: Sequence[str] = (),
    *,
    set_aside: bool = False,
    **pieces: str,
) -> Query:
    """`set_aside`: whether such events are wanted, too."""
    conditions = [*_within(scope, parameters), *wanted]
    if scope.severed and not set_aside:
        conditions.append(_not_set_aside(scope, parameters))
    where = "\n  AND ".join(conditions)
    text = Template(sql(template)).substitute(pieces, where=where, subject=subject(scope, parameters))
    return Query(text, parameters)


def _within(scope: Scope, parameters: Parameters) -> list[str]:
    lanes = [
        f"(lane = '{lane.value}' AND block <= {parameters.add(block, 'UInt64')})" for lane, block in scope.upto.items()
    ]
    conditions = [
        f"workspace = {parameters.add(scope.workspace, 'String')}",
        "reason = ''",
        f"({' OR '.join(lanes) or '0'})",
    ]
    if scope.excluded:
        conditions.append(f"backfill_id NOT IN {parameters.add(list(scope.excluded), 'Array(String)')}")
    if scope.from_ms is not None:
        conditions.append(f"occurred_ms >= {parameters.add(scope.from_ms, 'Int64')}")
    if scope.to_ms is not None:
        conditions.append(f"occurred_ms < {parameters.add(scope.to_ms, 'Int64')}")
    return conditions


def _not_set_aside(scope: Scope, parameters: Parameters) -> str:
    """Whether an identity was ever cut is one look into a set; only such events are held against every pair."""
    ones, others, untils = zip(*scope.severed, strict=True)
    known = parameters.add(sorted({*ones, *others}), "Array(String)")
    pairs = ", ".join(
        (
            parameters.add(list(ones), "Array(String)"),
            parameters.add(list(others), "Array(String)"),
            parameters.add(list(untils), "Array(Int64)"),
        )
    )
    names_both = "has(identities, one) AND has(identities, other)"
    received = "toUnixTimestamp64Milli(UUIDv7ToDateTime(id, 'UTC'))"
    return (
        f"NOT (arrayExists(one -> one IN {known}, identities)"
        f" AND arrayExists((one, other, until) -> {received} <= until AND {names_both}, {pairs}))"
    )
