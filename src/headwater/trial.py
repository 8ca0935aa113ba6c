"""Values held against a schema in a process of their own, that can be ended: `python -m headwater.trial`.

The validator is one call that holds Python's lock, and for some schemas and values it takes minutes: numbers are
compared exactly, arrays with every other one, patterns with long texts. No estimate of that is both safe and fair.
"""

import resource
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from headwater.errors import UnavailableError
from headwater.rules import schema as schemas
from headwater.rules.schema import Fault

MAX_MEMORY = 2 << 30
"""Bytes of addresses that such a process may have."""
_DEEPEST = 20_000  # frames, as in the engine: it reads what the engine read


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What became of one value."""

    fits: bool
    fault: Fault | None = None
    """The first, of the first values that do not fit."""


class _Asked(msgspec.Struct, frozen=True):
    schema: dict[str, Any]
    faults: int
    seconds: float


_verdicts = msgspec.json.Decoder(Verdict)


def tried(schema: dict[str, Any], values: Iterable[Any], faults: int, seconds: float) -> Sequence[Verdict]:
    """Verdicts on the values, in order, for as many as are looked at within `seconds`, with the first `faults` faults.

    The schema must be one: `rules.schema.compile`. Raises UnavailableError when the process fails.
    """
    asked = _Asked(schema, faults, seconds)
    text = b"\n".join(map(msgspec.json.encode, (asked, *values)))
    command = [sys.executable, "-m", "headwater.trial"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603  our own
        try:
            said, _ = process.communicate(text, seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            whole, _, _ = said.rpartition(b"\n")
            return _verdicts.decode_lines(whole)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise UnavailableError(f"trying the schema failed: exit code {process.returncode}", retry_after=5)
    return _verdicts.decode_lines(said)


def _verdicts_on(lines: Iterator[bytes]) -> Iterator[Verdict]:
    asked = msgspec.json.decode(next(lines), type=_Asked)
    # Should nobody be left to end this one.
    resource.setrlimit(resource.RLIMIT_CPU, (int(asked.seconds) + 1,) * 2)
    validator, left = schemas.compile(asked.schema), asked.faults
    for line in lines:
        value = msgspec.json.decode(line)
        if validator.ok(value):
            yield Verdict(True)
        else:
            yield Verdict(False, validator.faults(value, 1)[0] if left else None)
            left = max(left - 1, 0)


def main() -> None:
    """Reads what is asked and values, a line each; writes verdicts, each at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY,) * 2)
    sys.setrecursionlimit(_DEEPEST)
    for verdict in _verdicts_on(iter(sys.stdin.buffer)):
        sys.stdout.buffer.write(msgspec.json.encode(verdict) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
