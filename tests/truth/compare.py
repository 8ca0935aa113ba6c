"""What a server says of a workspace beside what the oracle says: every difference, told in full."""

import json
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from truth.cohorts import belongs, findings, members
from truth.measures import attribute, attributes, buckets, measure, recent, state
from truth.scene import Scene, fresh, iso, ms, now, spelled
from truth.values import canonical
from truth.world import Happening, World

Profile = frozenset[str]
PROFILES = 4
"""How many are looked at in full, of a dozen."""
SHOWN = 100
"""Links that connect nothing of which a profile tells at least, if it has so many."""
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def differences(scene: Scene, cohorts: dict[str, dict[str, Any]], since: int) -> list[str]:
    """`cohorts`: definitions by id. `since`: answers must be as of a later moment."""
    for id_ in cohorts:
        fresh(partial(scene.get, f"/v1/cohorts/{id_}"), since)
        break  # one is as fresh as all
    told = [*outcomes(scene), *metrics(scene), *people(scene, cohorts)]
    for id_, definition in cohorts.items():
        told += membership(scene, id_, definition, since)
    return told


# --- events -----------------------------------------------------------------------------------------------------------


def outcomes(scene: Scene) -> Iterator[str]:
    """Each event once, processed or rejected, and whose it is."""
    answer = scene.ask("GET", "/v1/events/export")
    told = [json.loads(line) for line in answer.text.split("\n") if line]
    world = scene.world
    if sorted(one["id"] for one in told) != sorted(one.id for one in world.happenings):
        yield f"{len(told)} events for {len(world.happenings)} sent"
    by_id = {one["id"]: one for one in told}
    rejected = {one.id for one in world.happenings} - {one.id for one in world.processed}
    for one in world.happenings:
        found = by_id.get(one.id, {})
        if found.get("status") != _status(scene, one):
            yield f"{one} is {found.get('status')} {found.get('reason')}"
        elif one.id not in rejected:
            owner = world.profile_of(one)
            if found["profile_id"] != (owner and profile_id(scene.id, owner)):
                yield f"{one} belongs to {found['profile_id']}, not to {owner and spelled(owner)}"


# --- measures ---------------------------------------------------------------------------------------------------------


def _status(scene: Scene, one: Happening) -> str:
    if one.backfill in scene.reverted:
        return "reverted"
    if scene.world.rejected(one):
        return "rejected"
    return "pending" if one.backfill in scene.excluded else "processed"


def metrics(scene: Scene) -> Iterator[str]:
    """Every metric in total, and of somebody."""
    world = scene.world
    for slug, kind in world.signals.items():
        if kind.type == "metric":
            yield from _buckets(scene, slug, {}, buckets(world, slug))
            if world.profiles:
                profile = scene.random.choice(sorted(world.profiles, key=spelled))
                who = {"identity": scene.random.choice(sorted(profile))}
                yield from _buckets(scene, slug, who, buckets(world, slug, profile))


def _buckets(scene: Scene, slug: str, who: dict[str, str], expected: dict[int, Fraction]) -> Iterator[str]:
    aggregation = scene.signals[slug].aggregation
    rows = scene.pages(f"/v1/signals/{slug}/metrics", **who, limit=scene.random.choice([3, 1000]))
    told = {ms(one["period_start"]): one["value"] for one in rows}
    if told.keys() != expected.keys() or not all(equal(told[key], expected[key], aggregation) for key in expected):
        shown = {iso(key): str(value) for key, value in expected.items()}
        yield f"metric {slug} of {who}: {told}, not {shown}"


def equal(told: Any, exact: Fraction | None, aggregation: str) -> bool:
    """Averages are the nearest float; all else is exact."""
    if told is None or exact is None:
        return told is None and exact is None
    return float(told) == float(exact) if aggregation == "avg" else Fraction(str(told)) == exact


# --- people -----------------------------------------------------------------------------------------------------------


def people(scene: Scene, cohorts: dict[str, Any]) -> Iterator[str]:
    """Some profiles, each by one of its identities."""
    world = scene.world
    everyone = sorted(world.profiles, key=spelled)
    for profile in scene.random.sample(everyone, min(PROFILES, len(everyone))):
        for fault in _person(scene, world, profile, cohorts):
            yield f"profile {spelled(profile)}: {fault}"
    yield from _states(scene, world, scene.random.sample(everyone, min(1, len(everyone))))


def _person(scene: Scene, world: World, profile: Profile, cohorts: dict[str, Any]) -> Iterator[str]:
    before = now()
    told = scene.profile(scene.random.choice(sorted(profile)))
    if _identities(told) != profile:
        yield f"identities {told['identities']}"
        return
    events = world.histories[profile]
    expected = {
        "id": profile_id(scene.id, profile),
        "name": attribute("name", events),
        "events": len(events),
        "first_seen": iso(events[0].at) if events else None,
        "last_seen": iso(events[-1].at) if events else None,
    }
    for key, value in expected.items():
        if told[key] != value:
            yield f"{key} {told[key]}, not {value}"
    yield from _kept(told, world, events)
    yield from _metrics(told["metrics"], world, events, before)
    yield from _connections(scene, world, profile)
    inside = {one["id"] for one in told["cohorts"]}
    then = [{id_ for id_, one in cohorts.items() if belongs(world, one, profile, at)} for at in (before - 500, now())]
    if not then[0] & then[1] <= inside <= then[0] | then[1]:
        yield f"in cohorts {[cohorts.get(id_) for id_ in inside]}, not {[cohorts[id_] for id_ in then[1]]}"


def _connections(scene: Scene, world: World, profile: Profile) -> Iterator[str]:
    """What connects nothing and why, and how many events were set aside."""
    told = scene.get(f"/v1/profiles/{quote(min(profile), safe='')}/connections")
    apart = {frozenset(pair): reason for pair, reason in world.refused().items() if not profile.isdisjoint(pair)}
    found = {_identities(one): one["reason"] for one in told["not_connected"]}
    if not found.items() <= apart.items() or len(found) < min(len(apart), SHOWN):
        yield f"not connected {found}, not {apart}"
    aside = sum(world.set_aside(one) and not profile.isdisjoint(one.identities) for one in world.processed)
    if told["set_aside"] != aside:
        yield f"set aside {told['set_aside']}, not {aside}"


def _kept(told: dict[str, Any], world: World, events: list[Happening]) -> Iterator[str]:
    """Attributes and states."""
    values = {key: value for key, value in told["attributes"].items() if key != "name"}
    if not alike(values, attributes(events)):
        yield f"attributes {values}, not {attributes(events)}"
    every = {slug: state(world, slug, events) for slug, kind in world.signals.items() if kind.type == "state"}
    expected = {slug: found for slug, found in every.items() if found is not None}
    found = {slug: (one["value"], ms(one["since"]), one["event_id"]) for slug, one in told["states"].items()}
    if found.keys() != expected.keys() or not all(_same_state(found[slug], expected[slug]) for slug in found):
        yield f"states {found}, not {expected}"


def _same_state(told: tuple[Any, int, str], expected: tuple[Any, int, str]) -> bool:
    return alike(told[0], expected[0]) and told[1:] == expected[1:]


def _metrics(told: dict[str, Any], world: World, events: list[Happening], before: int) -> Iterator[str]:
    """In the period that runs, and in total."""
    mine = {one.signal for one in events if world.signals[one.signal].type == "metric"}
    if not mine <= told.keys():
        yield f"metrics {sorted(told)}, not {sorted(mine)}"
    for slug, found in told.items():
        aggregation = world.signals[slug].aggregation
        if not equal(found["total"], measure(world, slug, events), aggregation):
            yield f"metric {slug} {found}, not {measure(world, slug, events)} in total"
        current = [recent(world, slug, events, 1, at) for at in (before, now())]
        if not any(equal(found["value"], value, aggregation) for value in current):
            yield f"metric {slug} {found}, not {current[0]} now"


def _states(scene: Scene, world: World, some: list[Profile]) -> Iterator[str]:
    for profile in some:
        for slug in (slug for slug, kind in world.signals.items() if kind.type == "state"):
            expected = state(world, slug, world.histories[profile])
            answer = scene.ask("GET", f"/v1/signals/{slug}/state", params={"identity": min(profile)})
            told = answer.json() if answer.status_code == 200 else None
            found = told and (told["value"], ms(told["since"]), told["event_id"])
            if answer.status_code not in (200, 404) or not (
                _same_state(found, expected) if found and expected else found is expected
            ):
                yield f"state {slug} of {spelled(profile)}: {answer.text}, not {expected}"


def alike(told: Any, expected: Any) -> bool:
    """Whether two JSON values are the same; 1 and 1.0 are."""
    if isinstance(told, dict) and isinstance(expected, dict):
        return told.keys() == expected.keys() and all(alike(told[key], expected[key]) for key in told)
    if isinstance(told, list) and isinstance(expected, list):
        return len(told) == len(expected) and all(map(alike, told, expected))
    if isinstance(told, bool) or isinstance(expected, bool):
        return told is expected
    return bool(told == expected or (not isinstance(told, str) and _float(told) == _float(expected) is not None))


def _float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def profile_id(workspace: str, profile: Profile) -> str:
    """`prf_` and the smallest 128-bit blake2b of workspace, NUL and identity in 22 digits."""
    digests = [blake2b(f"{workspace}\0{one}".encode(), digest_size=16).digest() for one in profile]
    number, text = int.from_bytes(min(digests), "big"), ""
    for _ in range(22):
        number, digit = divmod(number, 62)
        text = BASE62[digit] + text
    return "prf_" + text


# --- cohorts ----------------------------------------------------------------------------------------------------------


def membership(scene: Scene, id_: str, definition: dict[str, Any], since: int) -> Iterator[str]:
    """Size, members, preview, and the explanation of somebody."""
    path, world = f"/v1/cohorts/{id_}", scene.world
    head = fresh(partial(scene.get, path), since)
    told = [_identities(one) for one in scene.pages(path + "/members", limit=1000)]
    preview = scene.done("POST", "/v1/cohorts/preview", json={"definition": definition})
    times = ms(head["as_of"]), now()
    first, last = (members(world, definition, at) for at in times)
    sure, possible = first & last, first | last
    about = f"cohort {canonical(definition)} as of {times}"
    if len(told) != len(set(told)):
        yield f"{about}: members come twice: {told}"
    for wrong in sorted(map(spelled, set(told) - possible)):
        yield f"{about}: {wrong} should not be a member\n" + story(scene, id_, definition, wrong, times[0])
    for wrong in sorted(map(spelled, sure - set(told))):
        yield f"{about}: {wrong} should be a member\n" + story(scene, id_, definition, wrong, times[0])
    for name, size in (("size", head["size"]), ("preview", preview["size"])):
        if not len(sure) <= size <= len(possible):
            yield f"{about}: {name} {size}, not {len(sure)}..{len(possible)}"
    if world.profiles:
        yield from explanation(scene, id_, definition, scene.random.choice(sorted(world.profiles, key=spelled)))


def history(scene: Scene, id_: str, definition: dict[str, Any]) -> Iterator[str]:
    """Who came and went, of a cohort made before the first event: what is left of it are its members. For profiles of
    one identity only: others may have come as two and become one."""
    entries = list(scene.pages(f"/v1/cohorts/{id_}/changes", limit=7))
    since = {_identities(one): one["since"] for one in scene.pages(f"/v1/cohorts/{id_}/members")}
    about = f"history of {canonical(definition)}"
    if [ms(one["at"]) for one in entries] != sorted((ms(one["at"]) for one in entries), reverse=True):
        yield f"{about}: not newest first: {entries}"
    latest: dict[Profile, Any] = {}
    sent = {one.id: one for one in scene.happenings}
    for entry in reversed(entries):
        who = _identities(entry)
        if (entry["kind"] == "event") is not (entry["event_id"] in sent):
            yield f"{about}: no such cause: {entry}"
        elif _alone(scene, who) and entry["event_id"] and not who.issubset(sent[entry["event_id"]].identities):
            yield f"{about}: somebody else's event: {entry}, {sent[entry['event_id']]}"
        if _alone(scene, who):
            if (entry["change"] == "entered") is (latest.get(who, {"change": "left"})["change"] == "entered"):
                yield f"{about}: {entry} after {latest.get(who)}"
            latest[who] = entry
    inside = {who: entry["at"] for who, entry in latest.items() if entry["change"] == "entered"}
    alone = {who: at for who, at in since.items() if _alone(scene, who)}
    if inside != alone:
        yield f"{about}: {_since(inside)} came and stayed, {_since(alone)} are in"


def _since(profiles: dict[Profile, str]) -> str:
    return ", ".join(sorted(f"{spelled(who)} since {at}" for who, at in profiles.items()))


def _alone(scene: Scene, who: Profile) -> bool:
    """Whether it was never named together with anybody."""
    return len(who) == 1 and not any(who.issubset(pair) for pair in scene.world.links)


def explanation(scene: Scene, id_: str, definition: dict[str, Any], profile: Profile) -> Iterator[str]:
    """Whether somebody is in, and each condition with what was found."""
    before = now()
    told = _explained(scene, id_, min(profile))
    world, after = scene.world, now()
    at = ms(told["as_of"]) if "as_of" in told else before
    first, last = (findings(world, definition["where"], profile, at) for at in (at, after))
    about = f"explanation of {spelled(profile)} in {canonical(definition)}"
    if len(told["explain"]) != len(first):
        yield f"{about}: {len(told['explain'])} conditions, not {len(first)}: {told}"
        return
    for found, one, other in zip(told["explain"], first, last, strict=True):
        if found["holds"] not in (one.holds, other.holds):
            yield f"{about}: {found}, not {one}"
        elif one == other and isinstance(one.observed, Fraction) and "sequence" not in one.condition:
            if found["observed"] is None or float(found["observed"]) != float(one.observed):
                yield f"{about}: observed {found}, not {one}"
        elif (
            one == other
            and one.condition.keys() & {"state", "attribute"}
            and not alike(found["observed"], one.observed)
        ):
            yield f"{about}: observed {found}, not {one}"


def story(scene: Scene, id_: str, definition: dict[str, Any], who: str, at: int) -> str:
    """All there is to know about a disagreement over somebody."""
    profile, world = frozenset(json.loads(who)), scene.world
    told = _explained(scene, id_, min(profile))
    lines = [f"  server: {told}", "  oracle:"]
    lines += [
        f"    {one.holds} {one.observed} {one.condition}" for one in findings(world, definition["where"], profile, at)
    ]
    lines += ["  events:"]
    lines += [
        f"    {one.signal} {(one.at - at) / 1000} s {one.identities} {one.data} {one.name}"
        for one in world.histories[profile]
    ]
    return "\n".join(lines)


def _explained(scene: Scene, id_: str, identity: str) -> Any:
    return scene.get(f"/v1/cohorts/{id_}/members/{quote(identity, safe='')}")


def _identities(entry: Any) -> Profile:
    return frozenset(f"{one['type']}:{one['id']}" for one in entry["identities"])
