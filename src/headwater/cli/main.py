"""The `headwater` command."""

import json

import typer

from headwater import __version__
from headwater.cli import (
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
    serve,
    signals,
    webhooks,
    workspaces,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Takes customer events over HTTP, never loses one it acknowledged, and answers for every single one.",
    context_settings={"auto_envvar_prefix": "HEADWATER", "help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
)
serve.register(app)
dashboard.register(app)
doctor.register(app)
backup.register(app)
demo.register(app)
imports.register(app)
migrate.register(app)
explain.register(app)
app.add_typer(signals.app, name="signals")
app.add_typer(keys.app, name="keys")
app.add_typer(workspaces.app, name="workspaces")
app.add_typer(events.app, name="events")
app.add_typer(profiles.app, name="profiles")
app.add_typer(cohorts.app, name="cohorts")
app.add_typer(backfills.app, name="backfills")
app.add_typer(rejected.app, name="rejected")
app.add_typer(webhooks.app, name="webhooks")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def openapi() -> None:
    """Print the whole HTTP API as an OpenAPI 3.1 document, for code generators."""
    from headwater.wiring import described  # late: imported at the top it would slow every command

    typer.echo(json.dumps(described.document(), indent=2, sort_keys=True))
