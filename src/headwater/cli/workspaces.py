"""`headwater workspaces`: the tenants of an installation (needs the scope `operator`), and one's own."""

from enum import StrEnum
from typing import Annotated

import typer

from headwater.cli.api import Api, connected
from headwater.cli.output import Json, print_record, print_rows

UnknownSignals = StrEnum("UnknownSignals", ["refuse", "draft"])

app = typer.Typer(no_args_is_help=True, help="The tenants of this installation, and the settings of one's own.")


@app.command("list")
@connected
def list_(api: Api, as_json: Json = False) -> None:
    """List all workspaces."""
    print_rows(api.items("/v1/workspaces", 1_000_000), ("id", "name", "default_region", "created_at"), as_json)


@app.command()
@connected
def show(api: Api, as_json: Json = False) -> None:
    """Show the workspace of the key that asks, with its settings."""
    print_record(api.call("GET", "/v1/workspace"), as_json)


@app.command("set")
@connected
def set_(
    api: Api,
    never_connect: Annotated[
        list[str] | None,
        typer.Option(help="A value that never connects people: an address, number or type:id. Repeat it; '' for none."),
    ] = None,
    max_identities: Annotated[int | None, typer.Option(help="The most identities of one profile.")] = None,
    default_region: Annotated[str | None, typer.Option(help="Where numbers without a country code are from.")] = None,
    unknown_signals: Annotated[
        UnknownSignals | None, typer.Option(help="What becomes of events whose signal there is not.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Change settings of the workspace of the key that asks; what is not given stays."""
    asked = {
        "never_connect": [value for value in never_connect if value] if never_connect else None,
        "max_identities": max_identities,
        "default_region": default_region,
        "unknown_signals": unknown_signals,
    }
    body = {name: value for name, value in asked.items() if value is not None}
    print_record(api.call("PATCH", "/v1/workspace", body), as_json)


@app.command()
@connected
def create(
    api: Api,
    name: str,
    preset: Annotated[str, typer.Option(help="Signals it starts with: ecommerce, segment or none.")] = "ecommerce",
    as_json: Json = False,
) -> None:
    """Create a workspace, and print its first key this once."""
    body = {"name": name, "preset": None if preset == "none" else preset}
    print_record(api.call("POST", "/v1/workspaces", body), as_json)
