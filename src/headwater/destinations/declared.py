"""The operator's file of destinations (TOML), and the destinations that it asks for."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from headwater.destinations.base import Context, Destination, Factory
from headwater.errors import SettingsError

GROUP = "headwater.destinations"
"""Entry points of plug-ins."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_WORKSPACE = re.compile(r"ws_[0-9A-Za-z]{8}")


class Declared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table `[[destination]]`."""

    name: str
    """How far it is, is kept under it: one that is renamed begins anew."""
    kind: str
    """`parquet`, or an entry point's name."""
    workspace: str = ""
    """Its id; empty: all of them."""
    begin: Literal["start", "now"] = "start"
    """At first: with all that is stored, or with what comes from now on."""
    settings: dict[str, Any] = {}
    """The kind's own."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    destination: list[Declared] = []


class Made(NamedTuple):
    declared: Declared
    destination: Destination


def read(path: Path) -> Sequence[Declared]:
    """Raises SettingsError, which names the file and what is wrong in it."""
    try:
        found = msgspec.convert(tomllib.loads(path.read_text()), _File).destination
    except OSError as error:
        raise SettingsError(f"--destinations: {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"--destinations: {path} is no TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise SettingsError(f"--destinations: {path}: {error}") from None
    names = [each.name for each in found]
    for each in found:
        if not _NAME.fullmatch(each.name):
            raise SettingsError(f"--destinations: {path}: '{each.name}' is no name: use a to z, 0 to 9, - and _")
        if names.count(each.name) > 1:
            raise SettingsError(f"--destinations: {path}: there are two of the name '{each.name}'")
        if each.workspace and not _WORKSPACE.fullmatch(each.workspace):
            raise SettingsError(f"--destinations: {path}: '{each.workspace}' is no workspace's id (ws_…)")
    return found


def made(path: Path | None, own: Mapping[str, Factory]) -> list[Made]:
    """The destinations of the file; none without one. `own`: the kinds that come with headwater.

    Raises SettingsError.
    """
    if path is None:
        return []
    return [Made(each, _made(each, path, own)) for each in read(path)]


def _made(declared: Declared, path: Path, own: Mapping[str, Factory]) -> Destination:
    where = f"--destinations: {path}: '{declared.name}'"
    factory = own.get(declared.kind) or _plugin(declared.kind, where, own)
    context = Context(declared.name, declared.workspace, path.parent)
    try:
        destination = factory(declared.settings, context)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None
    except Exception as error:
        raise SettingsError(f"{where}: its kind '{declared.kind}' failed: {type(error).__name__}: {error}") from error
    window = destination.window_seconds
    if window is not None and (window < 1 or 3600 % window):
        raise SettingsError(f"{where}: its windows must divide an hour: 3600 seconds, 900, 60; not {window}")
    return destination


def _plugin(kind: str, where: str, own: Mapping[str, Factory]) -> Factory:
    there = {each.name: each for each in entry_points(group=GROUP)}
    if kind not in there:
        known = ", ".join(sorted({*own, *there}))
        raise SettingsError(f"{where}: there is no kind '{kind}'; there are {known} (is its package installed?)")
    try:
        factory: Factory = there[kind].load()
    except Exception as error:
        raise SettingsError(f"{where}: the plug-in '{there[kind].value}' cannot be loaded: {error}") from error
    return factory
