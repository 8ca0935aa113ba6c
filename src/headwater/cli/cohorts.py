"""`headwater cohorts`: who belongs, who came and went, and why."""

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from headwater.cli.api import Api, ApiError, connected
from headwater.cli.files import source, write
from headwater.cli.output import Json, print_json, print_record, print_rows

app = typer.Typer(no_args_is_help=True, help="Who belongs, who came and went, and why.")

Format = StrEnum("Format", ["csv", "ndjson"])

Cohort = Annotated[str, typer.Argument(help="A cohort's id, or its name.")]
File = Annotated[
    Path,
    typer.Argument(help='JSON: {"subject", "where"}, or {"name", "definition"} around it; - for standard input.'),
]
Limit = Annotated[int, typer.Option(min=1, help="The most to list.")]

_ID = re.compile(r"coh_[0-9A-Za-z]{8}")
_COLUMNS = ("id", "name", "size", "created_at", "as_of")


@app.command("list")
@connected
def list_(api: Api, as_json: Json = False) -> None:
    """List this workspace's cohorts with their sizes."""
    print_rows(api.items("/v1/cohorts", 1_000_000), _COLUMNS, as_json)


@app.command()
@connected
def create(
    api: Api,
    file: File,
    name: Annotated[str | None, typer.Option(help="For people; the file's when absent.")] = None,
    as_json: Json = False,
) -> None:
    """Create a cohort; it is live when this returns."""
    given, definition = _read(file)
    name = name or given
    if not name:
        raise ApiError(f"{file} has no name for the cohort: give --name")
    print_record(api.call("POST", "/v1/cohorts", {"name": name, "definition": definition}), as_json)


@app.command()
@connected
def preview(api: Api, file: File, as_json: Json = False) -> None:
    """Show how many a definition would take in, and a few of them. Nothing is kept."""
    found = api.call("POST", "/v1/cohorts/preview", {"definition": _read(file)[1]})
    if as_json:
        print_json(found)
        return
    typer.echo(f"{found['size']} as of {found['as_of']}")
    print_rows(map(_brief, found["sample"]), ("profile_id", "identities"), as_json)


@app.command()
@connected
def show(api: Api, cohort: Cohort, as_json: Json = False) -> None:
    """Show a cohort, its size and its definition."""
    print_record(api.call("GET", _path(api, cohort)), as_json)


@app.command()
@connected
def members(api: Api, cohort: Cohort, limit: Limit = 100, as_json: Json = False) -> None:
    """List who is in."""
    rows = api.items(f"{_path(api, cohort)}/members", limit)
    print_rows(rows if as_json else map(_brief, rows), ("profile_id", "since", "identities"), as_json)


@app.command()
@connected
def explain(
    api: Api,
    cohort: Cohort,
    identity: Annotated[str, typer.Argument(help="type:id, as in email:ada@example.com")],
    as_json: Json = False,
) -> None:
    """Show why somebody is in, or is not: every condition and what was found."""
    found = api.call("GET", f"{_path(api, cohort)}/members/{quote(identity, safe='')}")
    if as_json:
        print_json(found)
        return
    typer.echo(_verdict(identity, found))
    print_rows(found["explain"], ("holds", "text", "observed"), as_json)


@app.command()
@connected
def changes(
    api: Api,
    cohort: Cohort,
    identity: Annotated[str | None, typer.Option(help="Of this profile alone: type:id.")] = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """List who entered and left, and because of what, the newest first."""
    rows = api.items(f"{_path(api, cohort)}/changes", limit, identity=identity)
    columns = ("at", "change", "kind", "profile_id", "identities", "event_id")
    print_rows(rows if as_json else map(_brief, rows), columns, as_json)


@app.command()
@connected
def export(
    api: Api,
    cohort: Cohort,
    format_: Annotated[Format, typer.Option("--format", help="For spreadsheets, or for programs.")] = Format["csv"],
    output: Annotated[Path | None, typer.Option(dir_okay=False, help="A file; standard output when absent.")] = None,
) -> None:
    """Write all members, one a line."""
    write(api.stream(f"{_path(api, cohort)}/export", format=format_.value), output)


@app.command()
@connected
def rename(api: Api, cohort: Cohort, name: str, as_json: Json = False) -> None:
    """Give a cohort another name."""
    print_record(api.call("PATCH", _path(api, cohort), {"name": name}), as_json)


@app.command()
@connected
def delete(api: Api, cohort: Cohort) -> None:
    """Delete a cohort and its history; events and profiles stay."""
    api.call("DELETE", _path(api, cohort))


def _read(file: Path) -> tuple[str | None, Any]:
    """The name and the definition that a file holds."""
    try:
        with source(file) as text:
            found = json.loads(text.read())
    except (OSError, ValueError, RecursionError) as error:
        raise ApiError(f"cannot read a definition from {file}: {error}") from None
    if isinstance(found, dict) and "definition" in found:
        return found.get("name"), found["definition"]
    return None, found


def _path(api: Api, cohort: str) -> str:
    """Where the cohort of that id or name is."""
    if _ID.fullmatch(cohort):
        return f"/v1/cohorts/{cohort}"
    for each in api.items("/v1/cohorts", 1_000_000):
        if each["name"] == cohort:
            return f"/v1/cohorts/{each['id']}"
    raise ApiError(f"there is no cohort '{cohort}'")


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"identities": [f"{each['type']}:{each['id']}" for each in row["identities"]]}


def _verdict(identity: str, found: dict[str, Any]) -> str:
    if found["member"]:
        return f"{identity} is in" + (f" since {found['since']}" if found["since"] else "")
    if not found["is_subject"]:
        return f"{identity} is not in: the cohort is of '{found['subject']}'"
    return f"{identity} is not in"
