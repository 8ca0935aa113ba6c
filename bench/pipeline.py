"""From the log to committed: python bench/pipeline.py [EVENTS]. Prints rate, CPU, memory and latency as JSON.

Events come as batches of 100 of some 260 bytes, with an email and a phone each; the log lies in a temporary directory.
Latency: from the append's return to the event's answer from the store, one event at a time, nothing else going on.
"""

import asyncio
import resource
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgspec

from headwater.clock import now_ms
from headwater.config import Settings
from headwater.events import Batch, Lane, Part, event_ids, new_batch_id
from headwater.log.files import FilesAppender, FilesReader
from headwater.pipeline import Pipeline
from headwater.state.sqlite import SqliteState
from headwater.store.clickhouse import ChdbStore


def make_batch(number: int, count: int = 100) -> Batch:
    ms = now_ms()
    batch = new_batch_id(ms)
    rows = []
    for n, id_ in enumerate(event_ids(batch, count)):
        person = (number * count + n) // 3
        identities = [f"email:someone{person}@example.com", f"phone:+1949{person:07}"]
        data = {"productId": f"product-{n}", "variantId": "v1", "itemPrice": 500, "currency": "INR", "page": "/shop"}
        rows.append([id_, "productViewed", "sig_bFyqj0qg", 1, ms, "", "", identities, "Some One", data, None, "", None])
    lines = b"".join([msgspec.json.encode(row) + b"\n" for row in rows])
    return Batch(batch, "ws_abcdefgh", "bik", (Part(Lane.REALTIME, count, ms, ms, lines),))


async def fill(appender: FilesAppender, batches: int) -> None:
    for begin in range(0, batches, 200):
        await asyncio.gather(*[appender.append(make_batch(n)) for n in range(begin, min(batches, begin + 200))])


async def put(appender: FilesAppender, batch: Batch) -> None:
    await appender.append(batch)


def cpu() -> float:
    return time.process_time()


def rss_mb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20


def drain(pipeline: Pipeline, events: int) -> dict[str, float]:
    begun, used = time.perf_counter(), cpu()
    while pipeline.step():
        pass
    seconds = time.perf_counter() - begun
    return {
        "events": events,
        "events_per_second": round(events / seconds),
        "cpu_seconds_per_million": round((cpu() - used) / events * 1e6, 2),
        "rss_mb": rss_mb(),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def latencies(appender: FilesAppender, store: ChdbStore, pipeline: Pipeline, times: int = 50) -> dict[str, float]:
    stop, seen = threading.Event(), []
    loop = threading.Thread(target=pipeline.run, args=(stop,))
    loop.start()
    for n in range(times):
        batch = make_batch(n, 1)
        asyncio.run(put(appender, batch))
        begun = time.perf_counter()
        question = {"workspace": batch.workspace, "ids": event_ids(batch.id, 1), "reverted": [], "held": []}
        while not store.rows("events", question):
            time.sleep(0.001)
        seen.append((time.perf_counter() - begun) * 1000)
        time.sleep(0.1)
    used, begun = cpu(), time.perf_counter()
    time.sleep(10)
    idle = (cpu() - used) / (time.perf_counter() - begun)
    stop.set()
    loop.join()
    seen.sort()
    return {
        "latency_ms_median": round(statistics.median(seen), 1),
        "latency_ms_p90": round(seen[int(len(seen) * 0.9)], 1),
        "latency_ms_max": round(seen[-1], 1),
        "idle_cpu_percent": round(idle * 100, 2),
        "idle_rss_mb": rss_mb(),
    }


def main(events: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(data_dir=Path(directory))
        appender, reader = FilesAppender(settings.log_dir), FilesReader(settings.log_dir)
        store, state = ChdbStore(settings.store_dir), SqliteState(settings.state_path)
        pipeline = Pipeline(reader, store, state, settings, linger=0)
        asyncio.run(fill(appender, events // 100))
        pipeline.recover()
        print(msgspec.json.encode(drain(pipeline, events)).decode())
        loop = Pipeline(reader, store, state, settings)
        print(msgspec.json.encode(latencies(appender, store, loop)).decode())
        store.close()
        state.close()
        appender.close()


main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
