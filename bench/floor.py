"""What taking a batch costs at the very least beside its HTTP: reading its JSON into values, and appending its bytes.

In this process, alone, in a loop: warmer and flatter than in any server, so a floor that nobody stands on.
"""

import time
from pathlib import Path
from typing import Any

import msgspec

import bodies
import machine
import peer_structs
from bodies import Kind

TYPES: dict[Kind, type] = {
    bodies.BIK_BATCH: peer_structs.ShopEvents,
    bodies.BIGMIND_BATCH: peer_structs.Signals,
    bodies.BIK_SINGLE: peer_structs.OneShopEvent,
    bodies.BIGMIND_SINGLE: peer_structs.Signal,
}
"""The shapes that have a floor."""


def measured(directory: Path, kind: Kind, path: Path, turn: dict[str, Any], seconds: float) -> dict[str, float]:
    """Microseconds of CPU a request: `parse_us`, and `append_us` by groups of as many requests as shared a commit in
    `turn`, which was headwater's."""
    sent = path.read_bytes().splitlines()
    group = max(turn["requests"] / max(turn["commits"], 1), 1.0)
    mean = sum(map(len, sent)) / len(sent)
    append = machine.bare_disk(directory, round(mean * group), seconds)
    return {
        "parse_us": parse_us(sent, TYPES[kind], seconds),
        "append_us": append["cpu_us"] / group,
        "group": group,
        "body_bytes": mean,
    }


def parse_us(sent: list[bytes], shape: type, seconds: float) -> float:
    """CPU of msgspec's decoding to structs, properties as plain values; microseconds a body, over all of them."""
    decode = msgspec.json.Decoder(shape).decode
    count, began, end = 0, time.process_time(), time.perf_counter() + seconds
    while time.perf_counter() < end:
        for body in sent[:500]:
            decode(body)
        count += len(sent[:500])
    return (time.process_time() - began) / count * 1e6
