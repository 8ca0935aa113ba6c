"""The settings as options of the commands that run a role; each also as a `HEADWATER_…` variable."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from headwater.clock import MINUTE_MS
from headwater.config import Settings, Windows

_DEFAULT = Settings(data_dir=Path("data"))


def settings_of(
    data_dir: Annotated[
        Path, typer.Option(envvar="HEADWATER_DATA_DIR", help="Where everything is kept.")
    ] = _DEFAULT.data_dir,
    host: Annotated[str, typer.Option(envvar="HEADWATER_HOST", help="Address to listen on.")] = _DEFAULT.host,
    port: Annotated[
        int, typer.Option(min=0, max=65535, envvar="HEADWATER_PORT", help="Port to listen on; 0: any free one.")
    ] = _DEFAULT.port,
    past_window_minutes: Annotated[
        int,
        typer.Option(
            min=0, envvar="HEADWATER_PAST_WINDOW_MINUTES", help="How old a real-time event may be on its receipt."
        ),
    ] = _DEFAULT.windows.past_ms // MINUTE_MS,
    future_window_minutes: Annotated[
        int,
        typer.Option(min=0, envvar="HEADWATER_FUTURE_WINDOW_MINUTES", help="How far ahead an event's date may lie."),
    ] = _DEFAULT.windows.future_ms // MINUTE_MS,
    max_body: Annotated[
        int, typer.Option(min=1, envvar="HEADWATER_MAX_BODY", help="Bytes of a request body, inflated.")
    ] = _DEFAULT.max_body,
    max_event: Annotated[
        int, typer.Option(min=1, envvar="HEADWATER_MAX_EVENT", help="Bytes of one event as JSON.")
    ] = _DEFAULT.max_event,
    segment_bytes: Annotated[
        int, typer.Option(min=4096, envvar="HEADWATER_SEGMENT_BYTES", help="Bytes at which a log segment is closed.")
    ] = _DEFAULT.segment_bytes,
    block_events: Annotated[
        int, typer.Option(min=1, envvar="HEADWATER_BLOCK_EVENTS", help="The most events inserted at once.")
    ] = _DEFAULT.block_events,
) -> Settings:
    """The settings as the command line and the environment give them."""
    return Settings(
        data_dir=data_dir.absolute(),
        host=host,
        port=port,
        windows=Windows(past_ms=past_window_minutes * MINUTE_MS, future_ms=future_window_minutes * MINUTE_MS),
        max_body=max_body,
        max_event=max_event,
        segment_bytes=segment_bytes,
        block_events=block_events,
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """What a child's environment must hold to come to the same settings."""
    return {
        "HEADWATER_DATA_DIR": str(settings.data_dir),
        "HEADWATER_HOST": settings.host,
        "HEADWATER_PORT": str(settings.port),
        "HEADWATER_PAST_WINDOW_MINUTES": str(settings.windows.past_ms // MINUTE_MS),
        "HEADWATER_FUTURE_WINDOW_MINUTES": str(settings.windows.future_ms // MINUTE_MS),
        "HEADWATER_MAX_BODY": str(settings.max_body),
        "HEADWATER_MAX_EVENT": str(settings.max_event),
        "HEADWATER_SEGMENT_BYTES": str(settings.segment_bytes),
        "HEADWATER_BLOCK_EVENTS": str(settings.block_events),
    }


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command, whose first parameter is the settings, all their options beside its own."""
    options = inspect.signature(settings_of).parameters
    own = list(inspect.signature(command).parameters.values())[1:]

    @functools.wraps(command)
    def with_settings(**values: Any) -> None:
        settings = settings_of(**{name: values.pop(name) for name in options})
        command(settings, **values)

    parameters = [*options.values(), *own]
    with_settings.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_settings.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_settings
