"""Files of events as people have them: ugly ones, packed ones, large ones, and read again from the middle."""

import csv
import gzip
import io
import json
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.imports.base import MAX_BODY, MAX_LINE, Dialect, Flaw, Row, Source, StoppedError, chunks
from headwater.imports.files import format_of, identity
from headwater.imports.mapping import Mapping, parse
from headwater.imports.ndjson import Ndjson
from headwater.imports.parquet import Parquet
from headwater.imports.table import Table

EVENT = {"signal": "visits", "identity": {"type": "account", "id": "1"}, "data": {"n": 1}}


def ndjson(content: bytes, tmp_path: Path, skip: int = 0) -> list[Row]:
    file = tmp_path / "events.ndjson"
    file.write_bytes(content)
    with file.open("rb") as opened:
        return list(Ndjson(opened).rows(skip))


def mapped(
    *columns: str, fixed: tuple[str, ...] = (), rest: str | None = None, dialect: Dialect = "bigmind"
) -> Mapping:
    return parse(dialect, columns, fixed, rest, None)


VISITS = mapped("id=identity.id", "n=data.n:number", fixed=("signal=visits", "identity.type=account"))


def table(content: bytes, tmp_path: Path, mapping: Mapping = VISITS, skip: int = 0, **how: Any) -> list[Row]:
    return list(opened_table(content, tmp_path, mapping, **how).rows(skip))


def opened_table(
    content: bytes,
    tmp_path: Path,
    mapping: Mapping = VISITS,
    encoding: str | None = None,
    delimiter: str | None = None,
    dialect: Dialect = "bigmind",
) -> Table:
    file = tmp_path / "events.csv"
    file.write_bytes(content)
    return Table(file.open("rb"), dialect, mapping, encoding, delimiter)


def ids(rows: list[Row]) -> list[str]:
    return [json.loads(row.event)["identity"]["id"] for row in rows]


def flaws(rows: list[Row]) -> list[tuple[int, str]]:
    return [(row.line, row.flaw.code) for row in rows if row.flaw]


def again(source: Source, rows: list[Row], kind: str, tmp_path: Path) -> Path:
    """The file of refused rows that an import would write of those with a flaw."""
    file = tmp_path / f"refused{source.suffix}"
    lines = [source.refused(row, row.flaw) for row in rows if row.flaw]
    file.write_bytes(source.head() + b"".join(lines))
    return file


# --- NDJSON ------------------------------------------------------------------------------------------------------


def test_lines_are_sent_as_they_stand(tmp_path: Path) -> None:
    text = b'{"signal": "visits", "data": {"n": 1.10, "big": 12345678901234567890, "u": "\\u00e9"}}'
    rows = ndjson(b"\xef\xbb\xbf" + text + b"\r\n\n  \n" + text + b"\n" + text, tmp_path)
    assert [row.event for row in rows] == [text] * 3
    assert [row.line for row in rows] == [1, 4, 5]


def test_broken_lines_are_refused_one_by_one(tmp_path: Path) -> None:
    good = json.dumps(EVENT).encode()
    bad = [b'{"a": 1', b"[]", b"null", b'"text"', b"\xff\xfe{", b'{"a": NaN}', b'{"a": 1}, {"b": 2}', b'{"a": 1e999}']
    bad += [b'{"a": "\\ud800"}', b"[" * 100_000, b'{"a": "\x00"}']
    rows = ndjson(b"\n".join([good, *bad, good]), tmp_path)
    assert [row.flaw is None for row in rows] == [True, *[False] * len(bad), True]
    assert [row.line for row in rows] == list(range(1, len(bad) + 3))
    assert rows[2].flaw and "one event a line" in rows[2].flaw.hint


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    for content in (b"", b"\n\n", b"\xef\xbb\xbf", gzip.compress(b"")):
        assert ndjson(content, tmp_path) == []


def test_a_line_of_ten_megabytes_is_refused_whole(tmp_path: Path) -> None:
    large = json.dumps(EVENT | {"data": {"x": "y" * 10_000_000}}).encode()
    first, second = ndjson(large + b"\n" + json.dumps(EVENT).encode() + b"\n", tmp_path)
    assert first.flaw and first.flaw.code == "too_large" and first.event == large
    assert second.flaw is None and second.line == 2


@pytest.mark.parametrize("reads", ["ndjson", "csv"])
def test_an_endless_line_is_passed_over_without_keeping_it(tmp_path: Path, reads: str) -> None:
    good, line = json.dumps(EVENT).encode() + b"\n", b"x" * (4 * MAX_LINE) + b"\n"
    tracemalloc.start()
    try:
        if reads == "ndjson":
            rows = ndjson(good + line + good, tmp_path)
        else:
            rows = table(b"id,n\n1,1\n" + line + b"2,2\n", tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [row.flaw and row.flaw.code for row in rows] == [None, "too_large", None]
    assert len(rows[1].kept) == 1000
    assert peak < 13 * MAX_LINE  # the test's own 4 and 8 of them


def test_utf16_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(StoppedError, match="UTF-16"):
        ndjson(json.dumps(EVENT).encode("utf-16"), tmp_path)


def test_a_packed_file_reads_the_same(tmp_path: Path) -> None:
    content = b"".join(json.dumps(EVENT | {"reference": str(n)}).encode() + b"\n" for n in range(1000))
    assert ndjson(gzip.compress(content), tmp_path) == ndjson(content, tmp_path)
    for damaged in (gzip.compress(content)[:-20], gzip.compress(content)[:200] + b"x" * 100):
        with pytest.raises(StoppedError, match="not whole"):
            ndjson(damaged, tmp_path)


def test_what_was_refused_is_read_again_once_mended(tmp_path: Path) -> None:
    content = b'{"signal": "visits"\n' + json.dumps({"x": "y" * MAX_BODY}).encode() + b"\n[1]\n"
    (tmp_path / "events.ndjson").write_bytes(content)
    source = Ndjson((tmp_path / "events.ndjson").open("rb"))
    rows = list(source.rows(0))
    refused = again(source, rows, "ndjson", tmp_path)
    lines = [json.loads(line) for line in refused.read_bytes().splitlines()]
    assert [line["refused"]["line"] for line in lines] == [1, 2, 3]
    assert lines[0]["text"] == '{"signal": "visits"' and lines[0]["refused"]["code"] == "json"
    as_it_is = ndjson(refused.read_bytes(), tmp_path)
    assert [row.flaw and row.flaw.code for row in as_it_is] == ["json", "too_large", "type"]
    lines[0]["text"] += "}"
    lines[1]["event"] = EVENT | {"data": {"n": 12345678901234567890}}
    lines[2]["text"] = json.dumps(EVENT)
    mended = ndjson(b"\n".join(json.dumps(line).encode() for line in lines), tmp_path)
    assert [json.loads(row.event) for row in mended] == [{"signal": "visits"}, lines[1]["event"], EVENT]


# --- CSV ---------------------------------------------------------------------------------------------------------


def test_columns_become_fields(tmp_path: Path) -> None:
    mapping = mapped(
        "who=identity.id", "n=data.n:number", "ok=data.deep.ok:boolean", "when=timestamp:seconds",
        "tags=data.tags:json", "who=data.copy", fixed=("signal=visits", "identity.type=account", "data.fixed:number=5"),
    )  # fmt: skip
    rows = table(b'who,n,ok,when,tags,other\n"7, a",1.10,TRUE,1731672000,"[1,""x""]",z\n8,,,,,\n', tmp_path, mapping)
    assert [row.flaw for row in rows] == [None, None]
    assert json.loads(rows[0].event) == {
        "signal": "visits",
        "identity": {"type": "account", "id": "7, a"},
        "data": {"fixed": 5, "n": 1.1, "deep": {"ok": True}, "tags": [1, "x"], "copy": "7, a"},
        "timestamp": "2024-11-15T12:00:00.000Z",
    }
    assert b'"n":1.10' in rows[0].event
    assert json.loads(rows[1].event)["data"] == {"fixed": 5, "copy": "8"}


def test_a_header_can_be_its_own_mapping_and_the_rest_goes_below(tmp_path: Path) -> None:
    header = b"email,eventName,createdAt,isMigration,eventProperties.itemPrice:number,eventProperties.size\n"
    rows = table(header + b"a@b.test,ordered,2024-11-15,true,5,007\n", tmp_path, Mapping(), dialect="bik")
    assert json.loads(rows[0].event) == {
        "email": "a@b.test", "eventName": "ordered", "createdAt": "2024-11-15", "isMigration": True,
        "eventProperties": {"itemPrice": 5, "size": "007"},
    }  # fmt: skip
    mapping = mapped("mail=email", fixed=("eventName=ordered",), rest="eventProperties", dialect="bik")
    rows = table(b"mail,order id,x.y\na@b.test,007,\n", tmp_path, mapping, dialect="bik")
    assert json.loads(rows[0].event)["eventProperties"] == {"order id": "007"}


@pytest.mark.parametrize(
    ("content", "how"),
    [
        ("id,n\r\né,1\r\nb,2\r\n".encode(), {}),
        ("id;n\né;1\nb;2".encode(), {}),
        ("id\tn\né\t1\nb\t2".encode(), {}),
        ("\ufeffid,n\né,1\n\n\nb,2\n".encode(), {}),
        ("id,n\né,1\nb,2\n".encode("utf-16"), {}),
        ("id,n\né,1\nb,2\n".encode("latin-1"), {"encoding": "latin-1"}),
        ("id:n\né:1\nb:2\n".encode(), {"delimiter": ":"}),
        ("id,n\ré,1\rb,2\r".encode(), {}),
        (gzip.compress("id,n\né,1\nb,2\n".encode(), mtime=0), {}),
    ],
)
def test_it_reads_what_exports_look_like(tmp_path: Path, content: bytes, how: dict[str, str]) -> None:
    assert ids(table(content, tmp_path, **how)) == ["é", "b"]
    assert ids(table(content, tmp_path, skip=1, **how)) == ["b"]


def test_quoted_fields_span_lines_and_hold_nul(tmp_path: Path) -> None:
    rows = table(b'id,n\n"a\nb ""c""",1\n"x\x00y",2\n', tmp_path)
    assert ids(rows) == ['a\nb "c"', "x\x00y"] and [row.line for row in rows] == [2, 4]


def test_rows_that_are_no_rows_are_refused_one_by_one(tmp_path: Path) -> None:
    content = b'id,n\n1,1\n2\n3,3,3\n"4" x,4\n5,five\n6,1e999\n\xff,7\n8,8\n"9,9\n10,10\n'
    source = opened_table(content, tmp_path)
    rows = list(source.rows(0))
    assert flaws(rows) == [
        (3, "columns"), (4, "columns"), (5, "csv"), (6, "column"), (7, "column"), (8, "encoding"), (10, "csv"),
    ]  # fmt: skip
    assert rows[-1].flaw and "lines 10 to 11" in rows[-1].flaw.message
    refused = again(source, rows, "csv", tmp_path).read_bytes()
    assert b"\xff,7" in refused
    as_it_is = table(refused, tmp_path)
    assert [row.flaw and row.flaw.code for row in as_it_is] == [row.flaw.code for row in rows if row.flaw]


def test_a_refused_row_is_mended_in_its_columns_or_its_text(tmp_path: Path) -> None:
    source = opened_table(b'id,n\n1,one\n"2" x,2\n', tmp_path)
    refused = again(source, list(source.rows(0)), "csv", tmp_path)
    written = list(csv.DictReader(io.StringIO(refused.read_text(), newline="")))
    assert [(row["id"], row["refused_line"], row["refused_text"]) for row in written] == [
        ("1", "2", ""),
        ("", "3", '"2" x,2'),
    ]
    assert written[0]["refused_path"] == "data.n" and "number" in written[0]["refused_message"]
    text = refused.read_text().replace("1,one", "1,1").replace('""2"" x', '""2 x""')
    assert ids(table(text.encode(), tmp_path)) == ["1", "2 x"]
    mapping = mapped("id=identity.id", fixed=("signal=visits", "identity.type=account"), rest="data")
    assert [json.loads(row.event)["data"] for row in table(text.encode(), tmp_path, mapping)] == [
        {"n": "1"},
        {"n": "2"},
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_refused_rows_are_written_as_the_file_was(tmp_path: Path, encoding: str) -> None:
    how = {"encoding": "latin-1"} if encoding == "latin-1" else {}
    source = opened_table("id,n\né,one\n".encode(encoding), tmp_path, **how)
    refused = again(source, list(source.rows(0)), "csv", tmp_path).read_bytes()
    rows = table(refused, tmp_path, **how)
    assert ids(rows) == ["é"] and flaws(rows) == [(2, "column")]


def test_a_reason_may_have_letters_that_the_file_has_not(tmp_path: Path) -> None:
    source = opened_table("id,n\né,x\n".encode("latin-1"), tmp_path, encoding="latin-1")
    (row,) = source.rows(0)
    line = source.refused(row, Flaw("schema", "data.…", "needs … or „x“", "see ✓"))
    assert line.startswith("é,x,2,schema,data.?,needs ? or ?x?,see ?".encode("latin-1"))


def test_an_empty_table(tmp_path: Path) -> None:
    for content in (b"", b"id,n\n", b"id,n"):
        assert table(content, tmp_path) == []


@pytest.mark.parametrize(
    ("header", "asked", "said"),
    [
        ("id,n", ["x=data.x"], "no column 'x'"),
        ("id,id", ["id=data.x"], "several columns 'id'"),
        ("id,n", ["id=data.x", "n=data.x"], "both be filled"),
        ("id,n", ["id=data.x", "n=data.x.y"], "both be filled"),
        ("id,n", ["id=data.x", "n=data"], "both be filled"),
        ("id,n", [], "column 'id'"),
        ("id,n", ["id=nope.x"], "no field of a bigmind event"),
        ("id,n", ["id=identity.id:number"], "is text"),
        ("id,n", ["id=data.x:float"], "no type"),
        ("id,n", ["id="], "no mapping"),
        ("id,n", ["id"], "no mapping"),
        ("id,n", ["id=data..x"], "no path"),
    ],
)
def test_a_mapping_that_does_not_fit_stops_it(tmp_path: Path, header: str, asked: list[str], said: str) -> None:
    with pytest.raises(StoppedError, match=said):
        opened_table(header.encode(), tmp_path, parse("bigmind", asked, (), None, None))


def test_a_mapping_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mapping.json"
    file.write_text(
        json.dumps(
            {
                "columns": {"id": ["identity.id", {"path": ["data", "a.b"]}], "n": "data.n:number"},
                "set": {"signal": "visits", "identity.type": "account", "data.five": 5},
            }
        )
    )
    (row,) = table(b"id,n\n7,1\n", tmp_path, parse("bigmind", (), (), None, file))
    assert json.loads(row.event)["data"] == {"five": 5, "n": 1, "a.b": "7"}
    for wrong in ("[]", "{", '{"column": {}}', '{"columns": []}', '{"set": {"data.x:number": "x"}}'):
        file.write_text(wrong)
        with pytest.raises(StoppedError):
            opened_table(b"id,n\n7,1\n", tmp_path, parse("bigmind", (), (), None, file))


def test_an_encoding_that_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(StoppedError, match="no encoding"):
        opened_table(b"id,n\n", tmp_path, encoding="utf-99")
    with pytest.raises(StoppedError, match="--encoding"):
        table("id,n\n1,1\n".encode("utf-16") + b"\x00", tmp_path)


# --- Parquet -----------------------------------------------------------------------------------------------------


def written(tmp_path: Path, columns: dict[str, Any], **how: Any) -> Path:
    file = tmp_path / "events.parquet"
    pq.write_table(pa.table(columns), file, **how)
    return file


def parquet(file: Path, mapping: Mapping, skip: int = 0, dialect: Dialect = "bigmind") -> list[Row]:
    with file.open("rb") as opened:
        return list(Parquet(opened, dialect, mapping).rows(skip))


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    moment = datetime(2024, 11, 15, 12, tzinfo=UTC)
    file = written(
        tmp_path,
        {
            "signal": ["visits", "visits"],
            "identity": [{"type": "account", "id": "1"}, {"type": "account", "id": "2"}],
            "timestamp": pa.array([moment, None], pa.timestamp("ns", "UTC")),
            "data": [
                {"price": Decimal("1.10"), "n": 5, "ok": True, "list": [1, None], "none": None, "day": moment.date()},
                {"price": None, "n": None, "ok": None, "list": None, "none": None, "day": None},
            ],
        },
    )
    first, second = (json.loads(row.event) for row in parquet(file, Mapping()))
    assert first["timestamp"] == "2024-11-15T12:00:00Z"
    assert first["data"] == {"price": 1.1, "n": 5, "ok": True, "list": [1, None], "day": "2024-11-15"}
    assert second == {"signal": "visits", "identity": {"type": "account", "id": "2"}, "data": {}}


def test_parquet_columns_are_mapped_and_turned(tmp_path: Path) -> None:
    file = written(tmp_path, {"id": [7, 8], "n": ["1", "x"], "f": [float("nan"), float("inf")], "j": ['{"a":1}', None]})
    mapping = mapped(
        "id=identity.id", "n=data.n:number", "f=data.f", "j=data.j:json", fixed=("signal=v", "identity.type=a")
    )
    first, second = parquet(file, mapping)
    assert json.loads(first.event)["identity"]["id"] == "7" and json.loads(first.event)["data"] == {
        "n": 1,
        "j": {"a": 1},
    }
    assert second.flaw and second.flaw.path == "data.n" and json.loads(second.event)["data"] == {"n": "x", "f": "inf"}


def test_parquet_goes_on_from_the_middle(tmp_path: Path) -> None:
    file = written(tmp_path, {"id": list(range(10_000))}, row_group_size=700)
    mapping = mapped("id=identity.id", fixed=("signal=v", "identity.type=a"))
    assert ids(parquet(file, mapping)) == [str(n) for n in range(10_000)]
    for skip in (1, 699, 700, 701, 5_000, 9_999, 10_000):
        rows = parquet(file, mapping, skip)
        assert ids(rows) == [str(n) for n in range(skip, 10_000)]
        assert not rows or rows[0].line == skip + 1
    with file.open("rb") as opened:
        source = Parquet(opened, "bigmind", mapping)
        assert source.total == 10_000 and len(list(source.rows(0))) == source.at()


def test_a_parquet_file_that_is_none(tmp_path: Path) -> None:
    file = written(tmp_path, {"id": list(range(1000))})
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(StoppedError, match="Parquet"):
        parquet(file, Mapping())


# --- all of them -------------------------------------------------------------------------------------------------


def test_formats_are_known_by_content_and_name(tmp_path: Path) -> None:
    for name, format_ in (("a.ndjson", "ndjson"), ("a.JSONL.gz", "ndjson"), ("a.refused.csv", "csv"), ("a.tsv", "csv")):
        (tmp_path / name).write_bytes(b"x")
        assert format_of(tmp_path / name) == format_
    (tmp_path / "a.csv").write_bytes(b"PAR1....")
    assert format_of(tmp_path / "a.csv") == "parquet"
    for name in ("a", "a.gz", "a.xlsx", "a.parquet"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(StoppedError, match="--format"):
            format_of(tmp_path / name)


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"x" * 3_000_000)
    other.write_bytes(b"x" * 3_000_000)
    assert identity(one) == identity(other)
    other.write_bytes(b"x" * 2_999_999 + b"y")
    assert identity(one) != identity(other)


def test_chunks_are_the_same_from_wherever_they_are_made(tmp_path: Path) -> None:
    lines = [json.dumps(EVENT | {"data": {"x": "y" * (n * 997 % 90_000)}}).encode() for n in range(500)]
    lines[100:100] = [b"bad"] * 2500
    content = b"\n".join(lines)
    (tmp_path / "events.ndjson").write_bytes(content)

    def cut(skip: int, first: int) -> list[tuple[int, list[int]]]:
        source = Ndjson((tmp_path / "events.ndjson").open("rb"))
        return [(each.number, [row.line for row in each.rows]) for each in chunks(source.rows(skip), first, source.at)]

    whole = cut(0, 0)
    assert sum(len(rows) for _, rows in whole) == 3000 and len(whole) >= 8
    done = 0
    for number, rows in whole:
        assert cut(done, number) == whole[number:]
        done += len(rows)


def test_chunks_are_bounded(tmp_path: Path) -> None:
    big = json.dumps(EVENT | {"data": {"x": "y" * 250_000}}).encode()
    (tmp_path / "events.ndjson").write_bytes(b"\n".join([big] * 60 + [json.dumps(EVENT).encode()] * 250))
    source = Ndjson((tmp_path / "events.ndjson").open("rb"))
    found = list(chunks(source.rows(0), 0, source.at))
    assert all(len(each.rows) <= 100 and sum(len(row.event) + 1 for row in each.rows) <= MAX_BODY for each in found)
    assert [each.at for each in found] == sorted(each.at for each in found) and found[-1].at == source.total


def test_a_quotation_mark_that_is_never_closed_does_not_swallow_the_file(tmp_path: Path) -> None:
    """Once a field is too long it ends, and what follows is read as rows again; the same from whichever row on."""
    plain = "".join(f"{n},{1:0<100}\n" for n in range(200_000))
    content = f'id,n\na,1\n"b,2\n{plain}'.encode()
    assert len(content) > MAX_LINE
    rows = table(content, tmp_path)
    assert [row.flaw and row.flaw.code for row in rows[:2]] == [None, "too_large"]
    assert rows[1].flaw and "the lines 3 to" in rows[1].flaw.message
    assert all(row.flaw is None for row in rows[2:]) and ids(rows[-1:]) == ["199999"]
    assert [row.line for row in table(content, tmp_path, skip=len(rows) - 3)] == [row.line for row in rows[-3:]]
