"""`headwater rejected`: what was acknowledged and rejected, why, and how to have it after all."""

from collections import Counter
from typing import Annotated, Any

import typer
from rich.progress import MofNCompleteColumn, TimeRemainingColumn

from headwater.cli.api import Api, connected
from headwater.cli.events import From, Signal, To
from headwater.cli.output import Json, print_json, print_rows, progress_bar

app = typer.Typer(no_args_is_help=True, help="Rejected events: why, and judging them anew.")

_COLUMNS = ("id", "signal", "occurred_at", "reason", "path", "detail")
_KINDS = ("events", "reason", "signal", "newest", "detail", "sample")
_FAILING = ("events", "reason", "signal", "detail", "sample")
_AT_ONCE = 10_000
"""Rejected events of one call: often enough to see it go on."""

Reason = Annotated[str | None, typer.Option(help="As schema_violation; `headwater rejected summary` lists them.")]
Backfill = Annotated[str | None, typer.Option(help="The backfill they came with, bf_….")]


@app.command("list")
@connected
def list_(
    api: Api,
    reason: Reason = None,
    signal: Signal = None,
    backfill: Backfill = None,
    from_: From = None,
    to: To = None,
    limit: Annotated[int, typer.Option(min=1, help="The most events to list.")] = 100,
    as_json: Json = False,
) -> None:
    """List rejected events, the newest first."""
    rows = api.items("/v1/rejected", limit, reason=reason, signal=signal, backfill=backfill, from_=from_, to=to)
    print_rows(rows, _COLUMNS, as_json)


@app.command()
@connected
def summary(
    api: Api,
    reason: Reason = None,
    signal: Signal = None,
    backfill: Backfill = None,
    from_: From = None,
    to: To = None,
    as_json: Json = False,
) -> None:
    """Count rejected events by reason and signal, and say what to do about each kind."""
    found = api.call("GET", "/v1/rejected/summary", reason=reason, signal=signal, backfill=backfill, from_=from_, to=to)
    if as_json:
        print_json(found)
        return
    print_rows(found["data"], _KINDS, as_json)
    for kind, hint in {kind["reason"]: kind["hint"] for kind in found["data"]}.items():
        typer.echo(f"\n{kind}: {hint}")


@app.command()
@connected
def replay(
    api: Api,
    ids: Annotated[list[str] | None, typer.Argument(help="These events alone.")] = None,
    reason: Reason = None,
    signal: Signal = None,
    backfill: Backfill = None,
    from_: From = None,
    to: To = None,
    lane: Annotated[
        str | None, typer.Option(help="realtime or migration; when absent, the one that takes each event now.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many would pass now.")] = False,
    as_json: Json = False,
) -> None:
    """Judge rejected events anew and take those that pass now; safe to run twice. Without a filter: all of them."""
    given = {"reason": reason, "signal": signal, "backfill": backfill, "from": from_, "to": to, "ids": ids or None}
    order = {"filter": {name: value for name, value in given.items() if value is not None}, "dry_run": dry_run}
    outcome = _replayed(api, order | ({"lane": lane} if lane else {}))
    if as_json:
        print_json(outcome)
        return
    typer.echo(_said(outcome, dry_run))
    if outcome["failing"]:
        typer.echo(f"{'Would not' if dry_run else 'Did not'} pass:")
        print_rows(outcome["failing"], _FAILING, as_json)


def _replayed(api: Api, order: dict[str, Any]) -> dict[str, Any]:
    """The outcome of as many calls as it takes, added up."""
    counts, lanes, failing = Counter[str](), Counter[str](), dict[tuple[str, str], dict[str, Any]]()
    cursor: str | None = None
    with progress_bar(MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task("judging" if order["dry_run"] else "replaying", total=_total(api, order))
        while True:
            asked = order | {"limit": _AT_ONCE} | ({"cursor": cursor} if cursor else {})
            outcome = api.call("POST", "/v1/rejected/replay", asked)
            counts.update({name: outcome[name] for name in ("matched", "would_pass", "replayed", "already")})
            lanes.update(outcome["lanes"])
            for kind in outcome["failing"]:
                known = failing.setdefault((kind["reason"], kind["signal"]), kind | {"events": 0})
                known["events"] += kind["events"]
            progress.update(task, completed=counts["matched"])
            cursor = outcome["next"]
            if cursor is None:
                break
    kinds = sorted(failing.values(), key=lambda kind: (-kind["events"], kind["reason"], kind["signal"]))
    return {**counts, "lanes": dict(lanes), "failing": kinds}


def _total(api: Api, order: dict[str, Any]) -> int:
    """How many events it will be, for the progress bar."""
    asked = order["filter"]
    if "ids" in asked:
        return len(asked["ids"])
    names = ("reason", "signal", "backfill", "from", "to")
    found = api.call("GET", "/v1/rejected/summary", **{name: asked[name] for name in names if name in asked})
    return int(found["events"])


def _said(outcome: dict[str, Any], dry_run: bool) -> str:
    passing, lanes = outcome["would_pass"], outcome["lanes"]
    where = ", ".join(f"{events:,} into the {lane} lane" for lane, events in lanes.items() if events)
    if dry_run:
        return f"Of {outcome['matched']:,} rejected events, {passing:,} would pass now" + (
            f": {where}" if where else ""
        )
    said = f"Of {outcome['matched']:,} rejected events, {outcome['replayed']:,} were replayed"
    said += f": {where}" if where else ""
    return said + (f" ({outcome['already']:,} by somebody else)" if outcome["already"] else "")
