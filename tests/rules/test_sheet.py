"""Exports that spreadsheets open: every cell comes back as it is, and none acts."""

import csv
import io
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.rules import sheet
from headwater.rules.answers import Identity
from headwater.rules.membership import COLUMNS, CSV_HEAD, MemberAnswer, csv_line

ACTING = tuple("=+-@\t\r＝＋－＠")


def read(line: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(line, newline="")))


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("＝1+1", "'＝1+1"),
        ("a;=cmd()@x.example", "a;'=cmd()@x.example"),
        ('a",=1', "a\",'=1"),
        ("+19494572000", "+19494572000"),
        ("+", "'+"),
        ("+1949+1", "'+1949+1"),
        ("+１", "'+１"),
        ("-1", "'-1"),
        ("ada@x.example", "ada@x.example"),
        ("a-b=c+d", "a-b=c+d"),
        ("", ""),
    ],
)
def test_no_cell_acts_and_phone_numbers_stay(cell: str, shown: str) -> None:
    assert sheet.harmless(cell) == shown
    assert read(sheet.line([cell, "next"])) == [[shown, "next"]]


@given(st.lists(st.text(st.sampled_from("=+-@;,\"'\t\r\n |a1é＝ ")), min_size=1, max_size=4))
def test_every_row_is_read_back_as_one_row(cells: list[str]) -> None:
    row = read(sheet.line([*cells, "end"]))
    assert row == [[*map(sheet.harmless, cells), "end"]]
    for given_, shown in zip(cells, row[0], strict=False):
        assert shown[:1] not in ACTING or (shown[1:].isdigit() and shown[0] == "+")
        assert len(given_) <= len(shown) and given_.replace("'", "") == shown.replace("'", "")


def test_a_member_is_a_row() -> None:
    identities = [
        Identity("account", "=1;A 1"),
        Identity("email", "a@x.example"),
        Identity("email", "b@x.example"),
        Identity("phone", "+19494572000"),
        Identity("phone", "+19494572001"),
    ]
    line = csv_line(MemberAnswer("prf_1", identities, "2026-11-22T04:05:06.789Z")).decode()
    assert CSV_HEAD.decode().rstrip("\r\n") == ",".join(COLUMNS)
    others = "account:%3D1%3BA%201 email:b@x.example phone:%2B19494572001"
    assert read(line) == [["prf_1", "a@x.example", "+19494572000", others, "2026-11-22T04:05:06.789Z"]]
    assert unquote(others.split(" ")[0]) == "account:=1;A 1"


def test_a_custom_type_acts_neither() -> None:
    line = csv_line(MemberAnswer("prf_1", [Identity("-x", "1"), Identity("=y", "2")], "")).decode()
    assert read(line)[0][3] == "'-x:1 %3Dy:2"
