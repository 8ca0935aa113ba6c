"""What an operator can do without a key: the catalog is written directly, a file, or past one machine its database."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from headwater.catalog.base import ALL_SCOPES, WORKSPACE_SCOPES, Catalog, Credentials, Scope
from headwater.catalog.credentials import load_secret, read_credentials, write_credentials
from headwater.catalog.sqlite import SqliteCatalog
from headwater.catalog.view import is_older
from headwater.cli.api import ApiError
from headwater.config import Settings
from headwater.errors import HeadwaterError
from headwater.wiring.held import check_not_moved, is_held

ACTOR = "command-line"


def create_key(settings: Settings, name: str, scopes: list[str] | None, workspace: str, url: str) -> dict[str, Any]:
    """A key of that workspace; also into credentials.json if there is none. ApiError says why not."""
    try:
        with _catalog(settings) as catalog:
            return _create(catalog, settings, name, scopes, workspace, url)
    except HeadwaterError as error:
        raise ApiError(str(error)) from None


@contextmanager
def _catalog(settings: Settings) -> Iterator[Catalog]:
    catalog: Catalog = _shared(settings) if settings.is_cluster else _own(settings)
    try:
        yield catalog
    finally:
        catalog.close()


def _shared(settings: Settings) -> Catalog:
    from headwater.catalog import postgres  # late: what it needs may not be installed

    if not settings.secret_path.exists():
        raise ApiError(
            f"{settings.secret_path} is missing: copy that of the gateways there, or choose their --data-dir"
        )
    if not postgres.exists(str(settings.database_url)):  # to open it would make one, for whatever secret is here
        raise ApiError("there is no headwater in that database yet; its first gateway makes one")
    return postgres.PostgresCatalog(str(settings.database_url), load_secret(settings), "headwater keys")


def _own(settings: Settings) -> Catalog:
    data_dir = settings.data_dir
    if not settings.catalog_path.exists():
        raise ApiError(f"there is no headwater in {data_dir}; `headwater serve --data-dir {data_dir}` makes one")
    if settings.unfinished_path.exists():
        raise ApiError(f"a restore to {data_dir} was cut short: run headwater restore again")
    check_not_moved(settings)
    _check_not_older(settings)
    return SqliteCatalog(settings.catalog_path, load_secret(settings))


def _check_not_older(settings: Settings) -> None:
    """An older gateway that still runs would go on writing to a newer catalog, without what is new in it."""
    if is_held(settings.data_dir / "gateway.lock") and is_older(settings.catalog_path):
        raise ApiError("the server that runs there is older than this command: restart the server first")


def _create(
    catalog: Catalog, settings: Settings, name: str, scopes: list[str] | None, workspace: str, url: str
) -> dict[str, Any]:
    found = {each.name: each.id for each in catalog.workspaces()}
    if workspace not in found:
        raise ApiError(f"there is no workspace '{workspace}'; there are: {', '.join(found) or 'none'}")
    default = ALL_SCOPES if workspace == "default" else WORKSPACE_SCOPES
    wanted = msgspec.convert(scopes, frozenset[Scope]) if scopes else default
    key, text = catalog.create_key(ACTOR, found[workspace], name or "made offline", wanted)
    if read_credentials(settings.credentials_path) is None:
        write_credentials(settings.credentials_path, Credentials(workspace, text, _served_at(settings) or url))
    return {"id": key.id, "name": key.name, "workspace": workspace, "scopes": sorted(key.scopes), "key": text}


def _served_at(settings: Settings) -> str | None:
    """Where a server of this directory serves now."""
    try:
        url = json.loads((settings.data_dir / "serve.json").read_bytes())["url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(url)
