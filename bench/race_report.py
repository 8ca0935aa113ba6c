"""What the race measured, as the tables of docs/performance.md."""

from statistics import median

import ratio_report
from race_figures import by_kind, micros, per_core_second, short
from report import Figures, Table, number, spread


def conditions(results: Figures) -> Table:
    about, how = results["conditions"], results["options"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    quiet = "" if about["quiet"] else " (not quiet: others were running)"
    turns = max(len(case["saturation"]) for case in results["cases"])
    rows = [
        ["machine", f"{about['cores']} cores, {about['processor']}, {about['memory_gib']} GiB"],
        ["kernel, file system", f"{about['kernel']}, {about['filesystem']}"],
        ["load average before", f"{about['load_average_before']}{quiet}"],
        ["generator", f"core {about['generator_core']} alone; servers may use all"],
        [
            "turns",
            f"{turns} of {how['seconds']:g} s a racer; closed loop: wrk, {how['connections']} connections",
        ],
        ["different events", f"{how['events']:,} of each form, over and over"],
        ["versions", f"Python {about['python']}, wrk {about['wrk']}, {versions}"],
        [
            "the whole run",
            f"{results.get('minutes', 0)} minutes{', --quick: no figures to go by' if how['quick'] else ''}",
        ],
    ]
    return Table("conditions", "Conditions", ["", ""], rows)


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


def efficiency(results: Figures) -> Table:
    head = ["request", "server", "events per core-second, acknowledged", "events per core-second, until queryable"]
    head += ["CPU µs/event: who answers", "engine, or the peer's store"]
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
                spread(map(micros("engine"), turns)) if ours else stores(turns),
            ]
        )
    return Table("efficiency", "Per second of CPU, all processes of a server counted", head, rows)


def stores(turns: list[Figures]) -> str:
    """CPU of the processes behind the one that answers."""
    roles = [role for role in turns[0]["cpu_queryable"] if role != "server"]
    return spread(sum(micros(role)(turn) for role in roles) for turn in turns) if roles else "–"


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
    return Table("latency", f"At {results['options']['fixed']} requests/s, open loop", head, rows)


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
        if stored is not None:
            text = f"store of {name}: {stored['rows']:,} events"
            rows.append([text, number(stored["bytes"] / max(stored["rows"], 1))])
    return Table("disk", "On disk", ["", "bytes an event"], rows)


def memory(results: Figures) -> Table:
    rows = []
    for name, rest in results["rest"].items():
        if name not in results["peak"]:  # it was left out meanwhile
            continue
        loads = [turn["memory"] for case in results["cases"] if case["server"] == name for turn in case["saturation"]]
        for role, idle in rest["memory"].items():
            told = [number(idle["rss"]), number(idle["pss"])]
            told += [number(max(turn[role][size] for turn in loads)) for size in ("rss", "pss")]
            rows.append([name, role, *told, number(results["peak"][name][role]), f"{rest['cpu_percent'][role]:.1f} %"])
    head = ["server", "process", "at rest, resident", "proportional", "at load, resident", "proportional", "peak"]
    return Table("memory", "Memory, MiB", [*head, "CPU at rest"], rows)


TABLES = (
    conditions, ratio_report.promises, throughput, efficiency, ratio_report.ratios, ratio_report.cpu,
    latency, ratio_report.acknowledgement, ratio_report.half, ratio_report.fsyncs, ratio_report.syncs,
    sustained, freshness, disk, memory,
)  # fmt: skip
