"""Random workspaces in numbers, with kills of every process between the requests."""

import subprocess
import sys
from random import Random

import pytest
from hypothesis import given

from figures import Section, tell
from harness import Server
from tools import often
from truth.plans import Plan, plans
from truth.playing import SEEDS, examples, killing, load_and_revert, merge_and_unmerge, play, wait_and_see

pytestmark = [pytest.mark.torture, pytest.mark.timeout(1800)]


def test_many_random_workspaces_and_crashes(fresh_server: Server) -> None:
    done = 0

    @examples(often(40))
    @given(plans(most=60, cohorts=6), SEEDS)
    def run(plan: Plan, seed: int) -> None:
        nonlocal done
        play(fresh_server, plan, Random(seed), killing(fresh_server, Random(seed), 0.04))
        done += 1

    run()
    tell(Section.TRUTH, "random workspaces with kills, every cohort made twice and previewed", workspaces=done)
    examined(fresh_server)


def examined(server: Server) -> None:
    """A doctor finds nothing wrong."""
    command = [sys.executable, "-m", "headwater", "doctor", "--data-dir", str(server.data_dir)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_many_unmerges(fresh_server: Server) -> None:
    @examples(often(8))
    @given(plans(cohorts=9), SEEDS)
    def run(plan: Plan, seed: int) -> None:
        merge_and_unmerge(fresh_server, plan, Random(seed))

    run()


def test_many_backfills_are_reverted(fresh_server: Server) -> None:
    """With kills while they are loaded, and when they are being taken back."""

    @examples(often(12))
    @given(plans(cohorts=6), SEEDS)
    def run(plan: Plan, seed: int) -> None:
        load_and_revert(fresh_server, plan, Random(seed), killing(fresh_server, Random(seed), 0.1))

    run()
    examined(fresh_server)


def test_the_clock_alone_moves_many(fresh_server: Server) -> None:
    @examples(2)
    @given(plans(cohorts=9), SEEDS)
    def run(plan: Plan, seed: int) -> None:
        wait_and_see(fresh_server, plan, Random(seed), seconds=14)

    run()
