"""What a request costs the gateways of two checkouts, in turns: for deciding whether a change helps.

    python bench/compare_gateway.py OTHER_CHECKOUT [--turns 5] [--seconds 2] [--kind "bik batch" …]

Both run the gateway role alone, without an engine, from the start to the end; wrk loads one, then the other, and who
begins changes from turn to turn. CPU is the gateway process's own (utime and stime of /proc, all its threads), so that
what else the machine does weighs less than in a wall clock. Ratios are made turn by turn; figures are medians.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import bodies
import load
import machine
import profile_gateway
from listening import listener
from options import gateway_alone
from servers import unbound

HERE = Path(__file__).resolve().parent.parent


def gateway(directory: Path) -> None:
    """The child: one gateway, until SIGTERM. Prints its port."""
    sock = listener()
    from headwater.config import Settings
    from headwater.wiring import gateway as wiring

    port = sock.getsockname()[1]
    wiring.run_gateway(Settings(data_dir=directory, port=port, max_backlog_bytes=0), sock.detach())


class Running:
    """The gateway of one checkout."""

    def __init__(self, checkout: Path, directory: Path) -> None:
        directory.mkdir(mode=0o700)
        command = [sys.executable, __file__, "x", "--child", str(directory)]
        environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
        with (directory / "gateway.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, preexec_fn=unbound
            )
        assert self.process.stdout is not None
        url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        key = profile_gateway.prepared(url, directory)
        self.server: Any = SimpleNamespace(url=url, authorization=f"Bearer {key}")

    def turn(self, kind: bodies.Kind, written: Path, options: argparse.Namespace) -> tuple[float, float]:
        """Microseconds of CPU a request, and requests a second."""
        before = machine.cpu_seconds(self.process.pid)
        told = load.wrk(self.server, kind.path, written, options.connections, options.seconds).result()
        used = machine.cpu_seconds(self.process.pid) - before
        if told["refused"] or told["failed"]:
            raise SystemExit(f"not all were answered 200: {told}")
        return used / told["requests"] * 1e6, told["requests"] / told["seconds"]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def compare(kind: bodies.Kind, directory: Path, options: argparse.Namespace) -> str:
    """One line: CPU a request there and here, their ratio, requests a second there and here."""
    written = kind.write(directory, options.events, 7)
    data = directory / kind.name.replace(" ", "-")
    data.mkdir()
    both = [Running(checkout, data / name) for name, checkout in (("there", options.other), ("here", HERE))]
    try:
        for each in both:
            each.turn(kind, written, options)  # warm
        turns = []
        for number in range(options.turns):
            order = (0, 1) if number % 2 else (1, 0)
            found = {place: both[place].turn(kind, written, options) for place in order}
            turns.append((found[0], found[1]))
    finally:
        for each in both:
            each.stop()
    there, here = (median(turn[place][0] for turn in turns) for place in (0, 1))
    ratio = median(new[0] / old[0] for old, new in turns)
    rates = [median(turn[place][1] for turn in turns) for place in (0, 1)]
    return f"{kind.name:28}{there:8.1f}{here:8.1f}{ratio:8.3f}{rates[0]:10,.0f}{rates[1]:10,.0f}"


def main() -> None:
    parser = gateway_alone(__doc__, seconds=2)
    parser.add_argument("other", type=Path, help="the checkout that this one is held against")
    parser.add_argument("--kind", action="append", choices=[kind.name for kind in bodies.KINDS])
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    if options.child:
        return gateway(options.child)
    load.check_wrk()
    load.pin()
    print(f"{'':28}{'µs there':>8}{'here':>8}{'ratio':>8}{'1/s there':>10}{'here':>10}", flush=True)
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="hw-compare-") as directory:
        for kind in bodies.KINDS:
            if not options.kind or kind.name in options.kind:
                print(compare(kind, Path(directory), options), flush=True)
    return None


if __name__ == "__main__":
    main()
