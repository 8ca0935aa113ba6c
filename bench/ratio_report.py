"""headwater beside what it cannot do without, and beside its peers: the ratios of the race, as tables."""

from statistics import median

from race_figures import (
    acknowledgement_floors,
    acknowledgement_ratios,
    all_micros,
    by_kind,
    cpu_ratios,
    dialects,
    floor_micros,
    front_micros,
    highest,
    kinds,
    middle,
    ours,
    paired,
    per_core_second,
    short,
    sync_ratios,
    turns_of,
)
from racers import PEERS
from report import Figures, Table, number, spread

ACKNOWLEDGED, SINGLES, QUERYABLE = 400_000, 20_000, 120_000
"""Events/s: acknowledged in batches, acknowledged one by one, sustained to queryable."""
CPU_RATIO, TIMES_PEERS, HALF_P99_MS, FRESH_MS, IDLE_MB = 0.4, 5, 10, 1000, 400
MB = 1024 * 1024 / 1e6
"""Of a MiB."""


class Promises:
    """The rows of a table of what is to be reached."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []

    def least(self, text: str, wanted: float, found: float) -> None:
        self._say(text, f"{wanted:,}", number(found), found >= wanted)

    def below(self, text: str, wanted: float, found: float) -> None:
        self._say(text, f"below {wanted:,}", number(found), found < wanted)

    def not_run(self, text: str, wanted: float, reason: str) -> None:
        self.rows.append([text, f"{wanted:,}", reason, "–"])

    def _say(self, text: str, wanted: str, found: str, ok: bool) -> None:
        self.rows.append([text, wanted, found, "yes" if ok else "**no**"])


def promises(results: Figures) -> Table:
    made = Promises()
    for name in dialects(results):
        server, kind, single = f"headwater {name}", f"{name} batch", f"{name} single"
        rate = middle(results, server, kind, "events_per_s")
        made.least(f"{name}: acknowledged durable events/s in batches", ACKNOWLEDGED, rate)
        made.least(f"{name}: single events, requests/s", SINGLES, middle(results, server, single, "requests_per_s"))
        made.least(f"{name}: sustained events/s to queryable", QUERYABLE, highest(results, server))
        late = max(run["max_ms"] for run in results["freshness"] if run["server"] == server)
        made.below(f"{name}: queryable after its 200, the slowest, ms", FRESH_MS, late)
        p99 = middle(results, server, kind, "p99_ms", "half")
        made.below(f"{name}: p99 at half of saturation, ms", HALF_P99_MS, p99)
        shares = cpu_ratios(results, server, kind, lambda turn: all_micros(turn, "cpu_acknowledged"))
        made.least(f"{name}: CPU ratio in batches, all processes", CPU_RATIO, median(shares))
        for peer in PEERS:
            text = f"{name}: durable events per core-second, times {peer}'s"
            times = paired(results, kind, server, peer, per_core_second("cpu_acknowledged"))
            if times:
                made.least(text, TIMES_PEERS, median(times))
            else:
                made.not_run(text, TIMES_PEERS, "not run")
    for size, text in (("pss", "proportional"), ("rss", "resident")):
        idle = sum(role[size] for role in results["alone"].values()) * MB
        made.below(f"memory at rest, all processes, {text}, MB", IDLE_MB, idle)
    return Table("promises", "To reach", ["", "to reach", "measured", "reached"], made.rows)


def cpu(results: Figures) -> Table:
    """What taking a request costs beside the least it could."""
    head = ["request", "no-op POST, µs", "parse, µs", "append, µs", "gateway, µs", "all processes, µs"]
    head += ["until queryable, µs", "ratio: gateway", "all processes", "until queryable"]
    figures = (
        front_micros,
        lambda turn: all_micros(turn, "cpu_acknowledged"),
        lambda turn: all_micros(turn, "cpu_queryable"),
    )
    rows = []
    for server, kind in ours(results):
        floors = floor_micros(results, server, kind)
        if floors:
            turns = turns_of(results, server, kind)
            told = [number(median(each[part] for each in floors)) for part in ("http", "parse", "append")]
            told += [number(median(map(figure, turns))) for figure in figures]
            told += [spread(cpu_ratios(results, server, kind, figure)) for figure in figures]
            rows.append([kind, *told])
    return Table("cpu", "CPU of a request, beside no-op + parse + append", head, rows)


def ratios(results: Figures) -> Table:
    head = ["request", "beside", "events/s, times", "events per core-second, acknowledged, times"]
    head += ["until queryable, times"]
    rows = []
    for kind in kinds(results):
        for server, _ in (each for each in ours(results) if each[1] == kind):
            for peer in PEERS:
                if not turns_of(results, peer, kind):
                    continue
                told = [
                    spread(paired(results, kind, server, peer, figure))
                    for figure in (
                        lambda turn: turn["events_per_s"],
                        per_core_second("cpu_acknowledged"),
                        per_core_second("cpu_queryable"),
                    )
                ]
                rows.append([kind, peer, *told])
    rows += [["all", peer, f"not run: {reason.splitlines()[0]}", "–", "–"] for peer, reason in missing(results)]
    return Table("ratios", "headwater beside its peers, turn by turn", head, rows)


def missing(results: Figures) -> list[tuple[str, str]]:
    return list(results["not_run"].items())


def fsyncs(results: Figures) -> Table:
    rows = []
    for size, turns in results["disk"].items():
        ahead = spread(turn["ahead"]["per_s"] for turn in turns)
        rows.append([f"the bare disk, {size} at a time", "–", "–", spread(turn["per_s"] for turn in turns), ahead, "–"])
    for server, kind in ours(results):
        turns, floors = turns_of(results, server, kind), turns_of(results, server, kind, "floor")
        if floors:
            told = [
                spread(turn["commits_per_s"] for turn in turns),
                spread(turn["requests"] / max(turn["commits"], 1) for turn in turns),
                spread(floor["disk"]["per_s"] for floor in floors),
                spread(floor["disk"]["ahead"]["per_s"] for floor in floors),
            ]
            size = median(turn["record_bytes"] for turn in turns) / 1024
            rows.append([f"headwater, {kind}, {size:.0f} KiB", *told, spread(sync_ratios(results, server, kind))])
    head = ["", "fsyncs/s", "requests an fsync", "bare disk: appends synced/s", "written ahead, synced/s", "ratio"]
    return Table("fsyncs", "Syncs at saturation", head, rows)


def syncs(results: Figures) -> Table:
    rows = []
    for server, seen in results["syncs"].items():
        if "reason" in seen:
            rows.append([server, "–", f"not looked at: {seen['reason'].splitlines()[0]}", "–"])
            continue
        calls = ", ".join(f"{count} {name}" for name, count in seen["calls"].items()) or "none"
        held = "yes" if seen["syncs"] >= seen["requests"] else "**no**"
        rows.append([server, str(seen["requests"]), calls, held])
    head = ["server", "requests, one after the other", "syncs seen", "each 200 behind one"]
    return Table("syncs", "Whether a 200 is behind a sync", head, rows)


def acknowledgement(results: Figures) -> Table:
    rows = []
    for server, kind in ours(results):
        fixed = turns_of(results, server, kind, "fixed")
        floors = turns_of(results, server, kind, "floor")
        if fixed and acknowledgement_floors(results, server, kind):
            noop = turns_of(results, "no-op httptools", kind, "fixed")
            told = [spread(turn["p50_ms"] for turn in turns) for turns in (fixed, noop)]
            told += [spread(floor["disk_fixed"][0]["p50_ms"] for floor in floors if floor["disk_fixed"])]
            rows.append([kind, *told, spread(acknowledgement_ratios(results, server, kind))])
    head = ["request", "headwater, p50 ms", "no-op httptools, p50 ms", "bare fdatasync, p50 ms", "ratio"]
    return Table("acknowledgement", "How long a 200 takes beside the least it could", head, rows)


def half(results: Figures) -> Table:
    rows = []
    for case in by_kind(results):
        if case["half"]:
            names = ("offered_per_s", "answered_per_s", "p50_ms", "p99_ms", "p999_ms", "max_ms", "late_p99_ms")
            told = [spread(turn[name] for turn in case["half"]) for name in names]
            rows.append([case["kind"], short(case["server"]), *told])
    head = ["request", "server", "offered/s", "answered/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms"]
    return Table("half", "At half of saturation, open loop", [*head, "of it the sender's p99 ms"], rows)
