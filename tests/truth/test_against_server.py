"""Random workspaces on a real server, through both dialects, beside the oracle: profiles, metrics, states, cohorts.

`test_torture.py` does the same in numbers.
"""

from dataclasses import replace
from random import Random

from hypothesis import given

from harness import Server
from truth.plans import Plan, Sending, plans
from truth.playing import (
    SEEDS,
    A,
    P,
    Q,
    agree,
    defined,
    examples,
    killing,
    load_and_revert,
    merge_and_unmerge,
    play,
    wait_and_see,
)
from truth.scene import Scene, now
from truth.world import Kind


@examples(2)
@given(plans(most=60, cohorts=6), SEEDS)
def test_random_workspaces(server: Server, plan: Plan, seed: int) -> None:
    play(server, plan, Random(seed))


def test_random_workspaces_and_crashes(fresh_server: Server) -> None:
    @examples(2)
    @given(plans(most=60, cohorts=6), SEEDS)
    def run(plan: Plan, seed: int) -> None:
        play(fresh_server, plan, Random(seed), killing(fresh_server, Random(seed), 0.1))

    run()


@examples(1)
@given(plans(most=60, cohorts=6), SEEDS)
def test_an_unmerge_brings_back_what_was(server: Server, plan: Plan, seed: int) -> None:
    merge_and_unmerge(server, plan, Random(seed))


@examples(2)
@given(plans(most=60, cohorts=6), SEEDS)
def test_a_reverted_backfill_was_never_there(server: Server, plan: Plan, seed: int) -> None:
    load_and_revert(server, plan, Random(seed))


@examples(1)
@given(plans(most=60, cohorts=8), SEEDS)
def test_the_clock_alone_moves_people(server: Server, plan: Plan, seed: int) -> None:
    wait_and_see(server, plan, Random(seed), seconds=5)


def test_a_list_of_values_moves_people_with_a_note(server: Server) -> None:
    """Who stays keeps the time of entering; who enters or leaves by the change of settings is written down."""
    with Scene(server, {"bought": Kind()}, Random(1)) as scene:
        cohorts = defined(scene, [{"subject": "person", "where": {"performed": "bought"}}])
        path = f"/v1/cohorts/{next(iter(cohorts))}"
        eve = Sending("bought", ("email:eve@example.com",), None, {})
        scene.send([eve, replace(eve, identities=(A, P)), replace(eve, identities=(Q,), dialect="bigmind")], now())
        agree(scene, cohorts)
        before = _since(scene, path)
        scene.settings([A], 100)  # the event of both is the number's now
        agree(scene, cohorts)
        after = _since(scene, path)
        assert [after[one] for one in (*eve.identities, Q)] == [before[one] for one in (*eve.identities, Q)]
        latest: dict[str, str] = {}
        for entry in scene.pages(f"{path}/changes"):
            for one in entry["identities"]:
                latest.setdefault(f"{one['type']}:{one['id']}", f"{entry['kind']} {entry['change']}")
        # Whether it had entered as the one or as the other is chance: the profile's name is a hash.
        assert latest.get(A, "profile left") == "profile left" and latest[P] in ("profile entered", "event entered")
        assert [latest[one] for one in (*eve.identities, Q)] == ["event entered"] * 2


def _since(scene: Scene, path: str) -> dict[str, str]:
    """When each identity's profile entered a cohort."""
    members = scene.pages(f"{path}/members")
    return {f"{one['type']}:{one['id']}": member["since"] for member in members for one in member["identities"]}


def test_a_number_shared_by_a_thousand_connects_nobody(server: Server) -> None:
    """Up to 1,000 links a full profile takes the oldest; from one more on the number is its own profile."""
    with Scene(server, {"bought": Kind()}, Random(1)) as scene:
        cohorts = defined(scene, [{"subject": "person", "where": {"performed": "bought", "count": {">=": 2}}}])
        one = Sending("bought", (A, P), None, {})
        people = [replace(one, identities=(f"email:{n}@example.com", P)) for n in range(999)]
        scene.send([one, one, *people], now())
        agree(scene, cohorts)
        assert len(scene.world.links) == 1000 and len(scene.world.sets[P]) == 100
        scene.send([replace(one, identities=("email:last@example.com", P))], now())
        agree(scene, cohorts)
        assert len(scene.world.sets[P]) == 1
