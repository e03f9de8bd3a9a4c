"""Tables: one passage a row, its headers, sheet and number, and how cells are written."""

from __future__ import annotations

import datetime
import warnings
from pathlib import Path

import openpyxl
import pytest

from .conftest import read, told, write


def test_a_row_is_a_passage_under_its_headers(folder: Path) -> None:
    write(folder / "a.csv", 'name,note\nAnn,"likes ""tea"", and\nrain"\n\nBob,\n')
    passages, skipped = read("a.csv")
    assert skipped == {}
    assert told(passages, "row", "position") == [
        (2, 0, 'name: Ann\nnote: likes "tea", and\nrain'),
        (4, 1, "name: Bob"),
    ]
    assert [passage.id for passage in passages] == ["a.csv#0", "a.csv#1"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "name;price\nAnn;1,5\nBob;2,5\n"),
        ("a.csv", "name\tprice\nAnn\t1,5\nBob\t2,5\n"),
        ("a.csv", "name|price\nAnn|1,5\nBob|2,5\n"),
        ("a.tsv", "name\tprice\nAnn\t1,5\nBob\t2,5\n"),
        ("a.csv", "\ufeffname;price\r\nAnn;1,5\r\nBob;2,5\r\n"),
    ],
)
def test_the_separator_is_found_out(folder: Path, name: str, content: str) -> None:
    write(folder / name, content)
    assert told(read(name)[0]) == [("name: Ann\nprice: 1,5",), ("name: Bob\nprice: 2,5",)]


def test_one_column_is_a_table_too(folder: Path) -> None:
    write(folder / "a.csv", "sentence\nWhales sing.\nBread is baked.\n")
    assert told(read("a.csv")[0]) == [("sentence: Whales sing.",), ("sentence: Bread is baked.",)]


def test_cells_without_a_header_are_numbered(folder: Path) -> None:
    write(folder / "a.csv", "name,,age\nAnn,x,31,more\n")
    assert told(read("a.csv")[0]) == [("name: Ann\ncolumn 2: x\nage: 31\ncolumn 4: more",)]


def test_a_long_row_is_split_and_keeps_its_number(folder: Path) -> None:
    write(folder / "a.csv", "text,n\n" + "word " * 100 + ",1\nshort,2\n")
    passages, _ = read("a.csv", size=200)
    assert [passage.metadata["row"] for passage in passages] == [2, 2, 2, 3]


@pytest.mark.parametrize("content", ["name,age\n", "\n\n"])
def test_headers_alone_are_no_text(folder: Path, content: str) -> None:
    write(folder / "a.csv", content)
    assert read("a.csv") == ([], {"a.csv": "no text in it"})


def test_a_field_without_end_is_no_table(folder: Path) -> None:
    write(folder / "a.csv", 'a,b\n"' + "x" * 200_000)
    passages, skipped = read("a.csv")
    assert passages == []
    assert skipped["a.csv"].startswith("not a valid table (field larger")


def test_each_row_of_a_workbook_knows_its_sheet(folder: Path) -> None:
    book = openpyxl.Workbook()
    people = book.active
    people.title = "People"
    people.append([])
    people.append(["name", "born", "height", "seen", "active"])
    people.append(
        ["Ann", datetime.date(1990, 5, 1), 2.0, datetime.datetime(2024, 1, 2, 3, 4), True]
    )
    people.append(["Bob", None, 1.75])
    places = book.create_sheet("Places")
    places.append(["city"])
    places.append(["Łódź"])
    book.create_sheet("Empty")
    book.save(folder / "a.xlsx")
    passages, skipped = read("a.xlsx")
    assert skipped == {}
    assert told(passages, "sheet", "row") == [
        (
            "People",
            3,
            "name: Ann\nborn: 1990-05-01\nheight: 2\nseen: 2024-01-02 03:04:00\nactive: True",
        ),
        ("People", 4, "name: Bob\nheight: 1.75"),
        ("Places", 2, "city: Łódź"),
    ]


def test_openpyxls_warnings_are_silenced(folder: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["a"])
    book.active.append(["b"])
    book.save(folder / "a.xlsx")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert told(read("a.xlsx")[0]) == [("a: b",)]
    assert caught == []
