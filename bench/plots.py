"""The plots of docs/performance.md: small SVGs that read well on a light page and on a dark one."""

from pathlib import Path
from statistics import median

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

import flat_report
from race_figures import floor_micros, micros, ours, paired, per_core_second, short, turns_of
from racers import PEERS
from ratio_report import TIMES_PEERS
from report import Figures

INK = "#8a8f98"
"""Text and lines: as far from white as from black."""
COLOURS = {
    "headwater": "#2f81f7",
    "FastAPI + SQLite": "#d2691e",
    "FastAPI + PostgreSQL": "#8e5bd0",
    "Litestar + JetStream": "#2ca27a",
    "UmaDB": "#c2a000",
    "no-op uvicorn": "#8a8f98",
    "no-op httptools": "#b0b5bd",
}
GROWS = "#d2691e"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "headwater",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.labelcolor": INK,
}

Row = tuple[str, str, list[float]]
"""Form of request, server, one value a turn."""


def draw(results: Figures, directory: Path) -> None:
    """Writes all of them into `directory`."""
    directory.mkdir(exist_ok=True)
    with pyplot.rc_context(STYLE):
        save(throughput(results), directory / "throughput.svg")
        save(efficiency(results), directory / "efficiency.svg")
        save(times(results), directory / "times.svg")
        save(shares(results), directory / "cpu.svg")
        save(latency(results), directory / "latency.svg")
        save(backlog(results), directory / "backlog.svg")


def draw_flat(results: Figures, directory: Path) -> None:
    """Writes the plot of what `bench/flat.py` measured."""
    directory.mkdir(exist_ok=True)
    with pyplot.rc_context(STYLE):
        save(flat(results), directory / "flat.svg")


def save(figure: Figure, path: Path) -> None:
    figure.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def throughput(results: Figures) -> Figure:
    """Events/s in batches."""
    rows = [
        (case["kind"], short(case["server"]), [turn["events_per_s"] for turn in case["saturation"]])
        for case in batches(results)
    ]
    return compared(rows, "acknowledged events/s, batches of 100, at saturation")


def efficiency(results: Figures) -> Figure:
    """Events per core-second, headwater's until queryable."""
    rows = [
        (
            case["kind"],
            short(case["server"]),
            [turn["events"] / max(sum(turn["cpu_queryable"].values()), 1e-9) for turn in case["saturation"]],
        )
        for case in batches(results)
    ]
    return compared(rows, "events per second of CPU, all processes, headwater's until queryable")


def batches(results: Figures) -> list[Figures]:
    return [case for case in results["cases"] if case["events"] > 1]


def compared(rows: list[Row], title: str) -> Figure:
    """A dot at the median, a line from the lowest turn to the highest. Logarithmic: a no-op is far from the rest."""
    figure, axes = pyplot.subplots(figsize=(7, 0.26 * len(rows) + 0.7))
    for place, (_, server, values) in enumerate(reversed(rows)):
        middle, colour = median(values), COLOURS[server]
        axes.plot([min(values), max(values)], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot(middle, place, "o", color=colour, markersize=6)
        axes.text(max(values) * 1.15, place, f"{middle:,.0f}", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [f"{kind} · {server}" for kind, server, _ in reversed(rows)])
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes.set_title(title)
    return figure


def times(results: Figures) -> Figure:
    """headwater's durable events per core-second as so many times each peer's: a bar at the median."""
    rows = [
        (kind, peer, found)
        for server, kind in ours(results)
        for peer in PEERS
        if (found := paired(results, kind, server, peer, per_core_second("cpu_acknowledged")))
    ]
    figure, axes = pyplot.subplots(figsize=(7, 0.26 * len(rows) + 0.7))
    for place, (_, peer, values) in enumerate(reversed(rows)):
        middle = median(values)
        axes.barh(place, middle, height=0.6, color=COLOURS[peer])
        axes.plot([min(values), max(values)], [place, place], color=INK, linewidth=1)
        axes.text(max(values) + 0.08, place, f"{middle:.2g}", va="center", fontsize=8)
    axes.axvline(1, color=INK, linewidth=1)
    axes.axvline(TIMES_PEERS, color=INK, linewidth=1, linestyle=":")
    axes.set_yticks(range(len(rows)), [f"{kind} · {peer}" for kind, peer, _ in reversed(rows)])
    axes.set_title(f"durable events per core-second, times the peer's (dotted: {TIMES_PEERS}, to reach)")
    return figure


FLOOR = (("http", "no-op POST", "#b0b5bd"), ("parse", "parse", "#d2691e"), ("append", "append", "#c2a000"))
ROLES = (("gateway", "gateway", "#2f81f7"), ("engine", "engine", "#8e5bd0"), ("supervisor", "supervisor", "#2ca27a"))


def shares(results: Figures) -> Figure:
    """CPU of a batch: headwater's by process, while it acknowledges, above the least that the same could take."""
    found = [
        (server, kind) for server, kind in ours(results) if "batch" in kind and floor_micros(results, server, kind)
    ]
    figure, axes = pyplot.subplots(figsize=(7, 0.52 * len(found) + 1.1))
    labels = []
    for server, kind in reversed(found):
        floors, turns = floor_micros(results, server, kind), turns_of(results, server, kind)
        stack(axes, len(labels), [(median(each[part] for each in floors), text, tint) for part, text, tint in FLOOR])
        taken = [(micros(role, "requests", "cpu_acknowledged"), text, tint) for role, text, tint in ROLES]
        stack(axes, len(labels) + 1, [(median(map(take, turns)), text, tint) for take, text, tint in taken])
        labels += [f"{kind} · at the least", f"{kind} · headwater"]
    axes.set_yticks(range(len(labels)), labels)
    handles, names = axes.get_legend_handles_labels()
    once = dict(zip(names, handles, strict=True))
    axes.legend(once.values(), once.keys(), fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.4, -0.12))
    axes.set_title("CPU of a batch of 100 while it is acknowledged, µs")
    return figure


def stack(axes: Axes, place: int, parts: list[tuple[float, str, str]]) -> None:
    """One bar of several parts, end to end."""
    left = 0.0
    for width, text, tint in parts:
        axes.barh(place, width, left=left, height=0.6, color=tint, label=text)
        left += width
    axes.text(left * 1.01, place, f"{left:,.0f}", va="center", fontsize=8)


def thousands(value: float, _: int) -> str:
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k" if value else "0"


def latency(results: Figures) -> Figure:
    """p50 to p99 at a rate that nobody is busy with, medians over the turns, on a logarithmic scale."""
    cases = [case for case in results["cases"] if case["fixed"]][::-1]
    figure, axes = pyplot.subplots(figsize=(7, 0.28 * len(cases) + 0.7))
    for place, case in enumerate(cases):
        p50, p99 = (median(turn[name] for turn in case["fixed"]) for name in ("p50_ms", "p99_ms"))
        colour = COLOURS[short(case["server"])]
        axes.plot([p50, p99], [place, place], color=colour, linewidth=2)
        axes.plot(p50, place, "|", color=colour, markersize=9, markeredgewidth=2)
        axes.plot(p99, place, "o", color=colour, markersize=6)
        more = "≥ " if any(turn["unanswered"] for turn in case["fixed"]) else ""
        axes.text(p99 * 1.15, place, f"{more}{p99:,.1f} ms", va="center", fontsize=8)
    axes.set_yticks(range(len(cases)), [f"{case['kind']} · {short(case['server'])}" for case in cases])
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.1)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_title(f"latency at {results['options']['fixed']} requests/s, ms: from p50 (bar) to p99 (dot)")
    return figure


def backlog(results: Figures) -> Figure:
    """Events not queryable yet, over each constant rate."""
    servers = list(dict.fromkeys(run["server"] for run in results["sustained"]))
    figure, found = pyplot.subplots(1, len(servers), figsize=(7, 2.4), sharey=True, squeeze=False)
    for axes, server in zip(found[0], servers, strict=True):
        runs = [run for run in results["sustained"] if run["server"] == server]
        for run in sorted(runs, key=lambda run: run["rate"]):
            line_of(axes, run)
        axes.set_title(f"{server}, not queryable yet")
        axes.set_xlabel("seconds at that rate")
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(FuncFormatter(thousands))
        axes.legend(fontsize=7, loc="upper left")
    return figure


def line_of(axes: Axes, run: Figures) -> None:
    """Blue where the backlog holds, orange where it does not."""
    moments, events = zip(*run["backlog"], strict=True)
    colour = COLOURS["headwater"] if run["holds"] else GROWS
    label = f"{run['rate']:,.0f}/s: {run['verdict']}"
    axes.plot(moments, events, color=colour, linewidth=1.2, alpha=0.9, label=label, marker=MARKS[len(axes.lines) % 5])


def flat(results: Figures) -> Figure:
    """Each cost as so many times what it is at the first size."""
    figure, axes = pyplot.subplots(figsize=(7, 2.8))
    sizes, shades = results["sizes"], pyplot.get_cmap("tab10")
    for number, (name, of) in enumerate(flat_report.ROWS):
        first = max(median(of(sizes[0])), 1e-9)
        times = [median(of(at)) / first for at in sizes]
        axes.plot([at["events"] for at in sizes], times, marker="o", markersize=4, color=shades(number), label=name)
    axes.axhline(1, color=INK, linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes.set_title("cost where so many events are stored, as times that of the first size")
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


MARKS = ("", ".", "x", "+", "1")
