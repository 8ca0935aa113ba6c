"""What the benches that race servers can be told alike."""

import argparse
from pathlib import Path


def gateway_alone(doc: str | None, seconds: float) -> argparse.ArgumentParser:
    """Of benches that put a gateway without an engine under load, in a process of its own."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--seconds", type=float, default=seconds)
    add("--connections", type=int, default=32)
    add("--events", type=int, default=100_000, help="different ones of each form")
    add("--dir", type=Path, help="where the gateways keep their data")
    add("--child", type=Path, help=argparse.SUPPRESS)
    return parser


def racing(doc: str | None, page: Path, last: Path, turns: int) -> argparse.ArgumentParser:
    """`page`: whose tables it renews; `last`: where its figures go unless told otherwise; `turns`: unless told."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--quick", action="store_true", help="whether it runs, not how fast")
    add("--turns", type=int, default=turns)
    add("--seconds", type=float, default=4, help="of each racer in each turn; wrk takes whole ones")
    add("--connections", type=int, default=32, help="of wrk; shared by gateways")
    add("--events", type=int, default=100_000, help="different ones of each form")
    add("--rest", type=float, default=5, help="seconds of watching idle servers")
    add("--seed", type=int, default=7)
    add("--dir", type=Path, help="where the servers keep their data: the disk that is measured")
    add("--json", type=Path, default=last, help="where to write everything measured")
    add("--from", dest="source", type=Path, help="tell what this file holds instead of measuring")
    add("--write-docs", action="store_true", help=f"renew the tables and plots of {page.name}")
    return parser
