"""What a good client felt of bad ones, told and held."""

from edge.steady import Outcome
from figures import Figure, Section, tell
from tools import often

MOST_P99_SECONDS = 0.05
"""What the good client may wait, whatever the bad ones do; held where the test has its full size, and the machine."""


def tell_of(what: str, outcome: Outcome, full: bool, seed: int | None = None, **figures: Figure) -> None:
    """What bad clients did, and what a good one felt of it. `full`: it was as much as it is ever to be."""
    p99 = outcome.quantile(0.99)
    felt = {"good batches": outcome.sent, "p50 ms": outcome.quantile(0.5) * 1e3, "p99 ms": p99 * 1e3}
    tell(Section.CLIENTS, what, seed, **figures, **felt)
    if full and often(100) == 100:
        assert p99 < MOST_P99_SECONDS, outcome
