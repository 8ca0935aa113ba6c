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


def summed(results: Figures) -> Figures:
    """The results with what their probes and samples come to, without the first, and with one sample a minute."""
    if "probes" not in results:
        return results
    probes, samples = results["probes"], results["samples"]
    return {name: value for name, value in results.items() if name != "probes"} | {
        "followed": len(probes),
        "lags": lags(results),
        "minutes": minutes(probes),
        "slopes": {role: slopes(samples, role, results["warm_seconds"]) for role in ROLES},
        "cpu": {role: cpu(samples, role) for role in ROLES},
        "disk_mib": {part: sizes(samples, part) for part in samples[0]["disk_mib"]},
        "samples": thinned(samples),
    }


def cpu(samples: list[Figures], role: str) -> float:
    """Cores, over all of it."""
    first, last = samples[0], samples[-1]
    used = last["processes"][role]["cpu_seconds"] - first["processes"][role]["cpu_seconds"]
    return float(used / max(last["at"] - first["at"], 1e-9))


def sizes(samples: list[Figures], part: str) -> Figures:
    found = [each["disk_mib"][part] for each in samples]
    return {"first": found[0], "most": max(found), "last": found[-1]}


def thinned(samples: list[Figures]) -> list[Figures]:
    """The first of each minute, and the last."""
    by_minute = {int(each["at"] // 60): each for each in reversed(samples)}
    return [*reversed([*by_minute.values()]), samples[-1]]


def lags(results: Figures) -> Figures:
    """Of the realtime lane, in ms: in the halves without a backfill, in those with one, and while one was stored; the
    ratio of p99 of all halves, and those turn by turn."""
    half, turns = results["half"], results["options"]["turns"]
    halves: list[list[float]] = [[] for _ in range(2 * turns)]
    while_stored = []
    for probe in results["probes"]:
        halves[min(int(probe["at"] // half), 2 * turns - 1)].append(probe["lag_ms"])
        if probe["migrating"] or _importing(results, probe["at"]):
            while_stored.append(probe["lag_ms"])
    p99 = [quantiles(each).get("p99_ms", 0.0) for each in halves]
    without, beside = ([lag for each in halves[n::2] for lag in each] for n in (0, 1))
    found = {"without": quantiles(without), "with": quantiles(beside), "while": quantiles(while_stored)}
    ratio = found["with"].get("p99_ms", 0.0) / max(found["without"].get("p99_ms", 0.0), 1e-9)
    return found | {"ratio": ratio, "ratios": [p99[n + 1] / max(p99[n], 1e-9) for n in range(0, 2 * turns, 2)]}


def minutes(probes: list[Figures]) -> list[Figures]:
    """Quantiles of each minute that has probes."""
    by_minute: dict[int, list[float]] = {}
    for probe in probes:
        by_minute.setdefault(int(probe["at"] // 60), []).append(probe["lag_ms"])
    return [{"minute": minute, **quantiles(values)} for minute, values in sorted(by_minute.items())]


def _importing(results: Figures, at: float) -> bool:
    return any(each["begun"] <= at <= each["ended"] for each in results["imports"])


# --- what was held -------------------------------------------------------------------------------------------------


def growing(results: Figures) -> list[tuple[str, str, Figures]]:
    """Process, gauge and its slope, where it grows."""
    found = []
    for role in ROLES:
        for gauge, each in results["slopes"][role].items():
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
    imported, ratio = sum(each["rows"] for each in results["imports"]), results["lags"]["ratio"]
    said = [
        (refused(results) > 0, f"{refused(results)} answers other than 200"),
        (bool(results["failures"]), f"probes failed: {results['failures'][:3]}"),
        (bool(results["live"]["in_doubt"]), f"{len(results['live']['in_doubt'])} live requests without an answer"),
        (astray(results) > 0, f"events astray: {results['counted']}"),
        (imported != results["options"]["backfill"], f"{imported} events imported"),
        (imported != results["backfill_said"], f"the backfill says {results['backfill_said']} events"),
        (ratio >= MOST_RATIO, f"lag p99 with a backfill is {ratio:.2f} times that without"),
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
        ["lasted", f"{how['seconds'] / 60:.1f} minutes: {how['turns']} turns of {results['half']:g} s of live traffic "
                   f"alone and {results['half']:g} s with {how['bursts']} imports beside it"],
        ["live traffic, open loop", f"{how['rate']:,.0f} events/s of both dialects, four fifths in batches of 100: "
                                    f"{number(live['offered_per_s'])} requests/s"],
        ["its latency to the 200, ms", f"p50 {number(live['p50_ms'])}, p99 {number(live['p99_ms'])}, "
                                       f"slowest {number(live['max_ms'])}"],
        ["beside it", "seven live cohorts (four with moving windows), a webhook "
                      f"({results['webhooks']:,} deliveries), a reader ({sum(results['questions'].values()):,} "
                      f"questions), {results['followed']:,} events followed to their outcome"],
    ]  # fmt: skip
    return Table("soak-conditions", "Soak: conditions", ["", ""], rows)


def verdicts(results: Figures) -> Table:
    found, counted = results["lags"], results["counted"]
    ratio = found["ratio"]
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
        ["p99 with a backfill, times that without", f"{ratio:.2f}; turn by turn "
         f"{report.spread(found['ratios'])}", f"below {MOST_RATIO:g}: {_held(ratio < MOST_RATIO)}"],
        ["warnings and errors in the server's log", f"{len(results['warnings'])}", _held(not results["warnings"])],
    ]  # fmt: skip
    return Table("soak-held", "Soak: what was held", ["", "measured", "held"], rows)


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
        told = [f"{role}, CPU {results['cpu'][role]:.1%} of a core"]
        for gauge, each in results["slopes"][role].items():
            mark = "**" if (role, gauge) in grown else ""
            told.append(f"{number(each['first'])} → {number(each['last'])}, {mark}{each['per_hour']:+.1%}{mark}")
        rows.append(told)
    head = ["", "RSS, MiB", "PSS, MiB", "anonymous, MiB", "descriptors", "threads"]
    name = f"Soak: after {results['warm_seconds'] / 60:.1f} minutes → at the end, and what it gains in an hour"
    return Table("soak-processes", name, head, rows)


def disk(results: Figures) -> Table:
    events = results["live"]["acknowledged"] + sum(each["rows"] for each in results["imports"])
    names = {"": "data directory", "log": "its log", "store": "its store"}
    rows = []
    for part, name in names.items():
        found = results["disk_mib"][part]
        grown = (found["last"] - found["first"]) * (1 << 20) / max(events, 1)
        rows.append([name, *(number(found[when]) for when in ("first", "most", "last")), number(grown)])
    return Table("soak-disk", "Soak: disk, MiB", ["", "at first", "at most", "at last", "bytes an event"], rows)


TABLES = (conditions, verdicts, processes, disk)


def tell(results: Figures, directory: Path, docs: bool) -> None:
    """All tables, and the plot in `directory`; with `docs` in the page, its plot and its figures beside it."""
    directory = PAGE.parent / "torture" if docs else directory
    directory.mkdir(parents=True, exist_ok=True)
    report.tell(results, TABLES, PAGE, KEPT, docs)
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
    _draw_lag(lag, results["minutes"])
    for axes in (memory, descriptors, lag):
        _shade(axes, results)
    lag.set_xlabel("minutes")
    figure.tight_layout()
    return figure


def _draw_lag(axes: Axes, found: list[Figures]) -> None:
    """p50 and p99 of each minute."""
    middles = [each["minute"] + 0.5 for each in found]
    for name, marker, colour in (("p50_ms", ".", plots.INK), ("p99_ms", "o", COLOURS["engine"])):
        values = [each[name] for each in found]
        axes.plot(middles, values, marker, color=colour, markersize=3, label=name.removesuffix("_ms"))
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7)
    axes.set_title("realtime: from the 200 to processed, ms, of each minute's events")


def _shade(axes: Axes, results: Figures) -> None:
    half = results["half"] / 60
    for turn in range(results["options"]["turns"]):
        axes.axvspan(half * (2 * turn + 1), half * (2 * turn + 2), color=plots.INK, alpha=0.15, linewidth=0)
