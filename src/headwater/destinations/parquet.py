"""Parquet files by the hour, each event in one of them once.

    DIR/workspace=ws_2Yx0aBcD/date=2026-11-23/hour=04/realtime-20261123T040000Z-000000000017-000000000042.parquet

A file's name is its delivery's, so whatever is written again replaces itself; `writing` tells how.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.destinations.base import Context, Delivery, Event, Identity
from headwater.destinations.sweep import swept
from headwater.destinations.writing import Writing
from headwater.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa  # takes a while to import: only who writes does


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str
    """The folder; relative to the file that says so."""
    window_seconds: int = 3600
    """How much time a file holds; a divisor of 3600."""


class Parquet:
    """`base.Destination` and `base.ErasingInPieces`."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        try:
            found = msgspec.convert(settings, _Settings)
        except msgspec.ValidationError as error:
            raise SettingsError(f"settings of kind 'parquet': {error}") from None
        self.window_seconds: int | None = found.window_seconds
        self._dir = context.base_dir / found.path

    def deliver(self, delivery: Delivery) -> None:
        assert delivery.window is not None
        writing: dict[str, Writing] = {}
        with ExitStack() as stack:
            for piece in delivery.events():
                for workspace, events in _by_workspace(piece).items():
                    if workspace not in writing:
                        path = self._folder(workspace, delivery.window) / f"{delivery.key}.parquet"
                        writing[workspace] = stack.enter_context(Writing(path))
                    writing[workspace].add(table_of(events))
            for each in writing.values():
                each.done()

    def erase_piece(
        self, workspace: str, identities: Collection[Identity], until: datetime, reached: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Raises DeliveryError when there are files that cannot be looked through."""
        gone = {(each.type, each.id) for each in identities}
        return swept(self._dir / f"workspace={workspace}", gone, until, reached)

    def close(self) -> None:
        pass

    def _folder(self, workspace: str, begin: datetime) -> Path:
        return self._dir / f"workspace={workspace}" / f"date={begin:%Y-%m-%d}" / f"hour={begin:%H}"


def table_of(events: Sequence[Event]) -> "pa.Table":
    """The columns of a file; the workspace is in its path."""
    import pyarrow as pa  # late, as above

    moment, text = pa.timestamp("ms", "UTC"), pa.string()
    identity = pa.struct([pa.field("type", text, nullable=False), pa.field("id", text, nullable=False)])
    columns: dict[str, Any] = {
        "id": text,
        "signal": text,
        "signal_id": text,
        "schema_version": pa.int64(),
        "dialect": text,
        "identities": pa.list_(identity),
        "name": text,
        "occurred_at": moment,
        "received_at": moment,
        "lane": text,
        "status": text,
        "reason": text,
        "detail": text,
        "data": text,
        "reference": text,
        "backfill_id": text,
        "replayed_at": moment,
    }
    values = {name: [getattr(event, name) for event in events] for name in columns if name != "identities"}
    for name in ("reason", "detail", "backfill_id"):
        values[name] = [value or None for value in values[name]]
    made = {name: pa.array(values[name], columns[name]) for name in values}
    made["identities"] = _listed([event.identities for event in events], columns["identities"])
    return pa.table([made[name] for name in columns], names=[*columns])


def _listed(identities: Sequence[Sequence[Identity]], type_: Any) -> "pa.Array":
    """Made of flat columns: a dict for each would take longer than all the rest."""
    import pyarrow as pa  # late, as above

    flat = [each for several in identities for each in several]
    parts = [pa.array([each.type for each in flat], pa.string()), pa.array([each.id for each in flat], pa.string())]
    offsets = [0, *accumulate(len(several) for several in identities)]
    structs = pa.StructArray.from_arrays(parts, fields=[*type_.value_type])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs, type=type_)


def _by_workspace(events: Sequence[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.workspace, []).append(event)
    return found
