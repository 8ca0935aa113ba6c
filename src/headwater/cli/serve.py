"""`headwater serve`, and its two roles apart: `headwater gateway`, `headwater engine`."""

import asyncio
import functools
import json
import logging
import os
import shlex
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from string import Template
from typing import Annotated, Any

import typer
from msgspec import structs

from headwater import logs
from headwater.ballast import Ballast
from headwater.bounds import room_of
from headwater.catalog.credentials import read_credentials, url_of
from headwater.cli.options import environment_of, takes_settings
from headwater.config import Settings
from headwater.durable import make_directory
from headwater.errors import CorruptionError, SettingsError, StartError
from headwater.locks import WAIT_SECONDS, DirectoryLock
from headwater.supervisor import EXIT_START, EXIT_STAY_DOWN, Role, Supervisor, die_with, listen
from headwater.tracing import tracing
from headwater.wiring.held import check_not_moved

log = logging.getLogger(__name__)

Fd = Annotated[int | None, typer.Option("--fd", hidden=True, help="An inherited listening socket.")]
Parent = Annotated[int | None, typer.Option("--parent", hidden=True, help="The process to end with.")]
Wait = Annotated[
    float,
    typer.Option(min=0, envvar="HEADWATER_START_WAIT", help="Seconds to wait for a dying process's port and lock."),
]
_CHILDREN = {"PYTHONSAFEPATH": "1"}
"""A folder `headwater` where serve was started must not be taken for the package."""

LogLevel = Annotated[logs.Level, typer.Option(envvar="HEADWATER_LOG_LEVEL", help="Log lines go to stderr.")]
LogFormat = Annotated[logs.Format, typer.Option(envvar="HEADWATER_LOG_FORMAT", help="Log lines as text, or as JSON.")]

_SOCKET_PATH = 107
"""Bytes of a Unix socket's path, at most (Linux)."""


@contextmanager
def _exit_codes() -> Iterator[None]:
    """A failed start is one line for people, and an exit code that the supervisor understands."""
    try:
        yield
    except typer.Exit:
        raise
    except StartError as error:
        raise _exit(error, EXIT_START) from None
    except (SettingsError, CorruptionError) as error:
        raise _exit(error, EXIT_STAY_DOWN) from None
    except Exception as error:  # a fault of ours: the supervisor tries again
        log.critical("it ended unexpectedly", exc_info=error)
        raise typer.Exit(1) from None


def _exit(error: Exception, code: int) -> typer.Exit:
    typer.echo(f"headwater: {error}", err=True)
    return typer.Exit(code)


def _check(settings: Settings) -> None:
    path = os.fsencode(settings.engine_socket)
    if len(path) > _SOCKET_PATH:
        raise SettingsError(
            f"the data directory's path is {len(path) - _SOCKET_PATH} bytes too long for the socket in it; "
            f"choose a shorter --data-dir than {settings.data_dir}"
        )
    if settings.public_url and not settings.public_url.startswith(("http://", "https://")):
        raise SettingsError(f"--public-url must begin with https:// or http://, not {settings.public_url}")
    if settings.max_bodies < settings.max_body:
        raise SettingsError(f"--max-bodies must be at least --max-body, {settings.max_body} bytes")
    _check_door(settings)


def _check_door(settings: Settings) -> None:
    """Here already, so that `serve` ends at once and says why, before it starts anything."""
    from headwater.rules import address
    from headwater.web import cors, forwarded, tls  # late: imported at the top they would slow every command
    from headwater.wiring import destined

    destined.made(settings)
    cors.check_origins(settings.cors_origins)
    forwarded.Clients(settings.trusted_proxies)
    address.networks(settings.webhooks_allow)
    if settings.tls_cert and settings.tls_key:
        tls.load(settings.tls_cert, settings.tls_key)
    elif settings.tls_cert or settings.tls_key:
        raise SettingsError("TLS needs both --tls-cert and --tls-key")


def _make(data_dir: Path) -> None:
    try:
        make_directory(data_dir)
    except OSError as error:
        raise StartError(f"cannot make the data directory {data_dir}: {error.strerror}") from error


def _check_whole(settings: Settings) -> None:
    if settings.unfinished_path.exists():
        raise SettingsError(f"a restore to {settings.data_dir} was cut short: run headwater restore again")
    check_not_moved(settings)


def register(app: typer.Typer) -> None:
    """Adds the commands of this file to `app`."""
    for command in (serve, gateway, engine):
        app.command()(takes_settings(_prepared(command)))


def _prepared(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def prepared(settings: Settings, **values: Any) -> None:
        with _exit_codes():
            _check(settings)
            _make(settings.data_dir)
            _check_whole(settings)
            command(settings, **values)

    return prepared


def serve(
    settings: Settings,
    log_level: LogLevel = "info",
    log_format: LogFormat = "text",
    start_wait: Wait = WAIT_SECONDS,
) -> None:
    """Run headwater: the gateway and the engine, on one port."""
    logs.configure(log_level, log_format)
    first = not settings.credentials_path.exists()
    with (
        DirectoryLock(settings.data_dir / "serve.lock", start_wait),
        listen(settings.host, settings.port, start_wait) as listener,
    ):
        Ballast(settings.ballast_path, room_of(settings).ballast).drop_if_needed()
        settings = structs.replace(settings, port=listener.getsockname()[1])
        environment = os.environ | environment_of(settings) | _CHILDREN | _logging(log_level, log_format)
        supervisor = Supervisor(_roles(settings, listener), listener, environment, tls=bool(settings.tls_cert))
        with _announced(settings):
            code = asyncio.run(supervisor.run(lambda: _greet(settings, first)))
    raise typer.Exit(code)


def _logging(level: logs.Level, format: logs.Format) -> dict[str, str]:
    return {"HEADWATER_LOG_LEVEL": level, "HEADWATER_LOG_FORMAT": format}


def _roles(settings: Settings, listener: socket.socket) -> list[Role]:
    """In the order in which they are stopped. Both names stand in their command lines."""
    command = [sys.executable, "-m", "headwater"]
    common = ["--data-dir", str(settings.data_dir), "--parent", str(os.getpid())]
    fd = listener.fileno()
    return [
        Role("gateway", [*command, "gateway", *common, "--fd", str(fd)], fds=[fd], vital=True),
        Role("engine", [*command, "engine", *common]),
    ]


@contextmanager
def _announced(settings: Settings) -> Iterator[None]:
    """`serve.json` tells tools which process serves this directory, and where, as long as it does."""
    path = settings.data_dir / "serve.json"
    fresh = path.with_suffix(".new")
    try:
        fresh.write_text(json.dumps({"pid": os.getpid(), "url": url_of(settings), "port": settings.port}) + "\n")
        fresh.replace(path)
    except OSError as error:  # a full disk must not keep a server from coming back
        log.warning("cannot write %s: %s", path, error.strerror)
    yield
    with suppress(FileNotFoundError):
        path.unlink()


_FIRST_START = Template("""
headwater serves on $url

  its first key is in $credentials
  Send a first event, in the one dialect or the other:

  $curl $url/integrations/bikPlatformFunctions-events/sendEvents \\
    -H 'Authorization: Basic $key' -H 'Content-Type: application/json' \\
    -d '{"events": [{"name": "Name", "email": "test@bik.ai", "phoneNumber": "+19494572000",
         "eventName": "catalogViewed", "eventProperties": {"catalogId": "1234"}}]}'

  $curl $url/v1/signals -H 'Authorization: Bearer $key' -H 'Content-Type: application/json' \\
    -d '{"name": "Visited documentation page", "type": "event"}'
  $curl $url/v1/events/batch \\
    -H 'Authorization: Bearer $key' -H 'Content-Type: application/json' \\
    -d '{"events": [{"signal": "visited-documentation-page", "identity": {"type": "account", "id": "001ABC000000123"},
         "data": {"page": "/docs/quickstart"}, "reference": "evt-001"}]}'

  and see both: $curl $url/v1/events -H 'Authorization: Bearer $key'
$dashboard
""")


def _greet(settings: Settings, first: bool) -> None:
    url, kept = url_of(settings), read_credentials(settings.credentials_path) if first else None
    dashboard = _dashboard(settings, first or sys.stdout.isatty())
    if kept is None:
        typer.echo(f"headwater serves on {url}\n{dashboard}")
    else:
        shown, curl = shlex.quote(str(settings.credentials_path)), _curl(settings)
        typer.echo(
            _FIRST_START.substitute(url=url, key=kept.api_key, credentials=shown, curl=curl, dashboard=dashboard)
        )


def _dashboard(settings: Settings, signs_in: bool) -> str:
    """Where the dashboard is. With a link that signs in, once, only where a person reads it: on a terminal, or at the
    first start, which prints the key as well."""
    from headwater.web.dashboard import GET_IT, is_built  # late: imported at the top it would slow every command

    if not is_built():
        return f"Dashboard: left out of this installation. {GET_IT}"
    link = _link(settings) if signs_in else None
    return f"Dashboard: {link or url_of(settings) + '/ui/'}"


def _link(settings: Settings) -> str | None:
    """A sign-in link as the first key; None when it cannot be had, as when its file is gone or it was revoked."""
    import httpx  # late, as above

    with suppress(OSError, ValueError, KeyError, httpx.HTTPError):
        if kept := read_credentials(settings.credentials_path):
            here = url_of(structs.replace(settings, public_url=None))
            answer = httpx.post(
                f"{here}/v1/session/links",
                headers={"authorization": f"Bearer {kept.api_key}"},
                timeout=5,
                trust_env=False,
                verify=False,  # noqa: S501  it is our own socket; the certificate may be for another name
            )
            return str(answer.raise_for_status().json()["url"])
    return None


def _curl(settings: Settings) -> str:
    """curl as it trusts our certificate; with a URL of its own, that is a public one's business."""
    if settings.tls_cert is None or settings.public_url:
        return "curl"
    return f"curl --cacert {shlex.quote(str(settings.tls_cert))}"


def gateway(
    settings: Settings,
    fd: Fd = None,
    parent: Parent = None,
    log_level: LogLevel = "info",
    log_format: LogFormat = "text",
) -> None:
    """Run the gateway alone: it takes events, and hands questions on to the engine of the same data directory."""
    _begin(parent, log_level, log_format)
    if fd is None:
        fd = listen(settings.host, settings.port).detach()
    from headwater.wiring.gateway import run_gateway  # late: imported at the top it would slow every command

    with tracing("gateway"):
        run_gateway(settings, fd)


def engine(
    settings: Settings, parent: Parent = None, log_level: LogLevel = "info", log_format: LogFormat = "text"
) -> None:
    """Run the engine alone: it stores what the gateway took, and answers questions about it."""
    _begin(parent, log_level, log_format)
    from headwater.wiring.engine import run_engine  # late: imported at the top it would slow every command

    with tracing("engine"):
        run_engine(settings)


def _begin(parent: int | None, log_level: logs.Level, log_format: logs.Format) -> None:
    if parent is not None:
        die_with(parent)
    logs.configure(log_level, log_format)
