"""`headwater events`: what came in, and sending more."""

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import MofNCompleteColumn

from headwater.cli.api import Api, ApiError, connected
from headwater.cli.files import source, write
from headwater.cli.output import Json, print_json, print_record, print_rows, progress_bar

app = typer.Typer(no_args_is_help=True, help="What came in, and sending more.")

_COLUMNS = ("id", "signal", "occurred_at", "lane", "status", "reason", "identities")
_BATCH = 100
_PATIENCE = 10
"""How often a batch that was refused for now is sent again."""

_ROUTES = {
    "bik": ("/integrations/bikPlatformFunctions-events/sendEvents", "events"),
    "bigmind": ("/v1/events/batch", "events"),
    "segment": ("/v1/batch", "batch"),
}
"""Where each dialect's batches go, and the field that holds their events."""

Identity = Annotated[str | None, typer.Option(help="type:id, as in email:ada@example.com")]
Signal = Annotated[str | None, typer.Option(help="A signal's slug.")]
Status = Annotated[str | None, typer.Option(help="pending, processed, rejected or reverted.")]
Lane = Annotated[str | None, typer.Option(help="realtime or migration.")]
Reference = Annotated[str | None, typer.Option(help="What the sender calls the event.")]
Backfill = Annotated[str | None, typer.Option(help="The backfill it came with, bf_….")]
From = Annotated[str | None, typer.Option("--from", help="Occurred then or later; ISO 8601.")]
To = Annotated[str | None, typer.Option("--to", help="Occurred before; ISO 8601.")]


@app.command("list")
@connected
def list_(
    api: Api,
    identity: Identity = None,
    signal: Signal = None,
    status: Status = None,
    lane: Lane = None,
    reference: Reference = None,
    backfill: Backfill = None,
    from_: From = None,
    to: To = None,
    limit: Annotated[int, typer.Option(min=1, help="The most events to list.")] = 100,
    as_json: Json = False,
) -> None:
    """List events, the newest first."""
    filters = {"identity": identity, "signal": signal, "status": status, "lane": lane, "from_": from_, "to": to}
    filters |= {"reference": reference, "backfill": backfill}
    rows = api.items("/v1/events", limit, **filters)
    print_rows((row if as_json else _brief(row) for row in rows), _COLUMNS, as_json)


@app.command()
@connected
def show(api: Api, id: str, as_json: Json = False) -> None:
    """Show one event and what became of it."""
    print_record(api.call("GET", f"/v1/events/{id}"), as_json)


@app.command()
@connected
def trace(
    api: Api,
    id: Annotated[str | None, typer.Argument(help="The event's id.")] = None,
    reference: Reference = None,
    as_json: Json = False,
) -> None:
    """Show the way of one event, by its id or by what its sender calls it."""
    if (id is None) == (reference is None):
        raise ApiError("give an event's id, or --reference")
    if reference is None:
        found = [api.call("GET", f"/v1/events/{id}/trace")]
    else:
        found = api.call("GET", "/v1/events/trace", reference=reference)["data"]
    if as_json:
        print_json(found if reference is not None else found[0])
    elif not found:
        raise ApiError(f"no event was sent under the reference '{reference}'")
    else:
        for each in found:
            _print_trace(each)


@app.command()
@connected
def export(
    api: Api,
    output: Annotated[Path | None, typer.Option(dir_okay=False, help="A file; standard output when absent.")] = None,
    identity: Identity = None,
    signal: Signal = None,
    status: Status = None,
    lane: Lane = None,
    reference: Reference = None,
    backfill: Backfill = None,
    from_: From = None,
    to: To = None,
) -> None:
    """Write events as NDJSON, one a line."""
    filters = {"identity": identity, "signal": signal, "status": status, "lane": lane, "from_": from_, "to": to}
    filters |= {"reference": reference, "backfill": backfill}
    write(api.stream("/v1/events/export", **filters), output)


@app.command()
@connected
def send(
    api: Api,
    file: Annotated[Path, typer.Argument(help="JSON or NDJSON; - for standard input.")],
    as_json: Json = False,
) -> None:
    """Send a file of events, of either dialect, in batches of 100."""
    sent = limited = 0
    events = iter(read_events(file))
    with progress_bar(MofNCompleteColumn()) as progress:
        task = progress.add_task("sending", total=None)
        while batch := list(islice(events, _BATCH)):
            try:
                answer = send_batch(api, batch)
            except ApiError as error:
                raise ApiError(
                    f"{error} (events {sent + limited} to {sent + limited + len(batch) - 1} of the file; "
                    f"those before them were sent)",
                    error.status,
                ) from None
            over = len(answer.get("rate_limited", []))
            sent, limited = sent + len(batch) - over, limited + over
            progress.update(task, completed=sent)
    if as_json:
        print_json({"sent": sent, "rate_limited": limited})
    else:
        typer.echo(f"{sent} events sent" + (f", {limited} over their signal's rate limit" if limited else ""))
    if limited:
        raise typer.Exit(1)


def read_events(file: Path) -> Iterator[dict[str, Any]]:
    """The events of `{"events": […]}` or `{"batch": […]}`, of an array, of one object, or of one object a line."""
    try:
        with source(file) as lines:
            first = lines.readline()
            try:
                head = json.loads(first)
            except ValueError:
                head = None
            if isinstance(head, dict) and not head.keys() & {"events", "batch"}:
                yield head
                yield from (json.loads(line) for line in lines if line.strip())
                return
            whole = json.loads(first + lines.read())
    except (OSError, ValueError, RecursionError) as error:
        raise ApiError(f"cannot read events from {file}: {error}") from None
    events = whole.get("events", whole.get("batch", [whole])) if isinstance(whole, dict) else whole
    if not isinstance(events, list):
        raise ApiError(f"{file} holds no events")
    yield from events


def send_batch(api: Api, batch: list[dict[str, Any]]) -> dict[str, Any]:
    """Sends a batch of one dialect, up to 100 events; again and again when it is refused for now."""
    path, field = _ROUTES[_dialect(batch)]
    for patience in range(_PATIENCE, -1, -1):
        try:
            answer: dict[str, Any] = api.call("POST", path, {field: batch})
        except ApiError as error:
            if error.retry_after is None or not patience:
                raise
            time.sleep(error.retry_after)
        else:
            return answer
    raise AssertionError


def _dialect(batch: list[dict[str, Any]]) -> str:
    """By a field that only events of that dialect have."""
    fields = {field for event in batch if isinstance(event, dict) for field in event}
    if "eventName" in fields:
        return "bik"
    return "segment" if "type" in fields and "signal" not in fields else "bigmind"


def _print_trace(trace: dict[str, Any]) -> None:
    event = trace["event"]
    typer.echo(f"{event['id']}  {event['signal']}  {event['status']}")
    for step in trace["steps"]:
        typer.echo(f"  {step['at'] or '-':24}  {step['text']}")
        if hint := step["facts"].get("hint"):
            typer.echo(f"  {'':24}  {hint}")


def _brief(event: dict[str, Any]) -> dict[str, Any]:
    return event | {"identities": [f"{each['type']}:{each['id']}" for each in event["identities"]]}
