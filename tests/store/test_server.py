"""What is told a ClickHouse server apart from the contract: exactly once although answers get lost and come late."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import certificates
import services
from blocks import WORKSPACE, batch_of_rows, block_of
from harness import until
from headwater.errors import NotOwnerError, SettingsError, StartError, UnavailableError
from headwater.events import Lane
from headwater.store.base import Block
from headwater.store.server import ServerStore

pytestmark = pytest.mark.cluster

MS = 1_795_000_000_000
WHOLE = {202611: 100}

Opened = Callable[..., ServerStore]


@pytest.fixture
def opened(clickhouse: services.ClickHouse) -> Iterator[Opened]:
    """Makes stores on one new database; at first none is slow."""
    clickhouse.slow(0)
    url, made = clickhouse.url(), list[ServerStore]()

    def make(**options: float) -> ServerStore:
        made.append(ServerStore(url, **{"begin_seconds": 2, "answer_seconds": 1} | options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    clickhouse.slow(0)
    for store in made:
        store.close()


@pytest.fixture
def block() -> Block:
    return block_of([batch_of_rows([["email:a@x.y"]] * 100, MS)], 1)


def test_an_insert_that_goes_on_unanswered_is_waited_for(
    opened: Opened, clickhouse: services.ClickHouse, block: Block
) -> None:
    store = opened(begin_seconds=4)
    clickhouse.slow(1.5)
    with pytest.raises(UnavailableError):
        store.insert(block)
    assert store.counts(Lane.REALTIME, 1) == WHOLE


def test_an_insert_that_begins_too_late_adds_nothing(
    opened: Opened, clickhouse: services.ClickHouse, block: Block
) -> None:
    store = opened(begin_seconds=1)
    clickhouse.slow(1.7)
    with pytest.raises(UnavailableError):
        store.insert(block)
    assert store.counts(Lane.REALTIME, 1) == {}
    clickhouse.slow(0)
    store.insert(block)
    time.sleep(1)
    assert store.counts(Lane.REALTIME, 1) == WHOLE


def test_another_engine_counts_no_earlier_than_it_may(
    opened: Opened, clickhouse: services.ClickHouse, block: Block
) -> None:
    """As after a crash: who counts has not sent the block himself."""
    dead, heir = opened(answer_seconds=10), opened()
    clickhouse.slow(1.5)
    insert = threading.Thread(target=dead.insert, args=(block,))
    insert.start()
    time.sleep(0.3)
    begun = time.monotonic()
    assert heir.counts(Lane.REALTIME, 1) == WHOLE
    assert time.monotonic() - begun >= 2
    insert.join()
    begun = time.monotonic()
    assert heir.counts(Lane.REALTIME, 1) == WHOLE
    assert time.monotonic() - begun < 1, "it is certain now"


@pytest.mark.parametrize("seconds", [1.5, 3])
def test_a_server_that_stops_for_a_while_adds_a_block_once(
    opened: Opened, clickhouse: services.ClickHouse, block: Block, seconds: float
) -> None:
    """The request waits in a socket's buffer when its client has long gone."""
    store = opened()
    paused = threading.Timer(0, clickhouse.pause)
    store.counts(Lane.REALTIME, 1)
    real = store._now
    store._now = lambda: (real(), paused.run())[0]  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        store.insert(block)
    store._now = real  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        store.counts(Lane.REALTIME, 1)
    time.sleep(seconds - 1)
    clickhouse.resume()
    if not (there := store.counts(Lane.REALTIME, 1)):
        store.insert(block)
    assert there in ({}, WHOLE)
    time.sleep(1)
    assert store.counts(Lane.REALTIME, 1) == WHOLE


def test_an_insert_whose_connection_breaks_is_not_sent_again(
    opened: Opened, clickhouse: services.ClickHouse, block: Block
) -> None:
    store = opened()
    clickhouse.hang_up()
    with pytest.raises(UnavailableError):
        store.insert(block)
    assert store.counts(Lane.REALTIME, 1) == WHOLE


def test_killed_in_the_middle_nothing_is_there_or_all(
    opened: Opened, clickhouse: services.ClickHouse, block: Block
) -> None:
    store = opened()
    for number in range(1, 4):
        one = Block(block.lane, number, [block.chunks[0].replace(b"[1,", b"[%d," % number)], block.count)
        clickhouse.slow(0.2 * (number - 1))
        killer = threading.Timer(0.25, clickhouse.restart)
        killer.start()
        try:
            store.insert(one)
            sent = True
        except UnavailableError:
            sent = False
        killer.join()
        there = store.counts(Lane.REALTIME, number)
        assert there == WHOLE if sent else there in ({}, WHOLE)


def test_who_owns_a_block_no_more_adds_nothing(clickhouse: services.ClickHouse, block: Block) -> None:
    def owns(_: Block) -> None:
        raise NotOwnerError("taken over")

    store = ServerStore(clickhouse.url(), owns=owns, begin_seconds=0.2)
    try:
        with pytest.raises(NotOwnerError):
            store.insert(block)
        assert store.counts(Lane.REALTIME, 1) == {}
    finally:
        store.close()


def test_a_stream_that_breaks_off_says_so(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(answer_seconds=30)
    sql = "SELECT number, throwIf(number = 400000, 'broke') AS n FROM numbers(1000000) SETTINGS max_block_size = 1000"
    monkeypatch.setattr(store, "_sql", lambda query: sql)
    stream = store.stream("any", {})
    assert next(stream)
    with pytest.raises(UnavailableError, match="broke"):
        list(stream)


def test_data_that_reads_like_a_failure_is_none(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every place of a piece's border, too."""
    store = opened(answer_seconds=30)
    told = "Code: 1. DB::Exception: __exception__ Code: 22. DB::Exception"
    sql = f"SELECT number, repeat('{told}', 1 + number % 7) AS n FROM numbers(40000)"
    monkeypatch.setattr(store, "_sql", lambda query: sql)
    assert b"".join(store.stream("any", {})).count(b"\n") == 40_000


def test_what_a_second_deletion_replaces_is_waited_for(opened: Opened) -> None:
    store = opened(answer_seconds=30)
    for number in range(1, 3):
        store.insert(block_of([batch_of_rows([[f"email:{number}@x.y"]] * 10, MS)], number))
    upto = {Lane.REALTIME: 2, Lane.MIGRATION: 0}
    for number in range(1, 3):
        about = {"workspace": WORKSPACE, "identities": [f"email:{number}@x.y"], "until_ms": 1 << 45, "most": 100}
        store.doom(f"ers_{number}", "doom_person", about | {lane.value: block for lane, block in upto.items()})
        until(lambda key=f"ers_{number}": store.delete(key, upto), 20)  # type: ignore[misc]
        assert not store.purge()
        assert store._replaced == frozenset(store._run(store._of_parts("NOT active")).splitlines())
    assert store.counts(Lane.REALTIME, 2) == {}


def test_a_server_that_goes_away_in_the_middle_of_a_stream(
    opened: Opened, clickhouse: services.ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    with monkeypatch.context() as patch:
        patch.setattr(store, "_sql", lambda query: "SELECT number FROM numbers(20000000)")
        stream = store.stream("any", {})
        next(stream)
        clickhouse.restart()
        with pytest.raises(UnavailableError):
            list(stream)
    assert store.counts(Lane.REALTIME, 1) == {}


def test_long_parameters_go_as_a_form(opened: Opened) -> None:
    store = opened(answer_seconds=30)
    many = [f"email:{number}-{'x' * 50}@x.y" for number in range(20_000)]
    assert store.columns("SELECT toInt64(length({p:Array(String)})) AS n", {"p": many})["n"].tolist() == [20_000]
    about = {"workspace": "w", "identities": many, "until_ms": 0, "most": 1, "realtime": 0, "migration": 0}
    store.doom("ers_00000000", "doom_person", about)


def test_many_open_a_new_database_at_once(clickhouse: services.ClickHouse) -> None:
    url, wrong = clickhouse.url(), list[BaseException]()

    def open_() -> None:
        try:
            ServerStore(url).close()
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=open_) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_backup_is_the_servers_own_affair(opened: Opened, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="BACKUP DATABASE"):
        opened().snapshot(tmp_path)


def test_tls(tmp_path: Path, block: Block) -> None:
    pair = certificates.make(tmp_path)
    with services.started(services.ClickHouse(pair)) as server:
        store = ServerStore(server.url(), ca=pair.cert)
        store.insert(block)
        assert store.counts(Lane.REALTIME, 1) == WHOLE
        store.close()
        with pytest.raises(StartError, match="certificate verify failed"):
            ServerStore(server.url())


def test_a_server_that_is_not_there_or_does_not_let_in(
    clickhouse: services.ClickHouse, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(StartError, match=r"clickhouse://…@127\.0\.0\.1:1/x"):
        ServerStore("clickhouse://u:hunter2@127.0.0.1:1/x")
    with pytest.raises(StartError, match="516") as refused:
        ServerStore(clickhouse.url().replace("s3cret", "hunter2"))
    assert "hunter2" not in str(refused.value) + caplog.text
    for wrong in ("http://h/x", "clickhouse://", "clickhouse://h/x'y", "clickhouse://h/a/b", "clickhouse://h:port/x"):
        with pytest.raises(SettingsError):
            ServerStore(wrong)
