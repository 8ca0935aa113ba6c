"""What the tables and plots of the race are made of."""

from collections.abc import Callable
from statistics import median

from report import Figures


def case_of(results: Figures, server: str, kind: str) -> Figures | None:
    """None when that racer did not run."""
    cases = (case for case in results["cases"] if case["server"] == server and case["kind"] == kind)
    return next(cases, None)


def turns_of(results: Figures, server: str, kind: str, form: str = "saturation") -> list[Figures]:
    """Its turns in one form; none when that racer did not run."""
    case = case_of(results, server, kind)
    return case[form] if case else []


def middle(results: Figures, server: str, kind: str, figure: str, form: str = "saturation") -> float:
    """The median of one figure over the turns."""
    return float(median(turn[figure] for turn in turns_of(results, server, kind, form)))


def per_core_second(cpu: str) -> Callable[[Figures], float]:
    """Events per second of CPU, of all processes of the server."""
    return lambda turn: turn["events"] / max(sum(turn[cpu].values()), 1e-9)


def micros(role: str, per: str = "events", cpu: str = "cpu_queryable") -> Callable[[Figures], float]:
    """CPU of one role per event or request, until everything was queryable, or only while it was acknowledged."""
    return lambda turn: turn[cpu].get(role, 0.0) / max(turn[per], 1) * 1e6


def all_micros(turn: Figures, cpu: str) -> float:
    """CPU of all processes of the server per request."""
    return float(sum(turn[cpu].values()) / max(turn["requests"], 1) * 1e6)


def front_micros(turn: Figures) -> float:
    """CPU per request of the process that answers, while it answers."""
    cpu = turn["cpu_acknowledged"]
    return float(cpu.get("gateway", cpu.get("server", 0.0)) / max(turn["requests"], 1) * 1e6)


def paired(results: Figures, kind: str, server: str, peer: str, figure: Callable[[Figures], float]) -> list[float]:
    """The figure of one as so many times the other's, turn by turn: what drifts, drifts for both. Empty when one of
    them did not run."""
    ours, theirs = turns_of(results, server, kind), turns_of(results, peer, kind)
    return [figure(our) / max(figure(their), 1e-12) for our, their in zip(ours, theirs, strict=False)]


def short(server: str) -> str:
    return "headwater" if server.startswith("headwater") else server


def ours(results: Figures) -> list[tuple[str, str]]:
    """Each server and form of headwater."""
    return [(case["server"], case["kind"]) for case in results["cases"] if case["server"].startswith("headwater")]


def dialects(results: Figures) -> list[str]:
    """Those that raced."""
    return [name for name in ("bik", "bigmind") if case_of(results, f"headwater {name}", f"{name} batch")]


def kinds(results: Figures) -> list[str]:
    return list(dict.fromkeys(case["kind"] for case in results["cases"]))


def by_kind(results: Figures) -> list[Figures]:
    return sorted(results["cases"], key=lambda case: kinds(results).index(case["kind"]))


# --- headwater beside what it cannot do without ---------------------------------------------------------------------


def floor_micros(results: Figures, server: str, kind: str) -> list[dict[str, float]]:
    """Turn by turn, CPU a request: of the no-op's HTTP, of reading the JSON, of appending the bytes."""
    noop = turns_of(results, "no-op httptools", kind)
    return [
        {"http": all_micros(bare, "cpu_acknowledged"), "parse": floor["parse_us"], "append": floor["append_us"]}
        for bare, floor in zip(noop, turns_of(results, server, kind, "floor"), strict=False)
    ]


def cpu_ratios(results: Figures, server: str, kind: str, figure: Callable[[Figures], float]) -> list[float]:
    """The floor as a share of what headwater takes, turn by turn."""
    turns = turns_of(results, server, kind)
    floors = floor_micros(results, server, kind)
    return [sum(floor.values()) / max(figure(turn), 1e-9) for floor, turn in zip(floors, turns, strict=False)]


def sync_ratios(results: Figures, server: str, kind: str) -> list[float]:
    """Commits of the log at saturation as a share of what the bare disk syncs, with records as long."""
    turns, floors = turns_of(results, server, kind), turns_of(results, server, kind, "floor")
    return [turn["commits_per_s"] / floor["disk"]["per_s"] for turn, floor in zip(turns, floors, strict=False)]


def acknowledgement_floors(results: Figures, server: str, kind: str) -> list[float]:
    """Milliseconds, turn by turn: the p50 of the no-op's answer and of a bare sync of as much."""
    noop = turns_of(results, "no-op httptools", kind, "fixed")
    floors = turns_of(results, server, kind, "floor")
    return [
        bare["p50_ms"] + floor["disk_fixed"][0]["p50_ms"]
        for bare, floor in zip(noop, floors, strict=False)
        if floor["disk_fixed"]
    ]


def acknowledgement_ratios(results: Figures, server: str, kind: str) -> list[float]:
    turns, floors = turns_of(results, server, kind, "fixed"), acknowledgement_floors(results, server, kind)
    return [turn["p50_ms"] / floor for turn, floor in zip(turns, floors, strict=False)]


def highest(results: Figures, server: str) -> float:
    """The highest rate at which the backlog did not grow; 0 when none was found."""
    return max((run["rate"] for run in results["sustained"] if run["server"] == server and run["holds"]), default=0)
