"""The simulation's figures as tables: on the terminal, and in docs/scale.md."""

import argparse
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from simulate import scenarios
from simulate.scenarios import FAULTS, Outcome

DOCS = Path(__file__).parents[2] / "docs"
PAGE, FIGURES = DOCS / "scale.md", DOCS / "scale-simulation.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python bench/simulate", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one failure, no sizing: whether it runs")
    parser.add_argument("--write-docs", action="store_true", help="renew the tables of docs/scale.md")
    wanted = parser.parse_args()
    figures = found(wanted.quick)
    tables = tables_of(figures)
    print("\n\n".join(f"{name}\n{table}" for name, table in tables.items()))
    if wanted.write_docs:
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
        PAGE.write_text(written(PAGE.read_text(), tables))


def found(quick: bool) -> dict[str, Any]:
    names = ["an engine is killed"] if quick else [*FAULTS]
    setup, seconds = scenarios.standard(), 120.0 if quick else scenarios.SECONDS
    figures: dict[str, Any] = {"setup": asdict(setup), "faults": []}
    for name in names:
        figures["faults"].append(asdict(scenarios.run(name, setup, seconds)))
        print(f"simulated: {name}", file=sys.stderr)
    if not quick:
        figures["sizing"] = list(scenarios.sizing())
        shares = (0.0, 0.01, 0.1, 0.5, 1.0)
        figures["followed"] = [{"live": share, "rate": scenarios.most_followed(share)} for share in shares]
    return figures


def tables_of(figures: dict[str, Any]) -> dict[str, str]:
    tables = {"faults": _faults([Outcome(**each) for each in figures["faults"]])}
    if "sizing" in figures:
        tables["sizing"] = _sizing(figures["sizing"])
        rows = [[f"{100 * each['live']:g} %", f"{each['rate']:,}"] for each in figures["followed"]]
        tables["followed"] = table(["events of workspaces with fifty cohorts", "one leader follows, events/s"], rows)
    return tables


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def written(page: str, tables: dict[str, str]) -> str:
    """Each table between its markers, `<!-- simulate:NAME -->` and `<!-- /simulate -->`."""
    for name, text in tables.items():
        pattern = rf"(<!-- simulate:{name} -->\n).*?(<!-- /simulate -->)"
        page = re.sub(pattern, lambda match, text=text: f"{match[1]}{text}\n{match[2]}", page, flags=re.DOTALL)
    return page


def _faults(outcomes: list[Outcome]) -> str:
    head = ["what happens", "events refused", "answers: p50 ms", "p99 ms", "slowest, s", "most events waiting"]
    head += ["oldest of them, s", "over after, s", "the leader has caught up after, s"]
    return table(head, [_row(each) for each in outcomes])


def _row(of: Outcome) -> list[str]:
    refused = "; ".join(f"{count:,} ({why})" for why, count in of.refused.items()) or "0"
    times = [f"{of.p50_ms:.1f}", f"{of.p99_ms:.1f}", f"{of.slowest_ms / 1000:.2f}"]
    return [of.name, refused, *times, f"{of.most_waiting:,}", f"{of.oldest_seconds:.1f}", *_ends(of)]


def _ends(of: Outcome) -> list[str]:
    return [_seconds(of.recovered_seconds), _seconds(of.led_seconds)]


def _seconds(value: float | None) -> str:
    return "not within the run" if value is None else f"{value:.0f}"


def _sizing(rows: list[dict[str, Any]]) -> str:
    head = [
        "events/s",
        "gateways",
        "partitions",
        "engines",
        "ClickHouse cores for inserts",
        "holds",
        "an engine killed: over after, s",
    ]
    names = ("gateways", "partitions", "engines", "shards")
    return table(
        head,
        [
            [
                f"{row['rate']:,}",
                *[f"{row[name]:,}" for name in names],
                "yes" if row["holds"] else "**no**",
                _seconds(row["recovered_seconds"]),
            ]
            for row in rows
        ],
    )
