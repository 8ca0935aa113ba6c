"""What every store promises. chDB opens one directory a process, so each test closes its own before the next.

The server is `services.ClickHouse`: a directory of a test is a database there.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from blocks import WORKSPACE, batch_of_rows, block_of
from headwater.clock import HOUR_MS
from headwater.errors import StartError
from headwater.events import Batch, Lane, event_ids, month_of, received_ms
from headwater.store import asking, schema
from headwater.store.base import Block, Store
from headwater.store.blocks import Share, Window, rows_of, shares_of
from headwater.store.clickhouse import ChdbStore
from headwater.store.server import REPLACED_SECONDS, ServerStore

NOVEMBER, DECEMBER = 1_795_000_000_000, 1_797_000_000_000

Opened = Callable[[Path], Store]


def told(store: Store, statement: str) -> str:
    """What a statement answers, as tab-separated text."""
    if isinstance(store, ChdbStore):
        return str(store._writer.query(statement, "TSV"))
    assert isinstance(store, ServerStore)
    return store._run(statement)


@pytest.fixture
def embedded(store: Store) -> None:
    """For what is about files: whose they are on a server is the server's own affair."""
    if not isinstance(store, ChdbStore):
        pytest.skip("its files are the server's")


@pytest.fixture
def store(opened: Opened, tmp_path: Path) -> Iterator[Store]:
    store = opened(tmp_path / "store")
    yield store
    store.close()


def batch_at(ms: int, events: int = 100) -> Batch:
    return batch_of_rows([["email:a@x.y"]] * events, ms)


NO_BACKFILLS: dict[str, list[str]] = {"reverted": [], "held": []}


def everything(workspace: str = WORKSPACE) -> dict[str, object]:
    """The parameters of `export` that let all of a workspace's events through."""
    filters = {"identity": "", "signal": "", "status": "", "lane": "", "reference": "", "backfill": "", **NO_BACKFILLS}
    return {"workspace": workspace, "from_ms": -(1 << 62), "to_ms": 1 << 62, **filters}


def one(batch: Batch, number: int = 1) -> dict[str, object]:
    return {"workspace": batch.workspace, "ids": [UUID(event_ids(batch.id, 100)[number - 1])], **NO_BACKFILLS}


def test_a_new_store_is_empty(store: Store) -> None:
    assert store.counts(Lane.REALTIME, 1) == {}
    assert store.rows("export", everything()) == []
    assert list(store.stream("export", everything())) == []


def test_counts_are_by_lane_block_and_month_of_receipt(store: Store) -> None:
    store.insert(block_of([batch_at(NOVEMBER), batch_at(DECEMBER, 7), batch_at(NOVEMBER, 1)], 1))
    store.insert(block_of([batch_at(DECEMBER, 5)], 2))
    store.insert(block_of([batch_of_rows([["email:a@x.y"]], lane=Lane.MIGRATION, ms=DECEMBER)], 1))
    assert store.counts(Lane.REALTIME, 1) == {202611: 101, 202612: 7}
    assert store.counts(Lane.REALTIME, 2) == {202612: 5}
    assert store.counts(Lane.MIGRATION, 1) == {202612: 1}
    assert store.counts(Lane.MIGRATION, 2) == {}


def test_values_come_back_as_they_went_in(store: Store) -> None:
    text = "quote \" back \\ line \n null \0 separator \u2028 astral 😀 'apostrophe' {x:String} ;--"
    data = {"deep": {"list": [1, 2.50, None, True, {"": text}]}, "big": 2**70, "exp": 1e-7, text: text}
    columns = {"signal": "a~b", "schema_version": 4_294_967_295, "occurred_ms": -62_135_596_800_000}
    columns |= {"reason": "schema_violation", "detail": text, "name": text, "reference": "", "data": data}
    batch = batch_of_rows([["email:a@x.y", "custom:" + text]], **columns)
    store.insert(block_of([batch], 1))
    [row] = store.rows("events", one(batch))
    got = {**row, "data": msgspec.json.decode(row["data"])}
    assert {key: got[key] for key in columns} == columns
    assert (row["data"], got["identities"]) == (msgspec.json.encode(data).decode(), ["email:a@x.y", "custom:" + text])
    assert (row["event_id"], row["status"], row["lane"]) == (event_ids(batch.id, 1)[0], "rejected", "realtime")
    [line] = b"".join(store.stream("export", everything())).splitlines()
    assert {
        key: msgspec.json.decode(line)[key] for key in ("detail", "occurred_ms", "schema_version", "reference")
    } == {key: columns[key] for key in ("detail", "occurred_ms", "schema_version", "reference")}


def test_lines_of_an_older_headwater_have_no_value(store: Store) -> None:
    batch = batch_of_rows([["account:1"]])
    older = block_of([batch], 1).chunks[0].replace(b',"",null]\n', b',""]\n')
    assert older.count(b"\n") == 1 and older.endswith(b',""]\n')
    store.insert(Block(Lane.REALTIME, 1, [older], 1))
    newer = batch_of_rows([["account:1"]], value="12.5")
    store.insert(block_of([newer], 2))
    span = {"months": [month_of(received_ms(newer.id))], "from_ms": 0, "to_ms": 1 << 45}
    assert {row["event_id"]: row["value"] for row in store.rows("examine_events", span)} == {
        event_ids(batch.id, 1)[0]: None,
        event_ids(newer.id, 1)[0]: "12.5",
    }


def test_the_rows_of_a_run_of_blocks(store: Store) -> None:
    text = 'quote " back \\ line \n astral 😀'
    whole = {"name": text, "reference": "", "schema_version": 7, "occurred_ms": -1, "detail": text, "value": "1.5"}
    batches = [batch_at(NOVEMBER, 3), batch_of_rows([["email:a@x.y", "account:" + text]], DECEMBER, **whole)]
    store.insert(block_of([*batches, batch_at(NOVEMBER - 1, 1)], 2))
    store.insert(block_of([batch_at(NOVEMBER, 2)], 3))
    store.insert(block_of([batch_at(NOVEMBER, 5)], 4))
    store.insert(block_of([batch_of_rows([["account:other"]], lane=Lane.MIGRATION)], 2))
    found = rows_of(store, Lane.REALTIME, 2, 3)
    assert [(row.block, row.event_id) for row in found] == sorted((row.block, row.event_id) for row in found)
    assert [row.block for row in found] == [2] * 5 + [3] * 2
    [row] = [row for row in found if row.name]
    assert {name: getattr(row, name) for name in whole} == whole
    assert (row.event_id, row.lane, row.workspace) == (event_ids(batches[1].id, 1)[0], Lane.REALTIME, WORKSPACE)
    assert (row.identities, row.data) == (["email:a@x.y", "account:" + text], '{"n":1}')
    assert (row.reason, row.dialect, row.backfill_id, row.replayed_ms) == ("", "bik", "", 0)
    assert rows_of(store, Lane.REALTIME, 2, 3, WORKSPACE) == found
    december = Window(DECEMBER - DECEMBER % HOUR_MS, HOUR_MS)
    assert rows_of(store, Lane.REALTIME, 2, 3, "ws_another1") == rows_of(store, Lane.REALTIME, 5, 9) == []
    assert [each.event_id for each in rows_of(store, Lane.REALTIME, 1, 9, window=december)] == [row.event_id]


def test_the_windows_of_a_run_of_blocks(store: Store) -> None:
    edge = NOVEMBER - NOVEMBER % HOUR_MS
    store.insert(block_of([batch_at(edge - 1, 2), batch_at(edge, 3)], 1))
    replayed = block_of([batch_of_rows([["email:a@x.y"]], NOVEMBER)], 2).chunks[0].replace(b",null]\n", b",null,%d]\n")
    store.insert(Block(Lane.REALTIME, 2, [replayed % (edge + 5 * HOUR_MS)], 1))
    store.insert(block_of([batch_at(edge + 7, 1)], 3))
    assert shares_of(store, Lane.REALTIME, 1, 2, HOUR_MS, WORKSPACE) == [
        Share(1, edge - HOUR_MS, 2, edge - 1),
        Share(1, edge, 3, edge),
        Share(2, edge + 5 * HOUR_MS, 1, edge + 5 * HOUR_MS),
    ]
    assert shares_of(store, Lane.REALTIME, 3, 9, HOUR_MS) == [Share(3, edge, 1, edge + 7)]
    assert shares_of(store, Lane.REALTIME, 1, 9, HOUR_MS, "ws_another1") == []
    assert shares_of(store, Lane.MIGRATION, 1, 9, HOUR_MS) == []


def test_null_and_the_latest_moment(store: Store) -> None:
    batch = batch_of_rows([["account:1"]], occurred_ms=253_402_300_799_999)
    store.insert(block_of([batch], 1))
    [row] = store.rows("events", one(batch))
    assert (row["schema_version"], row["name"], row["reference"]) == (None, None, None)
    assert (row["occurred_ms"], row["status"], row["reason"]) == (253_402_300_799_999, "processed", "")


def test_data_may_nest_deeply(store: Store) -> None:
    deep = b'{"a":' * 5_000 + b"1" + b"}" * 5_000
    batch = batch_of_rows([["account:1"]])
    chunk = block_of([batch], 1).chunks[0].replace(b'{"n":1}', deep)
    store.insert(Block(Lane.REALTIME, 1, [chunk], 1))
    [row] = store.rows("events", one(batch))
    assert row["data"].encode() == deep


def test_parameters_are_values_and_never_sql(store: Store) -> None:
    store.insert(block_of([batch_at(NOVEMBER)], 1))
    for hostile in ("' OR 1 = 1 --", "\\' OR 1 = 1 --", "{workspace:String}", "ws_\n\t\0", "\\"):
        assert store.rows("export", everything(hostile)) == []
        assert list(store.stream("export", everything(hostile))) == []


def test_columns_are_numpy_and_null_is_none(store: Store) -> None:
    sql = """
        SELECT toString(number) AS text, if(number = 1, NULL, 'same') AS maybe, toInt64(number) - 1 AS n,
            count() OVER () AS rows, arrayMap(i -> toString(i), range(number)) AS several, {p:String} AS given
        FROM numbers(3) ORDER BY number
    """
    hostile = "' OR 1 = 1 --\\\0\n{p:String}"
    found = store.columns(sql, {"p": hostile})
    assert {name: column.tolist() for name, column in found.items()} == {
        "text": ["0", "1", "2"],
        "maybe": ["same", None, "same"],
        "n": [-1, 0, 1],
        "rows": [3, 3, 3],
        "several": [[], ["0"], ["0", "1"]],
        "given": [hostile] * 3,
    }
    assert (str(found["n"].dtype), str(found["rows"].dtype)) == ("int64", "uint64")
    assert found["maybe"][0] is found["maybe"][2]
    many = store.columns("SELECT toString(number % 7) AS text, number FROM numbers(200000) ORDER BY number", {})
    assert many["text"].tolist() == [str(number % 7) for number in range(200_000)]
    assert many["number"].tolist() == list(range(200_000))
    nothing = store.columns("SELECT signal, occurred_ms, identities FROM events", {})
    assert {name: len(column) for name, column in nothing.items()} == dict.fromkeys(nothing, 0)
    assert set(nothing) == {"signal", "occurred_ms", "identities"}


def test_a_block_that_cannot_be_read_leaves_nothing(store: Store) -> None:
    good = block_of([batch_at(NOVEMBER)], 1)
    with pytest.raises(Exception, match="CANNOT_PARSE"):
        store.insert(Block(Lane.REALTIME, 1, [*good.chunks, b'[1,"realtime"\n'], 101))
    assert store.counts(Lane.REALTIME, 1) == {}
    store.insert(good)
    assert store.counts(Lane.REALTIME, 1) == {202611: 100}


def test_the_same_block_inserted_twice_is_there_twice(store: Store) -> None:
    """No deduplication behind our back: it loses rows when a block is cut short and inserted again."""
    block = block_of([batch_at(NOVEMBER)], 1)
    store.insert(block)
    store.insert(block)
    assert store.counts(Lane.REALTIME, 1) == {202611: 200}


@pytest.mark.parametrize("size", [10, 2_500])
def test_a_month_of_a_block_is_one_part(store: Store, size: int) -> None:
    """So it is there as a whole or not at all: 100,000 rows, of 250 MB too."""
    batches = [batch_of_rows([["account:1"]] * 100, ms, data={"x": "y" * size}) for ms in [NOVEMBER, DECEMBER] * 500]
    told(store, "SYSTEM STOP MERGES events")
    store.insert(block_of(batches, 1))
    parts = (
        "SELECT partition, rows FROM system.parts WHERE database = currentDatabase() AND table = 'events' ORDER BY ALL"
    )
    assert told(store, parts) == "202611\t50000\n202612\t50000\n"


def test_rows_outlive_the_process_and_migrations_run_once(opened: Opened, tmp_path: Path) -> None:
    for number in range(1, 4):
        store = opened(tmp_path / "store")
        store.insert(block_of([batch_at(NOVEMBER)], number))
        assert [store.counts(Lane.REALTIME, n) for n in range(1, number + 1)] == [{202611: 100}] * number
        store.close()
        store.close()
    again = opened(tmp_path / "store")
    ran = told(again, "SELECT number, count() FROM migrations GROUP BY number ORDER BY number")
    assert ran == "".join(f"{number}\t1\n" for number in range(1, schema.version() + 1))
    again.close()


@pytest.mark.usefixtures("embedded")
def test_a_second_opening_waits_and_is_then_refused(store: Store, tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(StartError, match="in use by process"):
        ChdbStore(tmp_path / "store", wait_seconds=0.3)
    assert time.monotonic() - begun >= 0.3


def test_questions_do_not_wait_for_an_insert(store: Store) -> None:
    store.insert(block_of([batch_at(NOVEMBER)], 1))
    question = {"lane": "realtime", "block": 1}
    store.rows("block_months", question)
    big = block_of([batch_of_rows([["account:1"]] * 100, NOVEMBER, data={"x": "y" * 3_000}) for _ in range(500)], 2)
    insert = threading.Thread(target=store.insert, args=(big,))
    insert.start()
    answered = 0
    while insert.is_alive():
        assert store.rows("block_months", question) == [{"month": 202611, "events": 100}]
        answered += 1
    assert answered > 10


def test_many_threads_ask_at_once(store: Store) -> None:
    for number in range(1, 6):
        store.insert(block_of([batch_at(NOVEMBER)] * 10, number))
    wrong: list[object] = []

    def ask() -> None:
        for number in [1, 2, 3, 4, 5] * 4:
            counts = store.counts(Lane.REALTIME, number)
            lines = b"".join(store.stream("export", everything())).count(b"\n")
            if (counts, lines) != ({202611: 1_000}, 5_000):
                wrong.append((counts, lines))

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_stream_comes_in_pieces_and_can_be_left(store: Store) -> None:
    store.insert(
        block_of([batch_of_rows([["account:1"]] * 100, NOVEMBER, data={"x": "y" * 500}) for _ in range(200)], 1)
    )
    for _ in range(3 * asking.READERS):
        stream = store.stream("export", everything())
        assert 0 < len(next(stream)) <= asking.PIECE
        stream.close()  # type: ignore[attr-defined]
    pieces = list(store.stream("export", everything()))
    assert max(map(len, pieces)) <= asking.PIECE
    lines = b"".join(pieces).splitlines()
    assert len({msgspec.json.decode(line)["event_id"] for line in lines}) == len(lines) == 20_000


def test_a_stream_may_be_read_by_changing_threads(store: Store) -> None:
    store.insert(block_of([batch_at(NOVEMBER)] * 50, 1))
    stream, got = store.stream("export", everything()), b""

    def take() -> None:
        nonlocal got
        got += next(stream, b"")

    for _ in range(30):
        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
    assert got.count(b"\n") == 5_000


def test_each_tiny_insert_is_queryable_at_once(store: Store) -> None:
    for number in range(1, 60):
        store.insert(block_of([batch_at(NOVEMBER, 1)], number))
        assert store.counts(Lane.REALTIME, number) == {202611: 1}


def test_each_part_is_read_back(store: Store) -> None:
    for number in range(1, 4):
        store.insert(block_of([batch_at(NOVEMBER, 7)], number))
    parts = store.rows("examine_parts", {})
    assert sum(part["rows"] for part in parts) == 21
    assert [store.check(part["name"]) for part in parts] == [""] * len(parts)
    assert store.check("202611_7_7_0") == "", "a part that was merged meanwhile is no fault"
    with pytest.raises(ValueError, match="no part"):
        store.check("x' OR 1")


def test_a_doctors_questions_tell_what_is_stored(store: Store) -> None:
    batches = [batch_at(NOVEMBER, 3), batch_at(DECEMBER, 4), batch_at(NOVEMBER, 5)]
    for number, batch in enumerate(batches, 1):
        store.insert(block_of([batch], number))
    store.insert(block_of(batches[:1], 7))
    lane = {"lane": "realtime"}
    assert store.rows("examine_blocks", lane | {"last": 7}) == [{"blocks": 4}]
    gaps = store.rows("examine_gaps", lane | {"last": 7, "firsts": [], "lasts": []})
    assert [row["block"] for row in gaps] == [4, 5, 6]
    gaps = store.rows("examine_gaps", lane | {"last": 7, "firsts": [1, 5], "lasts": [4, 5]})
    assert [row["block"] for row in gaps] == [6]
    assert store.rows("examine_beyond", lane | {"last": 2}) == [{"block": 3, "events": 5}, {"block": 7, "events": 3}]
    counted = store.rows("examine_counted", lane | {"after": 1, "last": 3})
    assert {row["month"]: row["events"] for row in counted} == {202611: 5, 202612: 4}
    assert store.rows("examine_months", {}) == [{"month": 202611, "events": 11}, {"month": 202612, "events": 4}]
    slices = [{"month": 202611, "slices": 3, "slice": number} for number in range(3)]
    found = [store.rows("examine_twins", each)[0] for each in slices]
    assert (sum(row["events"] for row in found), sum(row["ids"] for row in found)) == (11, 8)
    twins = [row for each in slices for row in store.rows("examine_twin_ids", each)]
    assert {row["event_id"]: row["times"] for row in twins} == dict.fromkeys(event_ids(batches[0].id, 3), 2)
    ids = event_ids(batches[1].id, 100)
    there = store.rows("examine_ids", lane | {"months": [202612], "ids": ids, "replays": False})
    assert sorted(row["event_id"] for row in there) == ids[:4]
    assert store.rows("examine_ids", {"lane": "migration", "months": [202612], "ids": ids, "replays": False}) == []
    span = {"months": [202611, 202612], "from_ms": NOVEMBER + 1, "to_ms": DECEMBER}
    events = msgspec.json.Decoder(dict[str, object]).decode_lines(b"".join(store.stream("examine_events", span)))
    assert {event["event_id"] for event in events} == set(ids[:4])
    (name,) = store.rows("examine_names", {})
    assert (name["workspace"], name["version"], name["events"]) == (WORKSPACE, 0, 15)
    assert store.rows("examine_detached", {}) == []


UPTO = {Lane.REALTIME: 2, Lane.MIGRATION: 0}


def doomed(store: Store, identity: str, until_ms: int = 1 << 45) -> None:
    about = {"workspace": WORKSPACE, "identities": [identity], "until_ms": until_ms, "most": 100}
    store.doom("ers_00000000", "doom_person", about | {lane.value: block for lane, block in UPTO.items()})


def deleted(store: Store, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not store.delete("ers_00000000", UPTO):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_marked_events_are_deleted_up_to_a_block_and_no_file_has_them(store: Store, tmp_path: Path) -> None:
    one, other = (
        batch_of_rows([["email:canary@x.y"], ["email:b@x.y"]], NOVEMBER),
        batch_of_rows([["email:b@x.y"]], DECEMBER),
    )
    later = batch_of_rows([["email:canary@x.y", "email:b@x.y"]], NOVEMBER)
    for number, batch in enumerate((one, other, later), 1):
        store.insert(block_of([batch], number))
    doomed(store, "email:canary@x.y")
    deleted(store)
    left = {block: store.counts(Lane.REALTIME, block) for block in (1, 2, 3)}
    assert left == {1: {202611: 1}, 2: {202612: 1}, 3: {202611: 1}}
    assert {row["active"] for row in store.rows("examine_parts", {})} == {1}
    if isinstance(store, ServerStore):
        told(store, "ALTER TABLE events MODIFY SETTING old_parts_lifetime = 0")  # a minute otherwise
    while not store.purge():
        if isinstance(store, ServerStore):
            told(store, "SYSTEM STOP CLEANUP events")
            told(store, "SYSTEM START CLEANUP events")
        time.sleep(0.02)
    if isinstance(store, ChdbStore):
        assert len(parts_on_disk(tmp_path)) == len(store.rows("examine_parts", {}))
    about = {"job": "ers_00000000", "after": "", "most": 10}
    assert [row["event_id"] for row in store.rows("doomed_ids", about)] == event_ids(one.id, 1)
    store.spare("ers_00000000")
    assert store.rows("doomed_ids", about) == []
    store.insert(block_of([batch_of_rows([["email:c@x.y"]], NOVEMBER)], 4))


def parts_on_disk(directory: Path) -> set[str]:
    return {each.name for each in directory.rglob("2026*_*_*_*") if each.is_dir()}


def test_a_deletion_ends_at_a_moment_of_receipt(store: Store) -> None:
    batches = [batch_of_rows([["email:a@x.y"]], NOVEMBER + ms) for ms in (-1, 0, 1)]
    store.insert(block_of(batches, 1))
    doomed(store, "email:a@x.y", NOVEMBER)
    deleted(store)
    every = {"months": [202611], "from_ms": 0, "to_ms": 1 << 45}
    assert [row["event_id"] for row in store.rows("examine_events", every)] == event_ids(batches[2].id, 1)


@pytest.mark.usefixtures("embedded")
def test_what_a_disk_spoiled_of_a_deletion_is_deleted_again(store: Store, tmp_path: Path) -> None:
    store.insert(block_of([batch_of_rows([[f"email:{n % 5}@x.y"] for n in range(100)], NOVEMBER)], 1))
    doomed(store, "email:3@x.y")
    deleted(store)
    (part,) = [each for each in tmp_path.rglob("2026*_*_*_*_*") if each.is_dir()]
    whole = (part / "data.bin").read_bytes()
    (part / "data.bin").write_bytes(whole[: len(whole) // 2])
    assert not store.purge()
    deleted(store)
    assert store.purge()
    assert store.counts(Lane.REALTIME, 1) == {202611: 80}


def test_after_a_crash_in_the_middle_of_a_purge_replaced_parts_stay_again(opened: Opened, tmp_path: Path) -> None:
    first = opened(tmp_path / "store")
    told(first, "ALTER TABLE events MODIFY SETTING old_parts_lifetime = 0")
    first.close()
    second = opened(tmp_path / "store")
    try:
        found = told(
            second, "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'events'"
        )
        assert f"old_parts_lifetime = {600 if isinstance(second, ChdbStore) else REPLACED_SECONDS}" in found
    finally:
        second.close()
