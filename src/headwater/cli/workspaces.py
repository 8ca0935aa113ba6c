"""`headwater workspaces`: the tenants of an installation. Needs a key with the scope `operator`."""

from typing import Annotated

import typer

from headwater.cli.api import Api, connected
from headwater.cli.output import Json, print_record, print_rows

app = typer.Typer(no_args_is_help=True, help="The tenants of this installation.")


@app.command("list")
@connected
def list_(api: Api, as_json: Json = False) -> None:
    """List all workspaces."""
    print_rows(api.items("/v1/workspaces", 1_000_000), ("id", "name", "default_region", "created_at"), as_json)


@app.command()
@connected
def create(
    api: Api,
    name: str,
    preset: Annotated[str, typer.Option(help="Signals it starts with: ecommerce or none.")] = "ecommerce",
    as_json: Json = False,
) -> None:
    """Create a workspace, and print its first key this once."""
    body = {"name": name, "preset": None if preset == "none" else preset}
    print_record(api.call("POST", "/v1/workspaces", body), as_json)
