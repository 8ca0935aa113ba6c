"""The `headwater` command."""

import json
import sys

import typer

from headwater import __version__
from headwater.cli import serve

_ROLES = {"serve", "gateway", "engine"}
"""Commands that run for months, and need not hold what the others do."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Takes customer events over HTTP, never loses one it acknowledged, and answers for every single one.",
    context_settings={"auto_envvar_prefix": "HEADWATER", "help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
)


def _register() -> None:
    from headwater.cli import (  # late: see _ROLES
        backfills,
        backup,
        cohorts,
        dashboard,
        demo,
        doctor,
        events,
        explain,
        imports,
        keys,
        migrate,
        profiles,
        rejected,
        signals,
        webhooks,
        workspaces,
    )

    for each in (dashboard, doctor, backup, demo, imports, migrate, explain):
        each.register(app)
    groups = {
        "signals": signals,
        "keys": keys,
        "workspaces": workspaces,
        "events": events,
        "profiles": profiles,
        "cohorts": cohorts,
        "backfills": backfills,
        "rejected": rejected,
        "webhooks": webhooks,
    }
    for name, group in groups.items():
        app.add_typer(group.app, name=name)


serve.register(app)
if not _ROLES.intersection(sys.argv[1:2]):
    _register()


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def openapi() -> None:
    """Print the whole HTTP API as an OpenAPI 3.1 document, for code generators."""
    from headwater.wiring import described  # late: imported at the top it would slow every command

    typer.echo(json.dumps(described.document(), indent=2, sort_keys=True))
