"""`headwater signals`: what may be sent."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from headwater.cli.api import Api, ApiError, connected
from headwater.cli.output import Json, print_record, print_rows

app = typer.Typer(no_args_is_help=True, help="What may be sent: signals and their schemas.")

_COLUMNS = ("slug", "id", "type", "active", "draft", "rate_limit", "enforcement", "latest_version", "name")

Type = StrEnum("Type", ["event", "metric", "state"])
Enforcement = StrEnum("Enforcement", ["quarantine", "reject"])
Aggregation = StrEnum("Aggregation", ["sum", "count", "avg", "min", "max"])
Period = StrEnum("Period", ["hour", "day", "week", "month"])
DedupeBy = StrEnum("DedupeBy", ["reference", "none"])

From = Annotated[str | None, typer.Option("--from", help="Occurred then or later: ISO 8601.")]
To = Annotated[str | None, typer.Option(help="Occurred before then: ISO 8601.")]
Dedupe = Annotated[DedupeBy | None, typer.Option(help="By what an event that comes again is known.")]
Retention = Annotated[str | None, typer.Option(help="Days after which an event is deleted, or none.")]
Limit = Annotated[int, typer.Option(min=1, help="The most to list.")]


@app.command("list")
@connected
def list_(
    api: Api,
    drafts: Annotated[bool, typer.Option("--drafts", help="Only those that wait for approval.")] = False,
    as_json: Json = False,
) -> None:
    """List this workspace's signals."""
    rows = api.items("/v1/signals", 1_000_000, draft="true") if drafts else api.items("/v1/signals", 1_000_000)
    print_rows(rows, _COLUMNS, as_json)


@app.command()
@connected
def create(
    api: Api,
    name: Annotated[str, typer.Argument(help="For people; the slug is made from it.")],
    type_: Annotated[Type, typer.Option("--type", help="What its events are.")] = Type["event"],
    slug: Annotated[str | None, typer.Option(help="What senders call it.")] = None,
    rate_limit: Annotated[
        str | None, typer.Option(help="Events a UTC minute, or none; absent: the type's default.")
    ] = None,
    enforcement: Annotated[Enforcement | None, typer.Option(help="For events that violate its schema.")] = None,
    aggregation: Annotated[Aggregation | None, typer.Option(help="For a metric.")] = None,
    period: Annotated[Period | None, typer.Option(help="For a metric.")] = None,
    value: Annotated[str | None, typer.Option(help="Dotted path in data to the number or the state.")] = None,
    dedupe_by: Dedupe = None,
    retention_days: Retention = None,
    as_json: Json = False,
) -> None:
    """Create a signal."""
    fields = {"slug": slug, "enforcement": enforcement, "aggregation": aggregation, "period": period, "value": value}
    body: dict[str, Any] = {"name": name, "type": type_} | {key: each for key, each in fields.items() if each}
    body |= _kept(rate_limit, dedupe_by, retention_days)
    print_record(api.call("POST", "/v1/signals", body), as_json)


@app.command("set")
@connected
def set_(
    api: Api,
    slug: str,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether its events are taken.")] = None,
    rate_limit: Annotated[str | None, typer.Option(help="Events a UTC minute, or none.")] = None,
    enforcement: Annotated[Enforcement | None, typer.Option(help="For events that violate its schema.")] = None,
    dedupe_by: Dedupe = None,
    retention_days: Retention = None,
    as_json: Json = False,
) -> None:
    """Change a signal; what is not given stays. Events that were taken keep what they were given."""
    asked = {"name": name, "active": active, "enforcement": enforcement}
    body = {field: value for field, value in asked.items() if value is not None}
    body |= _kept(rate_limit, dedupe_by, retention_days)
    print_record(api.call("PATCH", _path(slug), body), as_json)


@app.command()
@connected
def show(api: Api, slug: str, as_json: Json = False) -> None:
    """Show a signal and its newest schema."""
    signal = api.call("GET", _path(slug))
    if signal["latest_version"] is not None:
        signal["schema"] = api.call("GET", f"{_path(slug)}/versions/{signal['latest_version']}")["schema"]
    print_record(signal, as_json)


@app.command()
@connected
def publish(
    api: Api,
    slug: str,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A JSON Schema.")],
    as_json: Json = False,
) -> None:
    """Publish a JSON Schema as a signal's next version."""
    try:
        schema = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ApiError(f"{file} is no JSON: {error}") from None
    print_record(api.call("POST", f"{_path(slug)}/versions", {"schema": schema}), as_json)


@app.command()
@connected
def metrics(
    api: Api,
    slug: str,
    identity: Annotated[str | None, typer.Option(help="Of one profile: type:id; absent: of everybody.")] = None,
    from_: From = None,
    to: To = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """A metric by its periods in UTC, oldest first."""
    rows = api.items(f"{_path(slug)}/metrics", limit, identity=identity, from_=from_, to=to)
    print_rows(rows, ("period_start", "value"), as_json)


@app.command()
@connected
def state(
    api: Api,
    slug: str,
    identity: Annotated[str, typer.Option(help="Whose: type:id.")],
    history: Annotated[bool, typer.Option("--history", help="All values it had, newest first.")] = False,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """A profile's state, and since when."""
    if history:
        rows = api.items(f"{_path(slug)}/state/history", limit, identity=identity)
        print_rows(rows, ("since", "value", "event_id"), as_json)
    else:
        print_record(api.call("GET", f"{_path(slug)}/state", identity=identity), as_json)


@app.command()
@connected
def approve(
    api: Api,
    slug: str,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    type_: Annotated[Type | None, typer.Option("--type", help="What its events are; absent: events.")] = None,
    rate_limit: Annotated[str | None, typer.Option(help="Events a UTC minute, or none; absent: none.")] = None,
    enforcement: Annotated[Enforcement | None, typer.Option(help="For events that violate its schema.")] = None,
    aggregation: Annotated[Aggregation | None, typer.Option(help="For a metric.")] = None,
    period: Annotated[Period | None, typer.Option(help="For a metric.")] = None,
    value: Annotated[str | None, typer.Option(help="Dotted path in data to the number or the state.")] = None,
    replay: Annotated[bool, typer.Option(help="Take the events that waited.")] = True,
    as_json: Json = False,
) -> None:
    """Approve a draft signal, and take the events that waited for it."""
    fields = {"name": name, "type": type_, "enforcement": enforcement, "aggregation": aggregation, "period": period}
    body: dict[str, Any] = {key: each for key, each in (fields | {"value": value}).items() if each}
    body |= {"replay": replay} | _kept(rate_limit, None, None)
    done = api.call("POST", f"{_path(slug)}/approve", body)
    print_record(done, as_json)
    if done["pending"]:
        typer.echo(
            "Events of it are still to be stored, and were not taken. Later:\n"
            f"  headwater rejected replay --reason signal_draft --signal {slug}",
            err=True,
        )


@app.command()
@connected
def archive(api: Api, slug: str) -> None:
    """Archive a signal: its events are refused from now on, and its slug stays taken."""
    api.call("DELETE", _path(slug))


def _path(slug: str) -> str:
    return f"/v1/signals/{quote(slug, safe='')}"


def _kept(rate_limit: str | None, dedupe_by: str | None, retention_days: str | None) -> dict[str, Any]:
    """What was given of the settings that may be none."""
    body: dict[str, Any] = {}
    if rate_limit is not None:
        body["rate_limit"] = _number("--rate-limit", rate_limit)
    if dedupe_by is not None:
        body["dedupe_by"] = None if dedupe_by == "none" else dedupe_by
    if retention_days is not None:
        body["retention_days"] = _number("--retention-days", retention_days)
    return body


def _number(option: str, text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdecimal():
        raise ApiError(f"{option} must be a whole number, or none")
    return int(text)
