"""`headwater profiles`: who belongs together, what is known of them, how to undo a merge and to erase somebody."""

import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console

from headwater.cli.api import Api, ApiError, connected
from headwater.cli.output import Json, print_json, print_record, print_rows

app = typer.Typer(no_args_is_help=True, help="Who belongs together, and what is known of them.")

Whose = Annotated[str, typer.Argument(help="The profile's id, or any identity of it, type:id.")]
Key = Annotated[str, typer.Argument(help="Any identity of the profile, type:id, as in email:ada@example.com")]


_ERASURE = ("id", "status", "step", "identities", "events", "requested_at", "done_at")
_LOOK_SECONDS = 1.0


@app.command()
@connected
def show(api: Api, identity: Key, as_json: Json = False) -> None:
    """Show a profile: its identities, attributes, states, metrics and cohorts."""
    found = api.call("GET", _path(identity))
    if as_json:
        print_json(found)
    else:
        print_record(dict(_brief(found)), as_json)


@app.command()
@connected
def connections(api: Api, identity: Key, as_json: Json = False) -> None:
    """Show what is connected to a profile, what is not and why, and how many events are set aside."""
    found = api.call("GET", f"{_path(identity)}/connections")
    if as_json:
        print_json(found)
    else:
        print_record(dict(_brief(found)), as_json)


@app.command()
@connected
def unmerge(
    api: Api,
    profile: Whose,
    cut: Annotated[str, typer.Argument(help="The identity to cut out of it, type:id.")],
    as_json: Json = False,
) -> None:
    """Cut an identity out of a profile, and show what that came apart into."""
    found = api.call("POST", f"{_path(profile)}/unmerge", {"identity": cut})
    if as_json:
        print_json(found)
        return
    for pair in found["severed"]:
        typer.echo(f"severed {' and '.join(map(_key, pair))}")
    for each in found["profiles"]:
        typer.echo()
        print_record(dict(_brief(each)), as_json)


@app.command()
@connected
def erase(
    api: Api,
    identity: Key,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when nothing of them is left; that takes minutes.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Erase a person, for good: all that was received until now and names any of their identities."""
    if not yes:
        typer.confirm(f"Erase {identity} and all that is connected with it, for good?", abort=True, err=True)
    erasure = api.call("DELETE", _path(identity))
    if wait:
        with Console(stderr=True).status(f"{erasure['id']}: erasing") as told:
            while erasure["status"] != "done":
                time.sleep(_LOOK_SECONDS)
                erasure = _looked(api, erasure)
                told.update(f"{erasure['id']}: {erasure['step']}, {erasure['events']} events deleted")
    print_record(erasure, as_json)


@app.command()
@connected
def erasures(
    api: Api,
    limit: Annotated[int, typer.Option(min=1, help="The most to list.")] = 100,
    as_json: Json = False,
) -> None:
    """List the erasures of this workspace, the newest first. They do not tell of whom."""
    print_rows(api.items("/v1/erasures", limit), _ERASURE, as_json)


def _looked(api: Api, erasure: Mapping[str, Any]) -> Any:
    """How far it is by now; an engine that is away is waited for."""
    try:
        return api.call("GET", f"/v1/erasures/{erasure['id']}")
    except ApiError as error:
        if error.status != 503:
            raise
        return erasure


def _path(identity: str) -> str:
    return f"/v1/profiles/{quote(identity, safe='')}"


def _brief(profile: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A profile's fields, those that hold others each in one line."""
    for name, value in profile.items():
        match name:
            case "identities":
                yield name, [_key(each) for each in value]
            case "states":
                yield name, [f"{slug} = {state['value']}, since {state['since']}" for slug, state in value.items()]
            case "metrics":
                yield name, [_metric(slug, metric) for slug, metric in value.items()]
            case "cohorts":
                yield name, [cohort["name"] for cohort in value]
            case "not_connected":
                yield name, [f"{' and '.join(map(_key, each['identities']))}: {each['reason']}" for each in value]
            case _:
                yield name, value


def _metric(slug: str, metric: Mapping[str, Any]) -> str:
    value, total = ("-" if number is None else number for number in (metric["value"], metric["total"]))
    return f"{slug} = {value} this {metric['period']}, {total} in total"


def _key(identity: Mapping[str, str]) -> str:
    return f"{identity['type']}:{identity['id']}"
