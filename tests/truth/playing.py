"""What is done with a plan on a server, for the short tests and the long ones."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from harness import Server
from truth.cohorts import members
from truth.compare import differences, history
from truth.measures import period_start
from truth.plans import DAY, Moment, Plan, Sending, resolved
from truth.scene import Scene, fresh, now

A, B = "email:ada@example.com", "email:bob@example.com"
P, Q = "phone:+19494572000", "phone:+19494572001"
SEEDS = st.integers(0, 2**32)


def examples(count: int) -> settings:
    """Not shrunk: each takes a server a second and more, and what differs is told in full."""
    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


def agree(scene: Scene, cohorts: dict[str, Any]) -> None:
    """The server says what the oracle says, about everything."""
    found = differences(scene, cohorts, scene.settle())
    assert not found, "\n".join([f"never {scene.never} cap {scene.cap} severed {scene.severed}", *found])


def play(server: Server, plan: Plan, random: Random, between: Callable[[], None] = lambda: None) -> None:
    """Every cohort is defined twice: before, amid or behind the events, and once more in the end."""
    with Scene(server, plan.signals, random) as scene:
        base = now()
        definitions = resolved(list(plan.definitions), base)
        sendings = random.sample(plan.sendings, len(plan.sendings))
        half, settings_first = random.randrange(len(sendings) + 1), random.random() < 0.5
        if settings_first:
            scene.settings(plan.never, plan.cap)
        first = defined(scene, definitions[::3])
        scene.send(sendings[:half], base, between)
        cohorts = first | defined(scene, definitions[1::3])
        if not settings_first:
            scene.settings(plan.never, plan.cap)
        scene.send(sendings[half:], base, between)
        cohorts |= defined(scene, definitions[2::3])
        agree(scene, cohorts)
        cohorts |= defined(scene, definitions)
        agree(scene, cohorts)
        found = [fault for id_, definition in first.items() for fault in history(scene, id_, definition)]
        assert not found, "\n".join(found)
        if merged := sorted(min(profile) for profile in scene.world.profiles if len(profile) > 1):
            scene.unmerge(random.choice(merged))
            scene.send(random.sample(sendings, min(len(sendings), 3)), base, between)
            agree(scene, cohorts)


def defined(scene: Scene, definitions: Iterable[Any]) -> dict[str, Any]:
    """Definitions by the ids of cohorts made of them."""
    return {scene.define(definition)["id"]: definition for definition in definitions}


def killing(server: Server, random: Random, often: float) -> Callable[[], None]:
    """Between two requests kill -9 of the engine, which then stores what came in, of the gateway, or of everything."""

    def perhaps() -> None:
        if random.random() < often:
            kind = random.random()
            if kind < 0.7:
                server.kill_engine()
            elif kind < 0.85:
                server.kill_gateway()
                server.wait_ready()
            else:
                server.kill_group()
                server.start()

    return perhaps


# --- unmerge ----------------------------------------------------------------------------------------------------------


def merge_and_unmerge(server: Server, plan: Plan, random: Random) -> None:
    """Two people, one merge by some events that name one's address and the other's number, one unmerge."""
    with Scene(server, plan.signals, random) as scene:
        base, people = now(), [(A, P), (B, Q)]
        # Nothing that moves with the clock while this is looked at.
        cohorts = defined(
            scene, [one for one in resolved(list(plan.definitions), base) if "within" not in json.dumps(one)]
        )
        scene.send(_of_two(plan.sendings, random), base)
        before = told_of(scene, cohorts, people)
        mixing = [replace(one, identities=(B, P), dialect="bik", migration=True) for one in plan.sendings]
        scene.send([*mixing, Sending("viewed", (B, P), Moment("now", 0), {})], base)
        scene.settle()
        assert scene.world.sets[A] == {A, B, P, Q}
        assert {f"{one['type']}:{one['id']}" for one in scene.profile(A)["identities"]} == {A, B, P, Q}
        scene.unmerge(random.choice([P, B]))
        agree(scene, cohorts)
        after = told_of(scene, cohorts, people)
        differing = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        if period_start(base, "hour") == period_start(now(), "hour"):
            assert hashed(after) == hashed(before), differing


def _of_two(sendings: Iterable[Sending], random: Random) -> list[Sending]:
    """The same events, of two people whose address and number are connected since long ago."""
    pairs: dict[str, list[tuple[str, ...]]] = {"bik": [(A, P), (A,), (P,), (B, Q), (B,), (Q,)], "bigmind": [(A,), (Q,)]}
    own = [replace(one, identities=random.choice(pairs[one.dialect])) for one in sendings]
    long_ago = Moment("now", -400 * DAY)  # the merge is the newest of links
    return own + [Sending("viewed", pair, long_ago, {}, migration=True) for pair in ((A, P), (B, Q))]


def told_of(scene: Scene, cohorts: dict[str, Any], profiles: Iterable[Iterable[str]]) -> list[str]:
    """All that is answered about these people, by any of their identities."""
    since = scene.settle()
    told: list[Any] = []
    for identity in sorted(identity for profile in profiles for identity in profile):
        told.append(scene.profile(identity))
        for slug, kind in scene.signals.items():
            if kind.type == "metric":
                told.append([slug, identity, list(scene.pages(f"/v1/signals/{slug}/metrics", identity=identity))])
    for id_ in cohorts:
        head = fresh(partial(scene.get, f"/v1/cohorts/{id_}"), since)
        members = [(one["profile_id"], one["identities"]) for one in scene.pages(f"/v1/cohorts/{id_}/members")]
        told.append([id_, head["size"], sorted(map(str, members))])
    return [json.dumps(one, sort_keys=True, default=str) for one in told]


def hashed(told: list[str]) -> str:
    return sha256("\n".join(told).encode()).hexdigest()


# --- backfills --------------------------------------------------------------------------------------------------------


def load_and_revert(server: Server, plan: Plan, random: Random, between: Callable[[], None] = lambda: None) -> None:
    """A backfill amid other events. Its preview tells what it changes; once reverted, it was never there."""
    with Scene(server, plan.signals, random) as scene:
        base, half = now(), len(plan.sendings) // 2
        # Nothing that moves with the clock while this is looked at.
        cohorts = defined(
            scene, [one for one in resolved(list(plan.definitions), base) if "within" not in json.dumps(one)]
        )
        scene.settings(plan.never, plan.cap)
        scene.send(plan.sendings[:half], base)
        scene.settle()
        hold = random.random() < 0.5
        before = told_of(scene, cohorts, scene.world.profiles)
        people = scene.world.profiles
        backfill = scene.load(plan.sendings[half:], base, hold, between)
        agree(scene, cohorts)
        _preview_agrees(scene, cohorts, backfill)
        if hold:
            assert hashed(told_of(scene, cohorts, people)) == hashed(before)
            scene.turn(backfill, "release")
            agree(scene, cohorts)
            _preview_agrees(scene, cohorts, backfill)
        scene.turn(backfill, "revert", between)
        agree(scene, cohorts)
        after = told_of(scene, cohorts, people)
        differing = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        if period_start(base, "hour") == period_start(now(), "hour"):
            assert hashed(after) == hashed(before), differing


def _preview_agrees(scene: Scene, cohorts: dict[str, Any], backfill: str) -> None:
    """What it says of cohorts and profiles with the backfill and without is so."""
    told = scene.get(f"/v1/backfills/{backfill}/preview")
    own = [one for one in scene.happenings if one.backfill == backfill]
    assert told["events"] == sum(day["events"] for day in told["days"]) == len(own)
    assert told["rejected"] == sum(each["events"] for each in told["rejects"])
    without, with_it = (
        scene.world_without(scene.excluded | {backfill}),
        scene.world_without(scene.excluded - {backfill}),
    )
    found = {each["id"]: each for each in told["changes"]["cohorts"]}
    for id_, definition in cohorts.items():
        old, new = (members(world, definition, now()) for world in (without, with_it))
        entered, left = (
            sum(not any(profile & one for one in others) for profile in some)
            for some, others in ((new, old), (old, new))
        )
        sizes = {"with": len(new), "without": len(old), "enter": entered, "leave": left}
        assert {key: found[id_][key] for key in sizes} == sizes, definition
    named = {with_it.sets[each] for one in with_it.processed if one.backfill == backfill for each in one.identities}
    known = {each for one in without.processed for each in one.identities}
    joined = [len({without.sets[each] for each in profile & known}) > 1 for profile in named]
    profiles = {"named": len(named), "new": sum(not profile & known for profile in named), "joined": sum(joined)}
    assert told["changes"]["profiles"] == profiles


# --- the clock --------------------------------------------------------------------------------------------------------


def wait_and_see(server: Server, plan: Plan, random: Random, seconds: float) -> None:
    """Windows of seconds, looked at again and again without any further event."""
    with Scene(server, plan.signals, random) as scene:
        base = now()
        near = [replace(one, when=_near(random), migration=False) for one in plan.sendings]
        cohorts = defined(scene, [_hurried(one, random) for one in resolved(list(plan.definitions), base)])
        scene.send(near, base)
        while now() < base + 1000 * seconds:
            agree(scene, cohorts)
            time.sleep(0.2)


def _near(random: Random) -> Moment:
    return Moment("now", random.randrange(-10_000, 3_000))


def _hurried(node: Any, random: Random) -> Any:
    """The same with windows of seconds."""
    if isinstance(node, list):
        return [_hurried(one, random) for one in node]
    if isinstance(node, dict) and node.keys() & {"performed", "sequence"}:
        rest = {key: value for key, value in node.items() if key != "between"}
        return rest | {"within": random.choice(["1s", "3s", "10s"])}
    return {key: _hurried(value, random) for key, value in node.items()} if isinstance(node, dict) else node
