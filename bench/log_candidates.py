"""The two candidates for the log, side by side: python bench/log_candidates.py [--dir DIR] [--seconds S] [--turns N].

Appends 100-event batches of about 350 bytes an event through both, taking turns, with 1, 16 and 64 concurrent callers
on uvloop; then kills, tears and fills both. Prints Markdown tables: medians, with the lowest and highest turn.
"""

import argparse
import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory

import msgspec
import uvloop

from headwater.clock import now_ms
from headwater.errors import HeadwaterError, LogUnavailableError
from headwater.events import Batch, Lane, Part, event_ids, new_batch_id
from headwater.log.base import Head
from headwater.log.files import FilesAppender, FilesReader
from headwater.log.sqlite import SqliteAppender, SqliteReader

ADAPTERS = {"files": (FilesAppender, FilesReader), "sqlite": (SqliteAppender, SqliteReader)}
CALLERS = (1, 16, 64)
FOREVER = 1 << 47
MIB = 1 << 20

Figures = dict[str, float]


def line(random: Random, event_id: str) -> bytes:
    """One event of a shop, as `events.ROW`."""
    product = random.randrange(20_000)
    data = {
        "productId": f"prod_{product:07d}",
        "variantId": f"var_{product:07d}_{random.randrange(6)}",
        "orderId": f"order-{random.getrandbits(40):011x}",
        "productName": f"{random.choice(['Linen', 'Cotton', 'Silk'])} {random.choice(['shirt', 'scarf', 'dress'])}",
        "itemPrice": random.randrange(100, 90_000) / 100,
        "currency": random.choice(["INR", "EUR", "USD"]),
        "customerId": f"CUST_{random.randrange(10**6)}",
    }
    who = [f"email:person{random.randrange(10**6)}@example.com", f"phone:+1949{random.randrange(10**7):07d}"]
    ms = 1_790_000_000_000 + random.randrange(10**8)
    row = [event_id, "purchasedAProduct", "sig_bFyqj0qg", None, ms, "", "", who, "Asha Rao", data, None, "", None]
    return msgspec.json.encode(row) + b"\n"


def make_batches(count: int, events: int = 100) -> list[Batch]:
    random = Random(1)
    batches = []
    for _ in range(count):
        id_ = new_batch_id(now_ms())
        lines = b"".join([line(random, event_id) for event_id in event_ids(id_, events)])
        part = Part(Lane.REALTIME, events, 1_790_000_000_000, 1_790_000_100_000, lines)
        batches.append(Batch(id_, "ws_abcdefgh", "bik", (part,)))
    return batches


def fresh(batch: Batch) -> Batch:
    return Batch(new_batch_id(now_ms()), batch.workspace, batch.dialect, batch.parts)


def turn(adapter: str, directory: Path, batches: list[Batch], callers: int, seconds: float) -> Figures:
    """One adapter, one number of callers, a fresh log."""
    make_appender, make_reader = ADAPTERS[adapter]
    appender, reader, latencies = make_appender(directory), make_reader(directory), []

    async def call(mine: list[Batch], deadline: float) -> None:
        while time.perf_counter() < deadline:
            for batch in mine:
                started = time.perf_counter()
                await appender.append(fresh(batch))
                latencies.append(time.perf_counter() - started)

    async def run() -> None:
        deadline = time.perf_counter() + seconds
        await asyncio.gather(*[call(batches[n % 32 :: 32], deadline) for n in range(callers)])

    cpu, wall = time.process_time(), time.perf_counter()
    uvloop.run(run())
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    status, size = appender.status(), reader.size()
    appender.close()
    reader.close()
    latencies.sort()
    return {
        "batches/s": status.batches / wall,
        "CPU µs/batch": cpu / status.batches * 1e6,
        "p50 ms": latencies[len(latencies) // 2] * 1e3,
        "p99 ms": latencies[int(len(latencies) * 0.99)] * 1e3,
        "commits/s": status.commits / wall,
        "bytes/event": size / status.batches / 100,
    }


def throughput(root: Path, turns: int, seconds: float) -> None:
    batches = make_batches(320)
    raw = sum(len(batch.parts[0].lines) for batch in batches) / len(batches) / 100
    print(f"\n{raw:.0f} bytes an event before compression, {turns} turns of {seconds} s each\n")
    results: dict[tuple[int, str], list[Figures]] = defaultdict(list)
    for _ in range(turns):
        for callers in CALLERS:
            for adapter in ADAPTERS:
                with TemporaryDirectory(dir=root) as directory:
                    results[callers, adapter].append(turn(adapter, Path(directory), batches, callers, seconds))
    names = list(next(iter(results.values()))[0])
    table(["callers", "log", *names], [[str(c), a, *spreads(figures, names)] for (c, a), figures in results.items()])


def spreads(figures: list[Figures], names: Iterable[str]) -> list[str]:
    return [spread([figure[name] for figure in figures]) for name in names]


def spread(values: list[float]) -> str:
    digits = 0 if median(values) >= 20 else 2
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def table(head: list[str], rows: list[list[str]]) -> None:
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def fill(adapter: str, directory: Path, size: int, segment_bytes: int) -> None:
    """Appends about `size` bytes, then leaves the stage by kill -9, in the middle of things."""
    appender = ADAPTERS[adapter][0](directory, segment_bytes=segment_bytes)
    batches, written = make_batches(64), 0

    async def call(mine: Batch) -> None:
        nonlocal written
        while True:
            await appender.append(fresh(mine))
            written += 10_500
            if written >= size:
                os.kill(os.getpid(), signal.SIGKILL)

    async def run() -> None:
        await asyncio.gather(*[call(batch) for batch in batches])

    uvloop.run(run())


def child(*arguments: object, wrap: Iterable[str] = ()) -> str:
    command = [*wrap, sys.executable, __file__, *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout


def recovery(root: Path, size: int) -> None:
    print(f"\nStart after kill -9 with {size // MIB} MiB of log\n")
    rows = []
    for segment_bytes in (64 * MIB, 1 << 40):
        for adapter, (make_appender, make_reader) in ADAPTERS.items():
            with TemporaryDirectory(dir=root) as name:
                directory = Path(name) / "log"
                child("--fill", adapter, directory, size, segment_bytes)
                started = time.perf_counter()
                make_appender(directory, segment_bytes=segment_bytes).close()
                opened = time.perf_counter() - started
                reader = make_reader(directory)
                started = time.perf_counter()
                heads = sum(1 for _ in reader.heads(0))
                walked = time.perf_counter() - started
                of = "segments of 64 MiB" if segment_bytes == 64 * MIB else "one segment"
                rows.append([adapter, of, f"{opened * 1e3:.0f}", f"{heads}", f"{walked / heads * 1e6:.1f}"])
    table(["log", "made of", "start ms", "records", "µs to walk a head"], rows)


def torn(root: Path, times: int) -> None:
    print(f"\n{times} cuts in the newest file (SQLite: its WAL), anywhere in the last 40 records, in a killed log\n")
    rows = []
    for adapter, (make_appender, make_reader) in ADAPTERS.items():
        random, outcomes, kept = Random(3), defaultdict(int), []
        with TemporaryDirectory(dir=root) as name:
            source = Path(name) / "log"
            child("--fill", adapter, source, 4 * MIB, 1 << 40)
            (source / "durable").unlink()  # as after a power cut that took the last known end with it
            for n in range(times):
                directory = shutil.copytree(source, Path(name) / str(n))
                newest = max([*directory.glob("*.log"), *directory.glob("*.db-wal")])
                os.truncate(newest, newest.stat().st_size - random.randrange(400_000))
                try:
                    make_appender(directory, segment_bytes=1 << 40).close()
                    kept.append(sum(1 for _ in make_reader(directory).heads(0)))
                    outcomes["went on"] += 1
                except HeadwaterError as error:
                    outcomes[type(error).__name__] += 1
                shutil.rmtree(directory)
        rows.append([adapter, ", ".join(f"{k}: {v}" for k, v in outcomes.items()), f"{min(kept)}–{max(kept)}"])
    table(["log", "starts", "records left"], rows)


SMALL_DISK = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=8m t "$5" && exec "$@"', "sh"]


def full(root: Path) -> None:
    print("\nA disk of 8 MiB, filled, then trimmed, without a restart\n")
    rows = []
    for adapter in ADAPTERS:
        with TemporaryDirectory(dir=root) as directory:
            rows.append(child("--full", adapter, directory, wrap=SMALL_DISK).strip().split("|"))
    table(["log", "batches taken", "refused", "said", "readable when full", "trim", "ready again", "rest right"], rows)


def fill_up(adapter: str, directory: Path) -> None:
    """Runs on the small disk: how much it takes, what it says, how soon it goes on after a trim."""
    make_appender, make_reader = ADAPTERS[adapter]
    appender, reader = make_appender(directory, segment_bytes=MIB), make_reader(directory)
    batches, taken, refused, said = make_batches(64), [], 0, ""

    async def put(count: int) -> None:
        nonlocal refused, said
        for batch in (fresh(batches[n % 64]) for n in range(count)):
            try:
                await appender.append(batch)
                taken.append(batch.id)
            except LogUnavailableError as error:
                refused, said = refused + 1, str(error)

    asyncio.run(put(1000))
    before, full_refused = len(taken), refused
    readable = attempt(lambda: "yes" if [head.batch for head in reader.heads(0)] == taken else "NO")
    trimmed = attempt(lambda: f"to {reader.trim(reader.durable(), FOREVER)} of {reader.durable()}")
    started = time.perf_counter()
    while not appender.status().ready and time.perf_counter() < started + 5:
        time.sleep(0.001)
    again = f"{(time.perf_counter() - started) * 1e3:.0f} ms" if appender.status().ready else "no"
    asyncio.run(put(20))
    appender.close()
    right = attempt(lambda: "yes" if ends_with(taken, make_reader(directory).heads(0)) else "NO")
    print("|".join([adapter, str(before), str(full_refused), said, readable, trimmed, again, right]))


def ends_with(taken: list[bytes], heads: Iterable[Head]) -> bool:
    seen = [head.batch for head in heads]
    return seen == taken[len(taken) - len(seen) :]


def attempt(verb: Callable[[], str]) -> str:
    try:
        return verb()
    except Exception as error:
        return repr(error)


def main() -> None:
    logging.disable()
    sys.setswitchinterval(0.0005)  # as the gateway does
    if sys.argv[1:2] == ["--fill"]:
        return fill(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
    if sys.argv[1:2] == ["--full"]:
        return fill_up(sys.argv[2], Path(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, default=Path(), help="where to write: the disk that is measured")
    parser.add_argument("--seconds", type=float, default=1.2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--log-mib", type=int, default=300)
    parser.add_argument("--only", choices=["throughput", "recovery", "torn", "full"])
    options = parser.parse_args()
    parts = {
        "throughput": lambda: throughput(options.dir, options.turns, options.seconds),
        "recovery": lambda: recovery(options.dir, options.log_mib * MIB),
        "torn": lambda: torn(options.dir, 40),
        "full": lambda: full(options.dir),
    }
    for part in [parts[options.only]] if options.only else parts.values():
        part()
    return None


if __name__ == "__main__":
    main()
