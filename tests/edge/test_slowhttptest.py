"""slowhttptest's three attacks: each connection ended within 30 s. `test_slow_clients` does the same without it."""

import subprocess
import time
from pathlib import Path

import pytest

from edge.felt import tell_of
from edge.memory import MEBIBYTE, growth_below
from edge.steady import LANES, PATH, steady
from harness import Server, until
from tools import need

CONNECTIONS = 1000
RATE = 500
MOST_SECONDS = 60
"""It is 30 on a machine that has the time; what it took is printed."""
ATTACKS = {
    "slow header": ["-H", "-i", "3", "-x", "24"],
    "slow body": ["-B", "-i", "3", "-x", "24", "-s", "8192"],
    "slow read": ["-X", "-w", "10", "-y", "20", "-n", "2", "-z", "5", "-k", "5"],
}
_OVER = ("06", "0A")
"""TIME_WAIT and LISTEN, in /proc/net/tcp."""


@pytest.mark.torture
@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_ends(attacked: Server, attack: str) -> None:
    path = "/openapi.json" if attack == "slow read" else PATH
    # With a key, which it cannot be given: without one a body is refused before its first byte.
    kind = f"application/json\r\nAuthorization: Bearer {attacked.key}"
    command = [need("slowhttptest"), *ATTACKS[attack], "-c", str(CONNECTIONS), "-r", str(RATE), "-l", "90", "-f", kind]
    with (
        growth_below(attacked.pids()["gateway"], 200 * MEBIBYTE) as growth,
        steady(attacked.url, attacked.key, rate=100) as good,
        subprocess.Popen([*command, "-u", attacked.url + path], stdout=subprocess.DEVNULL) as attacker,
    ):
        try:
            until(lambda: _connections(attacked) >= CONNECTIONS, 20, "the attack is there")
            began = time.monotonic()
            until(lambda: _connections(attacked) <= LANES + 2, MOST_SECONDS, "the attack is over")
            seconds = time.monotonic() - began
        finally:
            attacker.kill()
    figures = {"connections": CONNECTIONS, "none left after s": seconds, "MiB more": growth.mib}
    tell_of(f"slowhttptest, {attack}", good.outcome, full=True, **figures)


def _connections(server: Server) -> int:
    """How many the kernel holds for the server. slowhttptest does not notice that it was cut off while it reads."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{server.port:04X}") and row[3] not in _OVER for row in rows)
