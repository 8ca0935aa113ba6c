"""A process that tracks events, notes each one that was accepted, and may be killed at any moment.

Its one argument is JSON: `url`, `key`, `run` (in every event's name), `count`, `settings`, `ledger` (a path), `limited`
(so many are of a signal with a limit).
When it comes to an end it prints one line of JSON: the client's figures, and how much memory it took.
"""

import dataclasses
import json
import os
import sys
import time
from pathlib import Path

from headwater_client import Client, Event, Settings, bik, signal

OPEN, LIMITED = "rough-open", "rough-limited"
"""Signals: without a limit, and with one."""
LIMIT = 100
"""Of that one, a minute."""


def made(token: str, number: int, limited: int) -> Event:
    """Both dialects in turns, and a few of a signal with a limit."""
    if number < limited:
        return signal(LIMITED, ("account", str(number % 7)), {"token": token})
    if number % 2:
        return bik(OPEN, {"token": token}, email=f"{number % 977}@example.com")
    return signal(OPEN, ("account", str(number % 977)), {"token": token})


def resident(field: str) -> int:
    """KiB of this process: `VmRSS` now, `VmHWM` at the most."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))


def main() -> None:
    told = json.loads(sys.argv[1])
    client = Client(told["url"], told["key"], Settings(**told["settings"]))
    ledger = os.open(told["ledger"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    most_events = most_bytes = 0
    begun, begin = time.monotonic(), resident("VmRSS")
    for number in range(told["count"]):
        token = f"{told['run']}-{number}"
        if client.track(made(token, number, told["limited"])):
            os.write(ledger, token.encode() + b"\n")
        if number % 50 == 0:
            figures = client.figures()
            most_events = max(most_events, figures.waiting)
            most_bytes = max(most_bytes, figures.waiting_bytes)
    done = client.flush(600)
    figures = client.figures()
    client.close()
    said = {
        "done": done,
        "figures": dataclasses.asdict(figures),
        "most_events": most_events,
        "most_bytes": most_bytes,
        "grown_kib": resident("VmHWM") - begin,
        "seconds": round(time.monotonic() - begun, 1),
    }
    print(json.dumps(said))


def accepted(ledger: Path) -> list[str]:
    """The tokens of what `track` had accepted."""
    return ledger.read_text().split() if ledger.exists() else []


if __name__ == "__main__":
    main()
