"""How the store's tables lie on a ClickHouse server or cluster: the same migrations, with other engines.

- one server: MergeTree, as embedded.
- replicated: each table whole on every server of a cluster of one shard.
- sharded: `events` is a Distributed table over `events_local`; a block's rows all go to one shard, for a month of a
  block must be there as a whole or not at all, or a block in doubt could not be settled (`Store.counts`). Block numbers
  are contiguous, so the shards fill evenly. No key could keep a person's events on one shard: people are joined later.
  So every question goes to all shards, and what they found is put together where it was asked.

The names {shard} and {replica} are macros that each server of a cluster has.
"""

import re
from typing import Any

import msgspec

from headwater.errors import SettingsError
from headwater.store import schema

EVENTS = "events"


class Layout(msgspec.Struct, frozen=True):
    """`cluster`: its name in the servers' own settings; empty: one server."""

    cluster: str = ""
    sharded: bool = False

    def __post_init__(self) -> None:
        if self.cluster and not re.fullmatch(r"[A-Za-z_][\w-]*", self.cluster, re.ASCII):
            raise SettingsError(f"'{self.cluster}' is no name of a cluster")
        if self.sharded and not self.cluster:
            raise SettingsError("shards need a cluster")

    @property
    def events(self) -> str:
        """The table that has parts."""
        return "events_local" if self.sharded else EVENTS

    @property
    def on(self) -> str:
        """Says in a statement that all servers carry it out; ends with a space, or is empty."""
        return f"ON CLUSTER `{self.cluster}` " if self.cluster else ""

    def system(self, table: str) -> str:
        """A table of the system's, of all servers."""
        return f"clusterAllReplicas('{self.cluster}', system.{table})" if self.cluster else f"system.{table}"

    @property
    def settings(self) -> dict[str, Any]:
        """What every statement is run with."""
        if not self.cluster:
            return {}
        settings: dict[str, Any] = {
            "insert_quorum": "auto",  # most replicas of a shard have it, or it is not acknowledged
            "insert_quorum_parallel": 1,  # several engines insert at once
            "distributed_ddl_task_timeout": 120,
            "distributed_ddl_output_mode": "throw",
            "allow_nondeterministic_mutations": 1,  # a deletion asks `doomed`, where its rows do not change
        }
        if self.sharded:
            settings["distributed_foreground_insert"] = 1
            settings["distributed_product_mode"] = "global"  # a question inside a question is about all shards, too
            settings["skip_unavailable_shards"] = 0
        return settings

    def statements(self, text: str) -> list[str]:
        """The statements of a migration, as they are run here."""
        return [self._placed(statement) for statement in schema.statements(text)]

    @property
    def distributed(self) -> str:
        """Makes the table over the shards' own, again when those have got a column: it has no rows itself."""
        engine = f"Distributed('{self.cluster}', currentDatabase(), '{self.events}', block)"
        return f"CREATE OR REPLACE TABLE {EVENTS} {self.on}AS {self.events} ENGINE = {engine}"

    @property
    def lacking(self) -> str:
        """How many columns of the shards' own table that one lacks."""
        of = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table ="
        return f"SELECT count() FROM ({of} '{self.events}') WHERE name NOT IN ({of} '{EVENTS}')"  # noqa: S608

    def _placed(self, statement: str) -> str:
        if not self.cluster:
            return statement
        found = _HEAD.match(statement)
        assert found, statement
        head, table = found[1], self.events if found[2] == EVENTS else found[2]
        rest = statement[found.end() :]
        return f"{head}{table} {self.on}{rest.lstrip(' ')}".replace("ENGINE = MergeTree", self._engine(table))

    def _engine(self, table: str) -> str:
        """`doomed` and `migrations` are whole on every server: deletions ask them beside each part of the events."""
        shard = "{shard}" if table == "events_local" else "all"
        return (
            f"ENGINE = ReplicatedMergeTree('/clickhouse/tables/{{database}}/{table}/{shard}', '{self._replica(shard)}')"
        )

    def _replica(self, shard: str) -> str:
        return "{shard}-{replica}" if self.sharded and shard == "all" else "{replica}"


_HEAD = re.compile(r"\s*((?:CREATE TABLE IF NOT EXISTS|ALTER TABLE) )(\w+)")
