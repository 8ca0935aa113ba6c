"""`headwater keys`: who may ask for what. `create` also works without a server, on the data directory."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from headwater.cli.api import (
    DATA_DIR,
    DEFAULT_URL,
    Api,
    ApiError,
    ApiKey,
    Ca,
    DataDir,
    Url,
    connect,
    connected,
    credentials,
)
from headwater.cli.api import told as api_told
from headwater.cli.output import Json, print_record, print_rows
from headwater.config import Settings

app = typer.Typer(no_args_is_help=True, help="API keys.")

_COLUMNS = ("id", "name", "prefix", "scopes", "created_at", "expires_at", "revoked_at")

Scope = StrEnum("Scope", ["ingest", "read", "admin", "operator"])


@app.command("list")
@connected
def list_(api: Api, as_json: Json = False) -> None:
    """List this workspace's keys, without their secrets."""
    print_rows(api.items("/v1/keys", 1_000_000), _COLUMNS, as_json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="For people.")] = "",
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it may do; may be given several times. Absent: ingest and read; offline: all."),
    ] = None,
    workspace: Annotated[str, typer.Option(help="Offline: which workspace's key.")] = "default",
    offline: Annotated[
        bool, typer.Option("--offline", help="Write the data directory instead of asking the server.")
    ] = False,
    as_json: Json = False,
    url: Url = None,
    key: ApiKey = None,
    ca: Ca = None,
    data_dir: DataDir = DATA_DIR,
    database_url: Annotated[
        str | None,
        typer.Option(envvar="HEADWATER_DATABASE_URL", help="Offline, past one machine: the database of the gateways."),
    ] = None,
) -> None:
    """Create a key, and print it this once.

    Where no key is at hand, or no server answers, it is made in the data directory itself, or past one machine in the
    database. Servers that run take it at once. credentials.json is written anew if it is gone.
    """
    scopes = [each.value for each in scope] if scope else None
    settings = Settings(data_dir=data_dir.absolute(), database_url=database_url or None)
    with api_told():
        made = None if offline else _online(name, scopes, url, key, ca, settings)
        print_record(made or _offline(name, scopes, workspace, url, settings), as_json)


@app.command()
@connected
def revoke(api: Api, id: Annotated[str, typer.Argument(help="As in `headwater keys list`.")]) -> None:
    """Revoke a key: the next request with it is refused."""
    api.call("DELETE", f"/v1/keys/{id}")


@app.command()
@connected
def rotate(
    api: Api,
    id: Annotated[str, typer.Argument(help="As in `headwater keys list`.")],
    grace_seconds: Annotated[int, typer.Option(min=0, help="How long the old key still works.")] = 86_400,
    as_json: Json = False,
) -> None:
    """Replace a key by a new one of the same name and scopes, and print that this once."""
    print_record(api.call("POST", f"/v1/keys/{id}/rotate", {"grace_seconds": grace_seconds}), as_json)


def _online(
    name: str, scopes: list[str] | None, url: str | None, key: str | None, ca: Path | None, settings: Settings
) -> dict[str, Any] | None:
    """By the server; None when its catalog is at hand, and there is no key to ask with, or no server that answers."""
    has_catalog = settings.is_cluster or settings.catalog_path.exists()
    if has_catalog and not key and not credentials(settings.data_dir).get("api_key"):
        return None
    body = {"name": name} | ({"scopes": scopes} if scopes else {})
    try:
        made: dict[str, Any] = connect(url, key, ca, settings.data_dir).call("POST", "/v1/keys", body)
    except ApiError as error:
        if error.status == 0 and has_catalog and url is None:
            return None
        raise
    return made


def _offline(
    name: str, scopes: list[str] | None, workspace: str, url: str | None, settings: Settings
) -> dict[str, Any]:
    from headwater.cli import offline  # late: only here the catalog is needed

    return offline.create_key(settings, name, scopes, workspace, url or DEFAULT_URL)
