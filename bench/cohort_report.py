"""What `bench/cohorts.py` measured, as tables."""

from statistics import median

from report import Figures, Table, number

WITHIN_MS = 1000
"""What headwater promises: from an event to its membership."""


def conditions(results: Figures) -> Table:
    about, built = results["conditions"], results["built"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    quiet = "" if about["quiet"] else " (not quiet: others were running)"
    rows = [
        ["machine", f"{about['cores']} cores, {about['processor']}, {about['memory_gib']} GiB"],
        ["kernel, file system", f"{about['kernel']}, {about['filesystem']}"],
        ["load average before", f"{about['load_average_before']}{quiet}"],
        ["events", f"{built['events']:,} over ninety days"],
        [
            "written by headwater",
            f"sent in {built['sent_seconds']:.0f} s, stored after {built['stored_seconds']:.0f} s, "
            f"{built['store_bytes'] / 1e9:.2f} GB",
        ],
        ["written by SQLite", f"in {built['table_seconds']:.0f} s without a sync, {built['table_bytes'] / 1e9:.2f} GB"],
        ["versions", f"Python {about['python']}, {versions}"],
    ]
    return Table("conditions", "Conditions", ["", ""], rows)


def kinds(results: Figures) -> Table:
    rows = []
    for each in results["kinds"]:
        row = [each["kind"], f"{each['size']:,}", number(each["cold_ms"]), number(each["warm_ms"])]
        if "table_cold_ms" in each:
            row += [_patient(each, "cold"), _patient(each, "warm"), _times(each, "cold"), _times(each, "warm")]
            row += [_same(each)]
        else:
            row += ["–"] * 5
        rows.append(row)
    head = ["condition", "in it", "cold, ms", "warm, ms", "SQLite cold, ms", "warm, ms", "times, cold", "warm"]
    return Table("kinds", "A question of each kind", [*head, "same answer"], rows)


def _patient(each: Figures, how: str) -> str:
    over = "" if each["table_size"] is not None else "> "
    return over + number(each[f"table_{how}_ms"])


def _times(each: Figures, how: str) -> str:
    over = "" if each["table_size"] is not None else "> "
    return over + number(each[f"table_{how}_ms"] / each[f"{how}_ms"])


def _same(each: Figures) -> str:
    if each["table_size"] is None:
        return "–"
    return "yes" if each["table_size"] == each["size"] else f"**no**: {each['table_size']:,}"


def rivals(results: Figures) -> Table:
    """Warm, in turns with headwater."""
    told = results.get("rivals") or {}
    names = list(told.get("filled", {}))
    rows = []
    for each in told.get("kinds", []):
        row = [each["kind"], f"{each['sizes'][-1]['headwater']:,}", number(each["ms"]["headwater"])]
        for name in names:
            over = "> " if each["sizes"][0][name] is None else ""
            row += [over + number(each["ms"][name]), over + number(each["ms"][name] / each["ms"]["headwater"])]
        rows.append([*row, _agreed(each["sizes"])])
    rows = rows or [["not asked"] + ["–"] * (3 + 2 * len(names))]
    head = ["condition", "in it", "headwater, ms"] + [part for name in names for part in (f"{name}, ms", "times")]
    return Table("rivals", "In turns with DuckDB and PostgreSQL", [*head, "same answers"], rows)


def _agreed(sizes: list[dict[str, int | None]]) -> str:
    """Whether all that answered said the same, each time."""
    answers = [{size for size in turn.values() if size is not None} for turn in sizes]
    if all(len(found) == 1 for found in answers):
        return "yes" if all(len(turn) > 1 for turn in sizes[:1]) else "–"
    return "**no**: " + ", ".join(f"{name} {size:,}" for name, size in sizes[-1].items() if size is not None)


def rivals_conditions(results: Figures) -> Table:
    told = results.get("rivals") or {}
    rows = []
    if told:
        about = told["conditions"]
        quiet = "" if about["quiet"] else " (not quiet: others were running)"
        rows.append(["events", f"{told['events']:,} over ninety days"])
        rows.append(["load average before", f"{about['load_average_before']}{quiet}"])
    for name, filled in told.get("filled", {}).items():
        size = f"{filled['bytes'] / 1e9:.2f} GB"
        rows.append([f"{name} {filled['version']}", f"filled in {filled['seconds']:.0f} s, {size}"])
    rows = rows or [["events", "–"]]
    rows += [[name, f"not run: {reason}"] for name, reason in told.get("missing", {}).items()]
    return Table("rivals_conditions", "Conditions of DuckDB and PostgreSQL", ["", ""], rows)


def memory(results: Figures) -> Table:
    live = results["fifty"]
    rows = [
        ["fifty cohorts defined one after the other", f"{sum(live['define_ms']) / 1e3:.1f} s"],
        ["one of them, median and slowest", f"{median(live['define_ms']):.0f} ms, {max(live['define_ms']):.0f} ms"],
        ["until the engine answers after a cold start with the fifty", f"{live['restart_seconds']:.1f} s"],
    ]
    times = (
        ("before", live["before"]),
        ("fifty defined", live["after"]),
        ("after a restart", live["restarted"]),
        ("while events arrive", results["latency"]["memory"]),
    )
    for role in ("engine", "gateway"):
        told = ", ".join(f"{when} {sizes[role]['rss']:,.0f}" for when, sizes in times)
        rows.append([f"{role}, resident MiB", f"{told}, at most {results['latency']['peaks'][role]:,.0f}"])
    cores = ", ".join(f"{role} {used:.2f}" for role, used in results["latency"]["cores"].items())
    rows.append(["cores used while events arrive", cores])
    return Table("memory", "Fifty live cohorts", ["", ""], rows)


def questions(results: Figures) -> Table:
    rows = [
        [each["question"], number(each["cold_ms"]), number(each["warm_ms"]), number(each["most_ms"])]
        for each in results["questions"]
    ]
    return Table("questions", "Questions about live cohorts", ["", "cold, ms", "warm, ms", "slowest warm, ms"], rows)


def latency(results: Figures) -> Table:
    found = results["latency"]
    named = [(each["kind"], each) for each in found["kinds"]]
    named += [
        ("**all of them**", found["all"]),
        ("left by the clock: after the moment it was due", found["left"]),
        ("as written down: from an event's receipt to the change it caused", found["recorded"]),
    ]
    rows = [[name, f"{each['count']:,}", *_percentiles(each)] for name, each in named]
    return Table(
        "latency", "From an event to its membership", ["", "probes", "p50, ms", "p99, ms", "slowest, ms"], rows
    )


def _percentiles(each: Figures) -> list[str]:
    if not each["count"]:
        return ["–"] * 3
    return [number(each[figure]) for figure in ("p50_ms", "p99_ms", "max_ms")]


def promises(results: Figures) -> Table:
    found = results["latency"]
    worst = found["all"].get("p99_ms", float("inf"))
    same = [each for each in results["kinds"] if each.get("table_size") is not None]
    agree = sum(each["table_size"] == each["size"] for each in same)
    rows = [
        ["events/s acknowledged meanwhile", "10,000", number(found["acknowledged_per_s"]),
         _reached(found["acknowledged_per_s"] >= 9_800)],
        ["event to membership, p99, ms", f"{WITHIN_MS:,}", number(worst), _reached(worst <= WITHIN_MS)],
        ["sizes equal to SQLite's", f"{len(same)}", f"{agree}", _reached(agree == len(same))],
    ]  # fmt: skip
    return Table("promises", "What it is to reach", ["", "to reach", "measured", "reached"], rows)


def _reached(held: bool) -> str:
    return "yes" if held else "**no**"


TABLES = (conditions, promises, kinds, rivals_conditions, rivals, memory, questions, latency)
