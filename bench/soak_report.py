"""What a soak showed: its tables, its plot, and what of it was not held."""

from pathlib import Path
from statistics import median
from typing import Any

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import plots
import report
from report import Table, number
from servers import HERE
from soak_live import quantiles
from soak_samples import slopes

Figures = dict[str, Any]

PAGE = HERE.parent / "docs" / "torture.md"
KEPT, PICTURE = PAGE.with_name("soak.json"), "soak.svg"
MOST_RATIO = 2.0
"""Of the realtime lane's lag p99 with a backfill to that without."""
MOST_GROWTH = 0.05
"""Of memory, descriptors and threads in an hour."""
SPARE = {"rss_mib": 4.0, "pss_mib": 4.0, "anonymous_mib": 4.0, "descriptors": 4.0, "threads": 2.0}
"""So much more in an hour is no growth either: a small process' twentieth is less than one file it reads."""
JUDGED = ("rss_mib", "anonymous_mib", "descriptors", "threads")
ROLES = ("supervisor", "gateway", "engine")
COLOURS = {"engine": "#2f81f7", "gateway": "#d2691e", "supervisor": plots.INK}


# --- the lag -------------------------------------------------------------------------------------------------------


def lags(results: Figures) -> Figures:
    """Of the realtime lane, in ms: in the halves without a backfill, in those with one, and while one was stored; and
    the ratios of p99, turn by turn."""
    half, turns = results["half"], results["options"]["turns"]
    halves: list[list[float]] = [[] for _ in range(2 * turns)]
    while_stored = []
    for probe in results["probes"]:
        halves[min(int(probe["at"] // half), 2 * turns - 1)].append(probe["lag_ms"])
        if probe["migrating"] or _importing(results, probe["at"]):
            while_stored.append(probe["lag_ms"])
    p99 = [quantiles(each).get("p99_ms", 0.0) for each in halves]
    return {
        "without": quantiles([lag for each in halves[::2] for lag in each]),
        "with": quantiles([lag for each in halves[1::2] for lag in each]),
        "while": quantiles(while_stored),
        "ratios": [p99[n + 1] / max(p99[n], 1e-9) for n in range(0, 2 * turns, 2)],
    }


def _importing(results: Figures, at: float) -> bool:
    return any(each["begun"] <= at <= each["ended"] for each in results["imports"])


def ratio(results: Figures) -> float:
    """Of p99 over all halves with a backfill to that over all without."""
    found = lags(results)
    return float(found["with"].get("p99_ms", 0.0) / max(found["without"].get("p99_ms", 0.0), 1e-9))


# --- what was held -------------------------------------------------------------------------------------------------


def growing(results: Figures) -> list[tuple[str, str, Figures]]:
    """Process, gauge and its slope, where it grows."""
    found = []
    for role in ROLES:
        for gauge, each in slopes(results["samples"], role, results["warm_seconds"]).items():
            if gauge in JUDGED and each["per_hour"] > max(MOST_GROWTH, SPARE[gauge] / max(each["first"], 1)):
                found.append((role, gauge, each))
    return found


def refused(results: Figures) -> int:
    """Answers that were not 200, of all who asked."""
    asked = (results["answers"], results["questions"])
    return int(sum(count for answers in asked for status, count in answers.items() if status != "200"))


def astray(results: Figures) -> int:
    """Events that are lost, there twice, foreign or rejected."""
    counted = results["counted"]
    return counted["rejected"] + sum(
        counted[kind][what] for kind in ("live", "backfill") for what in ("lost", "twice", "foreign")
    )


def broken(results: Figures) -> list[str]:
    """What was not held."""
    imported = sum(each["rows"] for each in results["imports"])
    said = [
        (refused(results) > 0, f"{refused(results)} answers other than 200"),
        (bool(results["failures"]), f"probes failed: {results['failures'][:3]}"),
        (bool(results["live"]["in_doubt"]), f"{len(results['live']['in_doubt'])} live requests without an answer"),
        (astray(results) > 0, f"events astray: {results['counted']}"),
        (imported != results["options"]["backfill"], f"{imported} events imported"),
        (imported != results["backfill_said"], f"the backfill says {results['backfill_said']} events"),
        (ratio(results) >= MOST_RATIO, f"lag p99 with a backfill is {ratio(results):.2f} times that without"),
    ]
    grown = [f"{role}'s {gauge} grows by {each['per_hour']:.1%} an hour" for role, gauge, each in growing(results)]
    return [text for wrong, text in said if wrong] + grown


# --- the tables ----------------------------------------------------------------------------------------------------


def conditions(results: Figures) -> Table:
    about, how, live = results["conditions"], results["options"], results["live"]
    quiet = "" if about["quiet"] else " (not quiet: others were running)"
    rows = [
        ["machine", f"{about['cores']} cores, {about['processor']}, {about['memory_gib']} GiB, {about['filesystem']}"],
        ["load average before", f"{about['load_average_before']}{quiet}"],
        ["lasted", f"{how['seconds'] / 60:g} minutes: {how['turns']} turns of {results['half']:g} s of live traffic "
                   f"alone and {results['half']:g} s with {how['bursts']} imports beside it"],
        ["live traffic, open loop", f"{how['rate']:,.0f} events/s of both dialects, four fifths in batches of 100: "
                                    f"{number(live['offered_per_s'])} requests/s"],
        ["its latency to the 200, ms", f"p50 {number(live['p50_ms'])}, p99 {number(live['p99_ms'])}, "
                                       f"slowest {number(live['max_ms'])}"],
        ["beside it", "seven live cohorts (four with moving windows), a webhook "
                      f"({results['webhooks']:,} deliveries), a reader ({sum(results['questions'].values()):,} "
                      f"questions), {len(results['probes']):,} events followed to their outcome"],
    ]  # fmt: skip
    return Table("soak-conditions", "Soak: conditions", ["", ""], rows)


def verdicts(results: Figures) -> Table:
    found, counted = lags(results), results["counted"]
    imports = [each["seconds"] for each in results["imports"] if each["rows"]]
    rows = [
        ["live events acknowledged, in the store once", f"{results['live']['acknowledged']:,}",
         _balance(counted["live"])],
        ["events of history, in the store once", f"{sum(each['rows'] for each in results['imports']):,}, "
         f"{len(imports)} imports of {number(median(imports or [0]))} s", _balance(counted["backfill"])],
        ["answers other than 200", f"{refused(results):,}", _held(not refused(results))],
        ["realtime lag, ms: live traffic alone", _lag(found["without"]), ""],
        ["realtime lag, ms: in the halves with a backfill", _lag(found["with"]), ""],
        ["realtime lag, ms: while a backfill was under way", _lag(found["while"]), ""],
        ["p99 with a backfill, times that without", f"{ratio(results):.2f}; turn by turn "
         f"{report.spread(found['ratios'])}", f"below {MOST_RATIO:g}: {_held(ratio(results) < MOST_RATIO)}"],
        ["warnings and errors in the server's log", f"{len(results['warnings'])}", _held(not results["warnings"])],
    ]  # fmt: skip
    return Table("soak", "Soak: what was held", ["", "measured", "held"], rows)


def _lag(told: Figures) -> str:
    if not told["count"]:
        return "–"
    figures = ", ".join(f"{name} {number(told[f'{name}_ms'])}" for name in ("p50", "p99", "max"))
    return f"{figures} ({told['count']:,} events)"


def _balance(told: Figures) -> str:
    wrong = {name: told[name] for name in ("lost", "twice", "foreign") if told[name]}
    return "**no**: " + ", ".join(f"{count:,} {name}" for name, count in wrong.items()) if wrong else "yes"


def _held(held: bool) -> str:
    return "yes" if held else "**no**"


def processes(results: Figures) -> Table:
    grown = {(role, gauge) for role, gauge, _ in growing(results)}
    rows = []
    for role in ROLES:
        told = [f"{role}, CPU {_cpu(results, role):.1%} of a core"]
        for gauge, each in slopes(results["samples"], role, results["warm_seconds"]).items():
            mark = "**" if (role, gauge) in grown else ""
            told.append(f"{number(each['first'])} → {number(each['last'])}, {mark}{each['per_hour']:+.1%}{mark}")
        rows.append(told)
    head = ["", "RSS, MiB", "PSS, MiB", "anonymous, MiB", "descriptors", "threads"]
    name = f"Soak: after {results['warm_seconds'] / 60:.1f} minutes → at the end, and what it gains in an hour"
    return Table("soak-processes", name, head, rows)


def _cpu(results: Figures, role: str) -> float:
    first, last = results["samples"][0], results["samples"][-1]
    used = last["processes"][role]["cpu_seconds"] - first["processes"][role]["cpu_seconds"]
    return float(used / max(last["at"] - first["at"], 1e-9))


def disk(results: Figures) -> Table:
    events = results["live"]["acknowledged"] + sum(each["rows"] for each in results["imports"])
    names = {"": "data directory", "log": "its log", "store": "its store"}
    rows = []
    for part, name in names.items():
        sizes = [each["disk_mib"][part] for each in results["samples"]]
        rows.append([name, number(sizes[0]), number(max(sizes)), number(sizes[-1]),
                     number((sizes[-1] - sizes[0]) * (1 << 20) / max(events, 1))])  # fmt: skip
    return Table("soak-disk", "Soak: disk, MiB", ["", "at first", "at most", "at last", "bytes an event"], rows)


TABLES = (conditions, verdicts, processes, disk)


def tell(results: Figures, directory: Path, docs: bool) -> None:
    """All tables, and the plot in `directory`; with `docs` in the page, its plot and its figures beside it."""
    directory = PAGE.parent / "torture" if docs else directory
    directory.mkdir(parents=True, exist_ok=True)
    report.tell(results, TABLES, PAGE, None, docs)
    if docs:
        report.write({name: value for name, value in results.items() if name != "probes"}, KEPT)
    with pyplot.rc_context(plots.STYLE):
        plots.save(plot(results), directory / PICTURE)


# --- the plot ------------------------------------------------------------------------------------------------------


def plot(results: Figures) -> Figure:
    """Memory, descriptors, backlog and lag over the minutes; the halves with a backfill are shaded."""
    figure, (memory, descriptors, lag) = pyplot.subplots(3, 1, figsize=(7, 6), sharex=True)
    minutes = [each["at"] / 60 for each in results["samples"]]
    for axes, gauge in ((memory, "anonymous_mib"), (descriptors, "descriptors")):
        for role in ROLES:
            values = [each["processes"][role][gauge] for each in results["samples"]]
            axes.plot(minutes, values, color=COLOURS[role], linewidth=1.2, label=role)
        axes.set_ylim(bottom=0)
    memory.legend(fontsize=7, loc="center right")
    memory.set_title("anonymous memory, MiB")
    descriptors.set_title("open descriptors")
    _draw_lag(lag, results)
    for axes in (memory, descriptors, lag):
        _shade(axes, results)
    lag.set_xlabel("minutes")
    figure.tight_layout()
    return figure


def _draw_lag(axes: Axes, results: Figures) -> None:
    """p99 of each minute."""
    by_minute: dict[int, list[float]] = {}
    for probe in results["probes"]:
        by_minute.setdefault(int(probe["at"] // 60), []).append(probe["lag_ms"])
    for name, marker, colour in (("p50_ms", ".", plots.INK), ("p99_ms", "o", COLOURS["engine"])):
        values = [quantiles(each)[name] for each in by_minute.values()]
        middles = [minute + 0.5 for minute in by_minute]
        axes.plot(middles, values, marker, color=colour, markersize=3, label=name.removesuffix("_ms"))
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7)
    axes.set_title("realtime: from the 200 to processed, ms, of each minute's events")


def _shade(axes: Axes, results: Figures) -> None:
    half = results["half"] / 60
    for turn in range(results["options"]["turns"]):
        axes.axvspan(half * (2 * turn + 1), half * (2 * turn + 2), color=plots.INK, alpha=0.15, linewidth=0)
