"""`headwater webhooks`: what is told to other systems, and whether it got there."""

from typing import Annotated, Any

import typer

from headwater.cli.api import Api, connected
from headwater.cli.output import Json, print_json, print_record, print_rows

app = typer.Typer(no_args_is_help=True, help="What is told to other systems, and whether it got there.")

Webhook = Annotated[str, typer.Argument(help="A webhook's id, wh_….")]
Message = Annotated[str, typer.Argument(help="A delivery's id, msg_….")]
Events = Annotated[
    list[str],
    typer.Option(
        "--event",
        help="cohort.entered, cohort.left, events.rejected or backfill.finished. Repeatable.",
        metavar="EVENT",
    ),
]
Cohorts = Annotated[list[str] | None, typer.Option("--cohort", help="Only of this cohort: coh_…. Repeatable.")]
Description = Annotated[str | None, typer.Option(help="For people.")]

_COLUMNS = ("id", "url", "events", "status", "paused", "pending", "failing_since", "description")
_DELIVERIES = ("id", "type", "status", "attempts", "created_at", "next_attempt_at", "done_at")


@app.command("list")
@connected
def list_(api: Api, as_json: Json = False) -> None:
    """List this workspace's webhooks."""
    print_rows(api.items("/v1/webhooks", 1_000_000), _COLUMNS, as_json)


@app.command()
@connected
def create(
    api: Api,
    endpoint: Annotated[str, typer.Argument(metavar="URL", help="Where to: https://….")],
    events: Events,
    cohorts: Cohorts = None,
    description: Description = None,
    as_json: Json = False,
) -> None:
    """Create a webhook. Its secret is shown this once."""
    body = {"url": endpoint, "events": events, "cohorts": cohorts or [], "description": description or ""}
    print_record(api.call("POST", "/v1/webhooks", body), as_json)


@app.command()
@connected
def show(api: Api, webhook: Webhook, as_json: Json = False) -> None:
    """Show a webhook, and whether it works."""
    print_record(api.call("GET", f"/v1/webhooks/{webhook}"), as_json)


@app.command()
@connected
def update(
    api: Api,
    webhook: Webhook,
    endpoint: Annotated[str | None, typer.Option(metavar="URL", help="Another place.")] = None,
    events: Annotated[list[str] | None, typer.Option("--event", help="Instead of those before. Repeatable.")] = None,
    cohorts: Cohorts = None,
    all_cohorts: Annotated[bool, typer.Option("--all-cohorts", help="Of every cohort.")] = False,
    description: Description = None,
    as_json: Json = False,
) -> None:
    """Change a webhook; what is not given stays."""
    given = {"url": endpoint, "events": events, "cohorts": [] if all_cohorts else cohorts, "description": description}
    body = {name: value for name, value in given.items() if value is not None}
    print_record(api.call("PATCH", f"/v1/webhooks/{webhook}", body), as_json)


@app.command()
@connected
def pause(api: Api, webhook: Webhook, as_json: Json = False) -> None:
    """Send nothing until it is resumed; nothing is lost."""
    print_record(api.call("PATCH", f"/v1/webhooks/{webhook}", {"paused": True}), as_json)


@app.command()
@connected
def resume(
    api: Api,
    webhook: Webhook,
    skip: Annotated[bool, typer.Option("--skip", help="Leave out what happened meanwhile.")] = False,
    as_json: Json = False,
) -> None:
    """Go on with a paused webhook."""
    print_record(api.call("POST", f"/v1/webhooks/{webhook}/resume", {"skip": skip}), as_json)


@app.command()
@connected
def rotate(
    api: Api,
    webhook: Webhook,
    overlap_hours: Annotated[int, typer.Option(min=0, max=168, help="How long the old secret goes on signing.")] = 24,
    as_json: Json = False,
) -> None:
    """Give a webhook a new secret, shown this once."""
    print_record(api.call("POST", f"/v1/webhooks/{webhook}/rotate", {"overlap_hours": overlap_hours}), as_json)


@app.command()
@connected
def delete(api: Api, webhook: Webhook) -> None:
    """Delete a webhook with its log."""
    api.call("DELETE", f"/v1/webhooks/{webhook}")


@app.command("test")
@connected
def ping(api: Api, webhook: Webhook, as_json: Json = False) -> None:
    """Send a ping; `headwater webhooks delivery` shows what came of it."""
    print_record(api.call("POST", f"/v1/webhooks/{webhook}/test"), as_json)


@app.command()
@connected
def deliveries(
    api: Api,
    webhook: Webhook,
    status: Annotated[str | None, typer.Option(help="pending, delivered, failed or erased.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most to list.")] = 100,
    as_json: Json = False,
) -> None:
    """List what was delivered or is to be, the newest first."""
    print_rows(api.items(f"/v1/webhooks/{webhook}/deliveries", limit, status=status), _DELIVERIES, as_json)


@app.command()
@connected
def delivery(api: Api, webhook: Webhook, message: Message, as_json: Json = False) -> None:
    """Show one delivery: what is sent, and what was answered each time."""
    found: dict[str, Any] = api.call("GET", f"/v1/webhooks/{webhook}/deliveries/{message}")
    if as_json:
        print_json(found)
        return
    log = found.pop("log")
    print_record(found, False)
    print_rows(log, ("at", "ms", "status", "error", "answer"), False)


@app.command()
@connected
def replay(
    api: Api,
    webhook: Webhook,
    message: Annotated[str | None, typer.Argument(help="A delivery's id, msg_….")] = None,
    since: Annotated[str | None, typer.Option(help="All that failed and were made since then; ISO 8601.")] = None,
    as_json: Json = False,
) -> None:
    """Send one delivery again, or all failed ones since a time."""
    if (message is None) == (since is None):
        raise typer.BadParameter("give a delivery's id, or --since")
    if message is not None:
        print_record(api.call("POST", f"/v1/webhooks/{webhook}/deliveries/{message}/replay"), as_json)
        return
    print_record(api.call("POST", f"/v1/webhooks/{webhook}/replay", {"since": since}), as_json)
