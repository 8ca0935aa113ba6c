"""Whatever a store says when it fails, it says without what people sent: in errors, tracebacks, the log, `/readyz`."""

import logging
import threading
import traceback
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

import services
from blocks import batch_of_rows, block_of
from harness import until
from headwater.advice import is_full
from headwater.errors import UnavailableError
from headwater.events import Lane
from headwater.logs import LineFormatter
from headwater.store.base import Block, Store
from headwater.store.discretion import discreet, unquoted
from headwater.store.server import ServerStore
from rig import Rig

CANARIES = ("canary-mail", "o'canary", "5551234567")
ODD = b'["canary-mail@x.y", "o\'canary", "+15551234567", 3]\n'
"""A row that no store can read."""
FAILING = ("toInt64(concat(text, 'x'))", "toDate(concat('x', text))", "toUUID(text)", "JSONExtract('{}', text)")
"""Of a parameter `text`."""

Opened = Callable[[Path], Store]


def seen(error: BaseException) -> list[str]:
    """The canaries in all that a log would have of it; not the lines of source that a traceback quotes."""
    chain, told = [error], []
    while chain:
        one = chain.pop()
        told.append("".join(traceback.format_exception_only(one)))
        chain += [each for each in (one.__cause__, None if one.__suppress_context__ else one.__context__) if each]
    return [canary for canary in CANARIES for text in told if canary in text]


def test_a_row_that_cannot_be_read_is_not_told(opened: Opened, tmp_path: Path) -> None:
    store = opened(tmp_path / "store")
    try:
        with pytest.raises(Exception, match="CANNOT_PARSE") as failed:
            store.insert(Block(Lane.REALTIME, 1, [ODD], 1))
        assert seen(failed.value) == []
        store.insert(block_of([batch_of_rows([["email:a@x.y"]])], 2))
    finally:
        store.close()


def test_a_question_that_fails_is_not_told(opened: Opened, tmp_path: Path) -> None:
    store = opened(tmp_path / "store")
    try:
        for expression, canary in product(FAILING, CANARIES):
            sql = f"SELECT {expression} AS x FROM (SELECT {{value:String}} AS text)"
            with pytest.raises(Exception, match="DB::Exception") as failed:
                store.columns(sql, {"value": canary})
            assert seen(failed.value) == [], (expression, canary)
    finally:
        store.close()


@pytest.mark.cluster
def test_a_question_to_a_server_that_is_away_is_not_told(
    clickhouse: services.ClickHouse, caplog: pytest.LogCaptureFixture
) -> None:
    """Its parameters are in the request's URL."""
    store = ServerStore(clickhouse.url())
    clickhouse.stop()
    try:
        for _ in range(3):  # the first one finds a connection that is there no more
            with caplog.at_level(logging.DEBUG), pytest.raises(UnavailableError, match="does not answer") as failed:
                store.columns("SELECT {value:String} AS x", {"value": "canary-mail"})
            assert seen(failed.value) == []
        logged = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert not [line for line in map(LineFormatter().format, logged) if "canary-mail" in line]
    finally:
        clickhouse.start()
        store.close()


def test_a_pipeline_that_cannot_store_a_row_does_not_tell_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rig, stop = Rig(tmp_path), threading.Event()
    # No headwater makes such a row; should one ever do so, its people are not in the log.
    rig.append([batch_of_rows([["email:canary-mail@x.y", "phone:5551234567"]], schema_version={"o'canary": 1})])
    thread = threading.Thread(target=rig.pipeline.run, args=(stop,))
    thread.start()
    try:
        until(lambda: rig.pipeline.status().failures, 30, "it fails")
    finally:
        stop.set()
        thread.join()
        rig.close()
    status = rig.pipeline.status()
    log = "\n".join(map(LineFormatter().format, caplog.records))
    assert "storing failed" in log and "DB::Exception" in log
    for told in (log, status.why, status.last_error):
        assert not [canary for canary in CANARIES if canary in told], told


def test_what_helps_is_still_told() -> None:
    """Which error it was, and that the disk is full."""
    told = unquoted(
        "Code: 27. DB::Exception: Cannot parse input: expected ',' before: 'canary, (CANARY_X)': (at row 1)\n: \n"
        "Row 1:\nColumn 0, parsed text: canary\n. (CANNOT_PARSE_INPUT_ASSERTION_FAILED) (version 26.9.2.1)"
    )
    assert told == "Code: 27. DB::Exception: … (CANNOT_PARSE_INPUT_ASSERTION_FAILED)"
    full = "Code: 76. DB::Exception: Cannot write to '/data/x': errno 28, No space left on device. (CANNOT_WRITE)"
    assert unquoted(full) == "Code: 76. DB::Exception: Cannot write to … No space left on device (CANNOT_WRITE)"
    memory = "Code: 241. DB::Exception: Query memory limit exceeded: would use 2.50 MiB. (MEMORY_LIMIT_EXCEEDED)"
    assert unquoted(memory) == memory
    assert unquoted("the disk is 'full'") == "the disk is 'full'"
    with pytest.raises(OSError, match="No space") as failed, discreet():
        raise OSError(28, "No space left on device")
    assert is_full(failed.value)
