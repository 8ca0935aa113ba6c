"""`headwater dashboard`: the way in for a browser, without typing a key."""

import webbrowser
from typing import Annotated

import typer

from headwater.cli.api import Api, ApiError, connected
from headwater.cli.output import Json, print_json

Open = Annotated[bool, typer.Option("--open", help="Open it in a browser of this machine.")]


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    app.command()(dashboard)


@connected
def dashboard(api: Api, open_: Open = False, as_json: Json = False) -> None:
    """Print a link that signs a browser in to the dashboard: once, within 15 minutes, as the key that is used here."""
    _check_built(api)
    made = api.call("POST", "/v1/session/links")
    url = f"{api.url}/ui/sign-in#{made['url'].partition('#')[2]}"  # by the way that was found to lead there
    if as_json:
        print_json({**made, "url": url})
    else:
        typer.echo(url)
    if open_ and not webbrowser.open(url):
        raise ApiError("there is no browser to open it with")


def _check_built(api: Api) -> None:
    from headwater.web.dashboard import GET_IT  # late: imported at the top it would slow every command

    try:
        api.call("HEAD", "/ui/")
    except ApiError as error:
        if error.status != 404:
            raise
        raise ApiError(f"the dashboard was left out where {api.url} was installed. {GET_IT}") from None
