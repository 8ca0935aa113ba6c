"""`headwater backfills`: loads of history that are looked at, and taken back, as one."""

import re
import time
from typing import Annotated, Any

import typer
from rich.console import Console

from headwater.cli.api import Api, ApiError, connected
from headwater.cli.output import Json, print_json, print_record, print_rows

app = typer.Typer(no_args_is_help=True, help="Loads of history that are looked at, and taken back, as one.")

Backfill = Annotated[str, typer.Argument(help="A backfill's id, or its name.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return when all that it changes is changed.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

_ID = re.compile(r"bf_[0-9A-Za-z]{8}")
_COLUMNS = ("id", "name", "status", "held", "events", "rejected", "created_at")
_ON_THE_WAY = ("releasing", "reverting")
_LOOK_SECONDS = 0.5


@app.command("list")
@connected
def list_(
    api: Api,
    limit: Annotated[int, typer.Option(min=1, help="The most to list.")] = 100,
    as_json: Json = False,
) -> None:
    """List this workspace's backfills, the newest first."""
    print_rows(api.items("/v1/backfills", limit), _COLUMNS, as_json)


@app.command()
@connected
def create(
    api: Api,
    name: Annotated[str, typer.Argument(help="For people; it is given once in a workspace.")],
    hold: Annotated[bool, typer.Option("--hold", help="Its events count for nothing until it is released.")] = False,
    as_json: Json = False,
) -> None:
    """Create a backfill; events join it by the header `Headwater-Backfill: ID`."""
    print_record(api.call("POST", "/v1/backfills", {"name": name, "hold": hold}), as_json)


@app.command()
@connected
def show(api: Api, backfill: Backfill, as_json: Json = False) -> None:
    """Show a backfill and how many events it has."""
    print_record(api.call("GET", _path(api, backfill)), as_json)


@app.command()
@connected
def preview(api: Api, backfill: Backfill, as_json: Json = False) -> None:
    """Show what is in a backfill and what it changes: by signal and day, rejects, whom it is about."""
    found = api.call("GET", f"{_path(api, backfill)}/preview")
    if as_json:
        print_json(found)
        return
    changes = found.pop("changes")
    tables = {"days": found.pop("days"), "rejects": found.pop("rejects")}
    tables |= {name: changes.pop(name) for name in ("metrics", "states", "cohorts")}
    print_record(found | {f"profiles {name}": count for name, count in changes["profiles"].items()}, as_json)
    for name, rows in tables.items():
        if rows:
            typer.echo(f"\n{name}:")
            print_rows(rows, tuple(rows[0]), as_json)


@app.command()
@connected
def close(api: Api, backfill: Backfill, as_json: Json = False) -> None:
    """Close a backfill: it takes no more events, and keeps those it has."""
    print_record(api.call("POST", f"{_path(api, backfill)}/close"), as_json)


@app.command()
@connected
def release(api: Api, backfill: Backfill, wait: Wait = False, as_json: Json = False) -> None:
    """Release a backfill that was made with --hold: its events count from now on."""
    _turn(api, _path(api, backfill), "release", wait, as_json)


@app.command()
@connected
def revert(api: Api, backfill: Backfill, yes: Yes = False, wait: Wait = False, as_json: Json = False) -> None:
    """Revert a backfill, for good: metrics, states, profiles and cohorts are as if it had never been."""
    path = _path(api, backfill)
    if not yes:
        known = api.call("GET", path)
        typer.confirm(f"Revert '{known['name']}' with {known['events']} events, for good?", abort=True, err=True)
    _turn(api, path, "revert", wait, as_json)


def _turn(api: Api, path: str, verb: str, wait: bool, as_json: bool) -> None:
    turned = api.call("POST", f"{path}/{verb}")
    if wait:
        with Console(stderr=True).status(f"{turned['status']} {turned['name']}"):
            turned = _settled(api, path)
    print_record(turned, as_json)


def _settled(api: Api, path: str) -> Any:
    """The backfill when nothing is being changed for it any more; an engine that is away is waited for."""
    while True:
        try:
            found = api.call("GET", path)
            if found["status"] not in _ON_THE_WAY:
                return found
        except ApiError as error:
            if error.status != 503:
                raise
        time.sleep(_LOOK_SECONDS)


def _path(api: Api, backfill: str) -> str:
    """Where the backfill of that id or name is."""
    if _ID.fullmatch(backfill):
        return f"/v1/backfills/{backfill}"
    for each in api.items("/v1/backfills", 1_000_000):
        if each["name"] == backfill:
            return f"/v1/backfills/{each['id']}"
    raise ApiError(f"there is no backfill '{backfill}'")
