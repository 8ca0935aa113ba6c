"""The statements that make a store's tables on a cluster: ClickHouse can read them, and a block stays on one shard."""

import chdb
import pytest

from headwater.errors import SettingsError
from headwater.events import Lane
from headwater.store import deletion, queries, schema
from headwater.store.layout import Layout
from headwater.store.rows import COLUMNS

LAYOUTS = [Layout(), Layout("c"), Layout("c-1", sharded=True)]


def statements(layout: Layout) -> list[str]:
    made = [statement for _, _, text in schema.migrations() for statement in layout.statements(text)]
    return made + ([layout.distributed] if layout.sharded else [])


def deletion_statements(layout: Layout) -> list[str]:
    """What a deletion says to a server that finds rows to delete."""
    said: list[str] = []

    def run(statement: str) -> str:
        said.append(statement)
        return "" if "latest_fail_reason" in statement else "1"

    where = deletion.Where(layout.events, layout.on, layout.system("mutations"))
    deletion.goes_on(run, "ers_00000000", {Lane.REALTIME: 1, Lane.MIGRATION: 2}, where)
    deletion.spare(run, "ers_00000000", layout.on)
    return said


@pytest.mark.parametrize("layout", LAYOUTS)
def test_clickhouse_can_read_every_statement(layout: Layout) -> None:
    others = [f"SYSTEM SYNC REPLICA {layout.on}{layout.events} LIGHTWEIGHT"]
    others += [f"KILL QUERY {layout.on}WHERE startsWith(initial_query_id, 'a') SYNC"]
    others += [f"CREATE DATABASE IF NOT EXISTS `a` {layout.on}", layout.lacking]
    for statement in [*statements(layout), *deletion_statements(layout), *others]:
        literal = statement.replace("\\", "\\\\").replace("'", "\\'")
        assert str(chdb.query(f"SELECT formatQuery('{literal}')", "TSVRaw")).strip()


def test_one_server_has_what_is_embedded() -> None:
    assert statements(Layout()) == [each for _, _, text in schema.migrations() for each in schema.statements(text)]


@pytest.mark.parametrize("layout", LAYOUTS[1:])
def test_on_a_cluster_every_server_gets_a_replica(layout: Layout) -> None:
    for statement in statements(layout):
        assert f" ON CLUSTER `{layout.cluster}` " in statement
        assert "ENGINE = MergeTree" not in statement
        if statement.startswith("CREATE TABLE IF"):
            assert "ENGINE = ReplicatedMergeTree('/clickhouse/tables/{database}/" in statement


def test_a_block_is_on_one_shard_and_marks_are_on_all() -> None:
    layout = Layout("c", sharded=True)
    local, *_, doomed, distributed = (each for each in statements(layout) if each.startswith("CREATE"))
    assert local.startswith("CREATE TABLE IF NOT EXISTS events_local ON CLUSTER")
    assert "'/clickhouse/tables/{database}/events_local/{shard}', '{replica}'" in local
    assert "'/clickhouse/tables/{database}/doomed/all', '{shard}-{replica}'" in doomed
    assert distributed.endswith("ENGINE = Distributed('c', currentDatabase(), 'events_local', block)")


def test_a_cluster_that_cannot_be() -> None:
    for wrong in ("a b", "`", "'", "1a", "a;b"):
        with pytest.raises(SettingsError):
            Layout(wrong)
    with pytest.raises(SettingsError):
        Layout(sharded=True)


@pytest.mark.parametrize("name", ["insert", "insert_piped"])
def test_an_insert_names_the_columns_of_a_line(name: str) -> None:
    text = queries.sql(name)
    text = text[text.index("INSERT INTO") :]
    listed = text[text.index("(") + 1 : text.index(")")]
    assert tuple(name.strip() for name in listed.split(",")) == COLUMNS
    told = text[text.index("'\n") + 1 : text.index("\n')")]
    assert tuple(each.split()[0] for each in told.replace("\n", " ").split(", ")) == COLUMNS
