"""What was measured, as tables: on the terminal, and between the markers of docs/performance.md."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

Figures = dict[str, Any]

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"

MOST_P99_MS, TIMES_NAIVE, ACKNOWLEDGED, QUERYABLE, FRESH_MS = 25, 5, 200_000, 60_000, 1000
"""What headwater promises of itself on two cores."""


@dataclass
class Table:
    name: str
    """Its marker in the page."""
    title: str
    head: list[str]
    rows: list[list[str]]


def number(value: float) -> str:
    digits = 0 if abs(value) >= 100 or value == 0 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def spread(values: Iterable[float]) -> str:
    """The median, with the lowest and the highest."""
    taken = sorted(values)
    if not taken:
        return "–"
    if len(taken) == 1:
        return number(taken[0])
    return f"{number(median(taken))} ({number(taken[0])}–{number(taken[-1])})"


# --- what the figures are made of ----------------------------------------------------------------------------------


def case_of(results: Figures, server: str, kind: str) -> Figures:
    return next(case for case in results["cases"] if case["server"] == server and case["kind"] == kind)


def middle(results: Figures, server: str, kind: str, figure: str, form: str = "saturation") -> float:
    """The median of one figure over the turns."""
    return float(median(turn[figure] for turn in case_of(results, server, kind)[form]))


def per_core_second(cpu: str) -> Callable[[Figures], float]:
    """Events per second of CPU, of all processes of the server."""
    return lambda turn: turn["events"] / max(sum(turn[cpu].values()), 1e-9)


def micros(role: str) -> Callable[[Figures], float]:
    """CPU of one role per event, until everything was queryable."""
    return lambda turn: turn["cpu_queryable"].get(role, 0.0) / max(turn["events"], 1) * 1e6


def front_cpu_per_request(turn: Figures) -> float:
    """CPU of the process that answers, while it answers."""
    cpu = turn["cpu_acknowledged"]
    return float(cpu.get("gateway", cpu.get("server", 0.0)) / max(turn["requests"], 1))


def paired(results: Figures, kind: str, server: str, peer: str, figure: Callable[[Figures], float]) -> list[float]:
    """The figure of one as so many times the other's, turn by turn: what drifts, drifts for both."""
    ours, theirs = case_of(results, server, kind)["saturation"], case_of(results, peer, kind)["saturation"]
    return [figure(our) / max(figure(their), 1e-12) for our, their in zip(ours, theirs, strict=True)]


def short(server: str) -> str:
    return "headwater" if server.startswith("headwater") else server


def kinds(results: Figures) -> list[str]:
    return list(dict.fromkeys(case["kind"] for case in results["cases"]))


# --- the tables ----------------------------------------------------------------------------------------------------


def conditions(results: Figures) -> Table:
    about, how = results["conditions"], results["options"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    quiet = "" if about["quiet"] else " (not quiet: others were running)"
    rows = [
        ["machine", f"{about['cores']} cores, {about['processor']}, {about['memory_gib']} GiB"],
        ["kernel, file system", f"{about['kernel']}, {about['filesystem']}"],
        ["load average before", f"{about['load_average_before']}{quiet}"],
        ["generator", f"core {about['generator_core']} alone; servers may use all"],
        [
            "turns",
            f"{how['turns']} of {how['seconds']:g} s a racer; closed loop: wrk, {how['connections']} connections",
        ],
        ["different events", f"{how['events']:,} of each form, over and over"],
        ["versions", f"Python {about['python']}, wrk {about['wrk']}, {versions}"],
        [
            "the whole run",
            f"{results.get('minutes', 0)} minutes{', --quick: no figures to go by' if how['quick'] else ''}",
        ],
    ]
    return Table("conditions", "Conditions", ["", ""], rows)


def promises(results: Figures) -> Table:
    rows = []

    def say(text: str, wanted: str, found: float, ok: bool) -> None:
        rows.append([text, wanted, number(found), "yes" if ok else "**no**"])

    for name in ("bik", "bigmind"):
        server, kind = f"headwater {name}", f"{name} batch"
        rate = middle(results, server, kind, "events_per_s")
        say(f"{name}: acknowledged durable events/s in batches", f"{ACKNOWLEDGED:,}", rate, rate >= ACKNOWLEDGED)
        times = median(paired(results, kind, server, "naive", lambda turn: turn["events_per_s"]))
        say(f"{name}: times the naive peer's", str(TIMES_NAIVE), times, times >= TIMES_NAIVE)
        p99 = middle(results, server, kind, "p99_ms", "fixed")
        say(f"{name}: p99 at 1,000 batches/s, ms", f"below {MOST_P99_MS}", p99, p99 < MOST_P99_MS)
        holds = highest(results, server)
        say(f"{name}: sustained events/s to queryable", f"{QUERYABLE:,}", holds, holds >= QUERYABLE)
        late = max(run["max_ms"] for run in results["freshness"] if run["server"] == server)
        say(f"{name}: queryable after its 200, the slowest, ms", f"{FRESH_MS:,}", late, late <= FRESH_MS)
    return Table("promises", "To reach", ["", "to reach", "measured", "reached"], rows)


def highest(results: Figures, server: str) -> float:
    """The highest rate at which the backlog did not grow; 0 when none was found."""
    return max((run["rate"] for run in results["sustained"] if run["server"] == server and run["holds"]), default=0)


def throughput(results: Figures) -> Table:
    head = ["request", "server", "requests/s", "events/s", "p50 ms", "p99 ms", "generator's core busy"]
    rows = [
        [
            case["kind"],
            short(case["server"]),
            spread(turn["requests_per_s"] for turn in case["saturation"]),
            spread(turn["events_per_s"] for turn in case["saturation"]),
            spread(turn["p50_ms"] for turn in case["saturation"]),
            spread(turn["p99_ms"] for turn in case["saturation"]),
            f"{median(turn['generator_cpu'] for turn in case['saturation']):.0%}",
        ]
        for case in by_kind(results)
    ]
    return Table("throughput", "At saturation, closed loop", head, rows)


def by_kind(results: Figures) -> list[Figures]:
    return sorted(results["cases"], key=lambda case: kinds(results).index(case["kind"]))


def efficiency(results: Figures) -> Table:
    head = ["request", "server", "events per core-second, acknowledged", "events per core-second, until queryable"]
    head += ["CPU µs/event: who answers", "engine"]
    rows = []
    for case in by_kind(results):
        turns, ours = case["saturation"], case["server"].startswith("headwater")
        rows.append(
            [
                case["kind"],
                short(case["server"]),
                spread(map(per_core_second("cpu_acknowledged"), turns)),
                "–" if case["server"].startswith("no-op") else spread(map(per_core_second("cpu_queryable"), turns)),
                spread(map(micros("gateway" if ours else "server"), turns)),
                spread(map(micros("engine"), turns)) if ours else "–",
            ]
        )
    return Table("efficiency", "Per second of CPU, all processes of a server counted", head, rows)


def ratios(results: Figures) -> Table:
    head = ["request", "events/s, times naive", "events per core-second until queryable, times naive"]
    head += ["CPU per request of who answers, times no-op uvicorn", "times no-op httptools"]
    rows = []
    for kind in kinds(results):
        servers = {short(case["server"]): case["server"] for case in results["cases"] if case["kind"] == kind}
        if not {"headwater", "naive", "no-op uvicorn", "no-op httptools"} <= set(servers):
            continue
        ours = servers["headwater"]
        rows.append(
            [
                kind,
                spread(paired(results, kind, ours, "naive", lambda turn: turn["events_per_s"])),
                spread(paired(results, kind, ours, "naive", per_core_second("cpu_queryable"))),
                spread(paired(results, kind, ours, "no-op uvicorn", front_cpu_per_request)),
                spread(paired(results, kind, ours, "no-op httptools", front_cpu_per_request)),
            ]
        )
    return Table("ratios", "headwater beside the others, turn by turn", head, rows)


def latency(results: Figures) -> Table:
    head = ["request", "server", "answered/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "of it the sender's p99 ms"]
    names = ("requests_answered", "p50_ms", "p99_ms", "p999_ms", "max_ms", "late_p99_ms")
    rows = []
    for case in by_kind(results):
        turns = [{**turn, "requests_answered": turn["answered_per_s"]} for turn in case["fixed"]]
        if turns:
            more = "≥ " if any(turn["unanswered"] for turn in turns) else ""
            told = [spread(turn[name] for turn in turns) for name in names]
            told = [told[0], *(more + each for each in told[1:5]), told[5]]
            rows.append([case["kind"], short(case["server"]), *told])
    return Table("latency", "At 1,000 requests/s, open loop", head, rows)


def fsyncs(results: Figures) -> Table:
    rows = [
        [f"the bare disk: append of {size}, fdatasync", spread(turn["per_s"] for turn in turns), "–"]
        for size, turns in results["disk"].items()
    ]
    for case in by_kind(results):
        if case["server"].startswith(("headwater", "naive")):
            commits = [turn["commits_per_s"] for turn in case["saturation"]]
            requests = [turn["requests_per_s"] / max(turn["commits_per_s"], 1e-9) for turn in case["saturation"]]
            rows.append([f"{short(case['server'])}, {case['kind']}", spread(commits), spread(requests)])
    return Table("fsyncs", "Syncs at saturation", ["", "fsyncs/s", "requests an fsync"], rows)


def sustained(results: Figures) -> Table:
    head = ["server", "events/s offered", "seconds", "backlog at the end", "it gains, events/s", "p99 of the 200, ms"]
    rows = [
        [
            run["server"],
            number(run["rate"]),
            f"{run['seconds']:g}",
            number(run["backlog"][-1][1]),
            number(run["slope_per_s"]),
            number(run["p99_ms"]),
            run["verdict"],
        ]
        for run in results["sustained"]
    ]
    return Table("sustained", "From the 200 to queryable, sustained", [*head, "the backlog"], rows)


def freshness(results: Figures) -> Table:
    rows = [
        [run["server"], number(run["acknowledged_per_s"]), str(run["probes"])]
        + [number(run[name]) for name in ("p50_ms", "p99_ms", "max_ms")]
        for run in results["freshness"]
    ]
    head = ["server", "events/s meanwhile", "events followed", "p50 ms", "p99 ms", "max ms"]
    return Table("freshness", "One event, from its 200 to queryable", head, rows)


def disk(results: Figures) -> Table:
    rows = []
    for case in by_kind(results):
        if case["server"].startswith("headwater"):
            values = [turn["log_bytes_per_event"] for turn in case["saturation"]]
            rows.append([f"log, {case['kind']}", spread(values)])
    for name, stored in results["stored"].items():
        where = "SQLite of" if name == "naive" else "store of"
        text = f"{where} {name}: {stored['rows']:,} events"
        rows.append([text, number(stored["bytes"] / max(stored["rows"], 1))])
    return Table("disk", "On disk", ["", "bytes an event"], rows)


def memory(results: Figures) -> Table:
    rows = []
    for name, rest in results["rest"].items():
        loads = [turn["memory"] for case in results["cases"] if case["server"] == name for turn in case["saturation"]]
        for role, idle in rest["memory"].items():
            told = [number(idle["rss"]), number(idle["pss"])]
            told += [number(max(turn[role][size] for turn in loads)) for size in ("rss", "pss")]
            rows.append([name, role, *told, number(results["peak"][name][role]), f"{rest['cpu_percent'][role]:.1f} %"])
    head = ["server", "process", "at rest, resident", "proportional", "at load, resident", "proportional", "peak"]
    return Table("memory", "Memory, MiB", [*head, "CPU at rest"], rows)


TABLES = (
    conditions, promises, throughput, efficiency, ratios, latency, fsyncs, sustained, freshness, disk, memory,
)  # fmt: skip


# --- where they go -------------------------------------------------------------------------------------------------


def tell(
    results: Figures, tables: Iterable[Callable[[Figures], Table]], page: Path, keep: Path | None, docs: bool
) -> None:
    """All tables on the terminal; with `docs`, in the page too, and the figures in the file `keep` beside it."""
    made = [make(results) for make in tables]
    for table in made:
        show(table)
    if docs:
        if keep:
            write(results, keep)
        for table in made:
            renew(page, table)


def rounded(value: Any) -> Any:
    """Six digits are more than any figure here has; rounded before it is told, so that page and JSON agree."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def write(results: Figures, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


def show(table: Table) -> None:
    """On the terminal; wide enough not to break a figure."""
    console = Console()
    console.width = max(console.width, 170)
    drawn = RichTable(title=table.title, title_justify="left", show_header=any(table.head))
    for name, column in zip(table.head, zip(*table.rows, strict=True), strict=True):
        drawn.add_column(name, justify="right" if column[-1][:1].isdigit() else "left")
    for row in table.rows:
        drawn.add_row(*row)
    console.print(drawn)


def markdown(table: Table) -> str:
    lines = ["| " + " | ".join(table.head) + " |", "|" + "---|" * len(table.head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in table.rows])


def renew(page: Path, table: Table) -> None:
    """Puts the table between `<!-- bench:NAME -->` and the next `<!-- /bench -->` of a page."""
    block = re.compile(rf"(<!-- bench:{table.name} -->\n).*?(<!-- /bench -->)", re.DOTALL)
    text, found = block.subn(lambda place: f"{place[1]}{markdown(table)}\n{place[2]}", page.read_text())
    if not found:
        raise SystemExit(f"{page} has no place for the table {table.name}")
    page.write_text(text)
