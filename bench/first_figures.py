"""First figures: acknowledged events/s in batches of 100, and events/s to queryable, of a real headwater on loopback.

    python bench/first_figures.py [--seconds 10] [--connections 32] [--turns 5]

Starts `headwater serve` on a directory of its own, sends pre-made batches over keep-alive connections from one
process (closed loop), waits until both lanes have drained, and prints medians with ranges. Server CPU is the sum over
all its processes, from /proc.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

PAGES = ("/docs/quickstart", "/docs/api-reference", "/pricing", "/blog/events")


def bik_batch(rng: random.Random) -> dict[str, Any]:
    def event() -> dict[str, Any]:
        person = rng.randrange(100_000)
        return {
            "name": f"Customer {person}",
            "email": f"customer{person}@shop.example",
            "phoneNumber": f"+1949{person:07d}",
            "eventName": "purchasedAProduct",
            "eventProperties": {
                "productId": f"P{rng.randrange(5000)}",
                "orderId": f"order-{rng.randrange(10**9)}",
                "orderName": "my-order",
                "productName": "my-product",
                "itemPrice": rng.randrange(1, 5000),
                "currency": "INR",
                "customerId": f"C{person}",
            },
        }

    return {"events": [event() for _ in range(100)]}


def bigmind_batch(rng: random.Random) -> dict[str, Any]:
    def event(number: int) -> dict[str, Any]:
        return {
            "signal": "visited-documentation-page",
            "identity": {"type": "account", "id": f"001ABC{rng.randrange(10**6):09d}"},
            "data": {"page": rng.choice(PAGES), "seconds": rng.randrange(600), "from": "search"},
            "reference": f"evt-{number}",
        }

    return {"events": [event(number) for number in range(100)]}


DIALECTS = {
    "bik": ("/integrations/bikPlatformFunctions-events/sendEvents", bik_batch),
    "bigmind": ("/v1/events/batch", bigmind_batch),
}


class Server:
    def __init__(self, directory: Path) -> None:
        self.log = (directory / "serve.log").open("wb")
        data = directory / "data"
        command = [sys.executable, "-m", "headwater", "serve", "--port", "0", "--data-dir", str(data)]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, start_new_session=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                told = json.loads((data / "serve.json").read_text())
                self.url, self.port = told["url"], told["port"]
                self.key = json.loads((data / "credentials.json").read_text())["api_key"]
                if httpx.get(self.url + "/readyz", timeout=2).status_code == 200:
                    return
            except (OSError, ValueError, KeyError, httpx.HTTPError):
                pass
            time.sleep(0.1)
        raise SystemExit("headwater did not become ready")

    def pids(self) -> dict[str, int]:
        listed = subprocess.run(["ps", "-s", str(self.process.pid), "-o", "pid=,args="], capture_output=True, text=True)
        found = {}
        for line in listed.stdout.splitlines():
            pid, _, args = line.strip().partition(" ")
            role = next((name for name in ("serve", "gateway", "engine") if f"headwater {name}" in args), None)
            if role:
                found[role] = int(pid)
        return found

    def cpu(self) -> dict[str, float]:
        ticks = os.sysconf("SC_CLK_TCK")
        used = {}
        for role, pid in self.pids().items():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used[role] = (int(fields[11]) + int(fields[12])) / ticks
        return used

    def memory_mib(self) -> dict[str, int]:
        def rss(pid: int) -> int:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024

        return {role: rss(pid) for role, pid in self.pids().items()}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


async def load(server: Server, path: str, bodies: list[bytes], connections: int, seconds: float) -> list[float]:
    """Latencies in seconds of all requests answered 200; any other answer ends the run."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {server.key}\r\n"
        "content-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    requests = [(head % len(body)).encode() + body for body in bodies]
    latencies: list[float] = []
    end = time.monotonic() + seconds

    async def sender(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        turn = number
        while time.monotonic() < end:
            began = time.perf_counter()
            writer.write(requests[turn % len(requests)])
            status = await reader.readuntil(b"\r\n\r\n")
            if not status.startswith(b"HTTP/1.1 200"):
                raise SystemExit(status.decode())
            length = int(status.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - began)
            turn += connections
        writer.close()

    await asyncio.gather(*(sender(number) for number in range(connections)))
    return latencies


def waiting(client: httpx.Client) -> int:
    return sum(lane["events"] for lane in client.get("/v1/pipelines").json()["data"])


def one_turn(server: Server, client: httpx.Client, dialect: str, options: argparse.Namespace) -> dict[str, float]:
    import uvloop

    path, make = DIALECTS[dialect]
    rng = random.Random(options.seed)
    bodies = [json.dumps(make(rng)).encode() for _ in range(200)]
    before, began = server.cpu(), time.monotonic()
    latencies = sorted(uvloop.run(load(server, path, bodies, options.connections, options.seconds)))
    loaded = time.monotonic()
    backlog = waiting(client)
    while waiting(client):
        time.sleep(0.02)
    drained = time.monotonic()
    after = server.cpu()
    events = len(latencies) * 100
    return {
        "acknowledged events/s": events / (loaded - began),
        "ack p50 ms": latencies[len(latencies) // 2] * 1000,
        "ack p99 ms": latencies[len(latencies) * 99 // 100] * 1000,
        "events waiting at the end": backlog,
        "events/s to queryable": events / (drained - began),
        "gateway CPU us/event": (after["gateway"] - before["gateway"]) / events * 1e6,
        "engine CPU us/event": (after["engine"] - before["engine"]) / events * 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        server = Server(Path(directory))
        try:
            client = httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {server.key}"}, timeout=60)
            made = client.post(
                "/v1/signals", json={"name": "Visited documentation page", "type": "event", "rate_limit": None}
            )
            made.raise_for_status()
            print("memory at rest, MiB:", server.memory_mib())
            turns: dict[str, list[dict[str, float]]] = {name: [] for name in DIALECTS}
            for _ in range(options.turns):
                for name in DIALECTS:
                    turns[name].append(one_turn(server, client, name, options))
            print("memory after load, MiB:", server.memory_mib())
            for name, taken in turns.items():
                print(f"\n{name}, 100-event batches, {options.connections} connections, {options.turns} turns")
                for figure in taken[0]:
                    values = sorted(turn[figure] for turn in taken)
                    print(f"  {figure:28}{statistics.median(values):12.1f}   ({values[0]:.1f} to {values[-1]:.1f})")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
