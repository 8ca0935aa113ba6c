"""What binds the gateway: CPU of each step of a request's path, in a real gateway under load.

    python bench/profile_gateway.py [--seconds 8] [--connections 32] [--write-docs]

Starts the gateway role in a process of its own, with a clock around each step, and loads it with wrk from the last
core, one form of request after the other. So a step is measured where it stands: between the steps of other requests,
32 of them in flight, with cold caches; run alone in a loop the same code costs less. The engine does not run: the
gateway has a core for itself. What the clocks do not see, HTTP (parsing, reading the body, answering), the event loop
and the clocks themselves, is the rest of the loop's thread; the log's writer is a thread of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

import bodies
import load
import report
from listening import listener
from options import gateway_alone
from servers import unbound

WARM_UP = 500
"""Requests that are not counted."""


class Clocks:
    """CPU of the event loop's thread by step, without the steps inside it. None of the steps lets another run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.inside: list[float] = []
        self.calls = 0

    def around(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            began = self._enter()
            try:
                return step(*args, **options)
            finally:
                self._leave(name, began)

        return timed

    def around_coroutine(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        async def timed(*args: Any, **options: Any) -> Any:
            began = self._enter()
            try:
                return await step(*args, **options)
            finally:
                self._leave(name, began)

        return timed

    def counting(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """The first step of each request: counts them, and begins anew when the gateway is warm."""

        def counted(*args: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == WARM_UP:
                self.seconds.clear()
                self.threads = threads()
            return step(*args, **options)

        return counted

    def _enter(self) -> float:
        self.inside.append(0.0)
        return time.thread_time()

    def _leave(self, name: str, began: float) -> None:
        took = time.thread_time() - began
        own = took - self.inside.pop()
        self.seconds[name] = self.seconds.get(name, 0.0) + own
        if self.inside:
            self.inside[-1] += took


def threads() -> dict[str, float]:
    """CPU seconds of this process: of the event loop's thread, and of all others."""
    loop = time.clock_gettime(time.pthread_getcpuclockid(threading.main_thread().ident or 0))
    return {"loop": loop, "others": time.process_time() - loop}


def everywhere(function: Callable[..., Any], instead: Callable[..., Any]) -> None:
    """Puts another function in place of this one wherever headwater has imported it by name."""
    for name, module in list(sys.modules.items()):
        if name.startswith("headwater"):
            for attribute, value in list(vars(module).items()):
                if value is function:
                    setattr(module, attribute, instead)


def gateway(directory: Path) -> None:
    """The child: a gateway with clocks. Prints its port, and when it is told to end, what they say."""
    sock = listener()
    from headwater import ordinary
    from headwater.config import Settings
    from headwater.dialects import DIALECTS
    from headwater.intake import Intake
    from headwater.log import record
    from headwater.log.files import FilesAppender
    from headwater.web.auth import authenticate
    from headwater.wiring import gateway as wiring

    clocks = Clocks()
    for kind in {type(dialect) for dialect in DIALECTS}:
        kind.decode = clocks.counting(clocks.around("decode", kind.decode))  # type: ignore[method-assign]
        kind.encode = clocks.around("encode the answer", kind.encode)  # type: ignore[method-assign]
    # Of an ordinary request the intake runs no other steps.
    everywhere(ordinary.decide, clocks.around("intake: resolve", ordinary.decide))
    everywhere(ordinary._all_fit, clocks.around("intake: validate", ordinary._all_fit))
    Intake.receive = clocks.around_coroutine("intake: quota, lane, ids, lines", Intake.receive)  # type: ignore[method-assign]
    FilesAppender.append = clocks.around("log: hand in", FilesAppender.append)  # type: ignore[method-assign]
    everywhere(record.encode, clocks.around("log: encode the record", record.encode))
    everywhere(authenticate, clocks.around("authenticate", authenticate))
    wiring.run_gateway(Settings(data_dir=directory, port=sock.getsockname()[1]), sock.detach())
    now = threads()
    spent = {name: now[name] - clocks.threads[name] for name in now}
    print(json.dumps({"steps": clocks.seconds, "requests": clocks.calls - WARM_UP, "threads": spent}), flush=True)


def profile(kind: bodies.Kind, directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Runs a gateway under load of this form; microseconds of CPU a request, by step."""
    data = directory / kind.name.replace(" ", "-")
    data.mkdir(mode=0o700)
    command = [sys.executable, __file__, "--child", str(data)]
    with (directory / "gateway.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=unbound)
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        key = prepared(f"http://127.0.0.1:{port}", data)
        server: Any = SimpleNamespace(url=f"http://127.0.0.1:{port}", authorization=f"Bearer {key}")
        written = kind.write(directory, options.events, 7)
        loaded = load.wrk(server, kind.path, written, options.connections, options.seconds).result()
        process.terminate()
        told: dict[str, Any] = json.loads(process.stdout.read().strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise SystemExit((directory / "gateway.log").read_text()) from None
    finally:
        process.kill()
        process.wait()
    if loaded["refused"]:
        raise SystemExit(f"not all were answered 200: {loaded}")
    micros = {name: seconds / told["requests"] * 1e6 for name, seconds in told["steps"].items()}
    loop = told["threads"]["loop"] / told["requests"] * 1e6
    micros["HTTP, event loop, the clocks"] = loop - sum(micros.values())
    micros["log: the writer's thread"] = told["threads"]["others"] / told["requests"] * 1e6
    return {"micros": micros, "requests_per_s": loaded["requests"] / loaded["seconds"]}


def prepared(url: str, data: Path) -> str:
    """Makes the signals that the bodies name; returns the key."""
    deadline = time.monotonic() + 30
    while not (data / "credentials.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    key = str(json.loads((data / "credentials.json").read_text())["api_key"])
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=30, trust_env=False) as client:
        bodies.create_signals(client)
    return key


def table_of(profiles: dict[str, dict[str, Any]]) -> report.Table:
    steps = list(dict.fromkeys(step for told in profiles.values() for step in told["micros"]))
    rows = [[step, *(f"{told['micros'].get(step, 0):,.1f}" for told in profiles.values())] for step in steps]
    rows.append(["all of it", *(f"{sum(told['micros'].values()):,.1f}" for told in profiles.values())])
    rows.append(["requests/s meanwhile", *(f"{told['requests_per_s']:,.0f}" for told in profiles.values())])
    return report.Table("profile", "CPU of the gateway, µs a request", ["", *profiles], rows)


def main() -> None:
    parser = gateway_alone(__doc__, seconds=8)
    parser.add_argument("--write-docs", action="store_true", help=f"renew the table in {report.PAGE.name}")
    options = parser.parse_args()
    if options.child:
        return gateway(options.child)
    load.check_wrk()
    load.pin()
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="hw-profile-") as directory:
        table = table_of({kind.name: profile(kind, Path(directory), options) for kind in bodies.KINDS})
    report.show(table)
    if options.write_docs:
        report.renew(report.PAGE, table)
    return None


if __name__ == "__main__":
    main()
