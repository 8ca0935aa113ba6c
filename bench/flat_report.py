"""What `bench/flat.py` measured, as a table."""

from collections.abc import Callable
from statistics import median

from report import Figures, Table, spread

ROWS: tuple[tuple[str, Callable[[Figures], list[float]]], ...] = (
    ("acknowledgement: gateway, CPU µs a batch", lambda at: [turn["cpu_us_per_batch"] for turn in at["acknowledged"]]),
    ("log to committed, CPU s a million", lambda at: [turn["insert_cpu_s_per_million"] for turn in at["turns"]]),
    ("five live cohorts, CPU µs a touched person", lambda at: [t["cohort_cpu_us_per_person"] for t in at["turns"]]),
    ("an event by its id, CPU ms", lambda at: [turn["cpu_ms"] for turn in at["asked"]["event"]]),
    ("a profile, CPU ms", lambda at: [turn["cpu_ms"] for turn in at["asked"]["profile"]]),
    (
        "a cohort nobody keeps, CPU ms a million events",
        lambda at: [turn["cpu_ms"] / at["events"] * 1e6 for turn in at["scan"]],
    ),
)
"""What is told of each size: each turn's figure."""


def flat(results: Figures) -> Table:
    sizes = results["sizes"]
    rows = [[name, *(spread(figure(at)) for at in sizes), _times(figure, sizes)] for name, figure in ROWS]
    rows += [
        ["the five cohorts live again, s after a start", *(f"{at['cohorts_loaded_s']:.1f}" for at in sizes), "–"],
        ["load average before (of others)", f"{results['conditions']['load_average_before']}", *(" " for _ in sizes)],
        ["store, bytes an event", *(f"{at['store_bytes'] / at['events']:.1f}" for at in sizes), "–"],
    ]
    return Table(
        "flat", "Flat cost", ["", *(f"{at['events'] / 1e6:.3g} M stored" for at in sizes), "last ÷ first"], rows
    )


def _times(figure: Callable[[Figures], list[float]], sizes: list[Figures]) -> str:
    return f"{median(figure(sizes[-1])) / max(median(figure(sizes[0])), 1e-9):.2f}"


TABLES = (flat,)
