"""What `cluster.py` measured, as tables."""

from collections.abc import Callable
from statistics import median

from bodies import BATCH
from report import Figures, Table, number, spread


def conditions(results: Figures) -> Table:
    about, how = results["conditions"], results["options"]
    quiet = "" if about["quiet"] else " (not quiet: others were running)"
    kafka = "3 brokers, each record on two disks before the answer and fsynced on each"
    rows = [
        ["machine", f"{about['cores']} cores, {about['processor']}, {about['memory_gib']} GiB, {about['filesystem']}"],
        ["load average before", f"{about['load_average_before']}{quiet}"],
        ["generator", f"wrk on core {about['generator_core']}; {how['connections']} connections, shared by gateways"],
        ["turns", f"{how['turns']} of {how['seconds']:g} s each, batches of {BATCH}"],
        ["services", f"on the same cores: Kafka ({kafka}), PostgreSQL, Redis, chDB behind HTTP for ClickHouse"],
        ["the whole run", f"{results.get('minutes', 0)} minutes{', --quick: no figures' if how['quick'] else ''}"],
    ]
    return Table("conditions", "Conditions", ["", ""], rows)


def throughput(results: Figures) -> Table:
    rows = [
        [
            case["kind"],
            case["server"],
            spread(turn["events_per_s"] for turn in case["turns"]),
            spread(turn["p50_ms"] for turn in case["turns"]),
            spread(turn["p99_ms"] for turn in case["turns"]),
            spread(turn["queryable_per_s"] for turn in case["turns"]),
        ]
        for case in results["cases"]
    ]
    head = ["form", "who", "events/s acknowledged", "p50, ms", "p99, ms", "events/s until queryable"]
    return Table("throughput", "At saturation", head, rows)


def efficiency(results: Figures) -> Table:
    def per_core(cpu: str) -> Callable[[Figures], float]:
        return lambda turn: turn["events"] / max(sum(turn[cpu].values()), 1e-9)

    def services_too(turn: Figures) -> float:
        return turn["events"] / max(sum(turn["cpu_queryable"].values()) + sum(turn["cpu_services"].values()), 1e-9)

    rows = [
        [
            case["kind"],
            case["server"],
            spread(map(per_core("cpu_acknowledged"), case["turns"])),
            spread(map(per_core("cpu_queryable"), case["turns"])),
            spread(map(services_too, case["turns"])),
        ]
        for case in results["cases"]
    ]
    head = ["form", "who", "acknowledged", "queryable", "queryable, services too"]
    return Table("efficiency", "Events per core-second", head, rows)


def costs(results: Figures) -> Table:
    """Microseconds of CPU an event, by whom."""
    names = ["gateway", "engine", "Kafka", "PostgreSQL", "Redis", "ClickHouse"]

    def micros(turns: list[Figures], name: str) -> str:
        found = [
            {**turn["cpu_queryable"], **turn["cpu_services"]}.get(name, 0.0) / turn["events"] * 1e6 for turn in turns
        ]
        return number(median(found)) if any(found) else "–"

    rows = [
        [case["kind"], case["server"], *(micros(case["turns"], name) for name in names)] for case in results["cases"]
    ]
    return Table("costs", "CPU of an event until it is queryable, µs", ["form", "who", *names], rows)


def rest(results: Figures) -> Table:
    rows = []
    for name, each in results["rest"].items():
        memory = each.get("memory")
        rows.append(
            [
                name,
                ", ".join(f"{role} {number(used)}" for role, used in each["cpu_percent"].items()),
                ", ".join(f"{role} {used:.0f}" for role, used in memory.items()) if memory else "–",
            ]
        )
    return Table("rest", "While nothing happens", ["who", "% of a core", "MiB"], rows)


TABLES = (conditions, throughput, efficiency, costs, rest)
